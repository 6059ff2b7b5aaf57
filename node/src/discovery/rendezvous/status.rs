//! Why a point does not do what it was asked.

/// The reasons of the specification, by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The record is not signed by the one it names, or too long.
    InvalidRecord,
    /// It is to stand for too short or too long a time.
    InvalidTtl,
    /// The cookie is none of the point's, or for another name.
    InvalidCookie,
    /// The record is of another peer than the one who asks.
    NotAuthorized,
    /// There is no room, or too much has been asked.
    Unavailable,
}

impl Status {
    /// The number on the wire.
    pub(super) const fn number(self) -> u64 {
        match self {
            Self::InvalidRecord => 101,
            Self::InvalidTtl => 102,
            Self::InvalidCookie => 103,
            Self::NotAuthorized => 200,
            Self::Unavailable => 400,
        }
    }
}
