//! Why an op is not taken in, and what would have it taken.
//!
//! Owns words and outlooks. Which of them holds is found where ops are verified and stored.

use crate::codec::DecodeError;
use crate::identity::IdentityId;

/// Why an op of somebody else was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpRefusal {
    /// Header, certificate or body cannot be read.
    #[error(transparent)]
    Format(#[from] DecodeError),
    /// The certificate is of another identity than the feed's.
    #[error("the op is by another author")]
    Author,
    /// The header is by another device than the certificate's.
    #[error("the op is by a device that the author did not certify")]
    Device,
    /// The op is held already as another author's.
    #[error("the op is held as one of {0}")]
    Taken(IdentityId),
    /// The device made the op after its certificate had ended.
    #[error("the op was made after its device's certificate had ended")]
    Ended,
    /// The author has revoked the device, and made this op later than the revocation lets it.
    #[error("the author has revoked the device that made the op")]
    Revoked,
    /// The device did not sign these header bytes, or not for this author.
    #[error("the op's signature is forged")]
    Signature,
    /// The body is not the one whose hash and length were signed.
    #[error("the body is not the one that was signed")]
    BodyHash,
    /// A sealed body came without a wrapped key that opens it here.
    #[error("the body cannot be opened with this device's key")]
    Unreadable,
    /// A message in a log beyond those in which messages of this author are taken in.
    #[error("the author has messages in 1,024 other logs")]
    Logs,
    /// So much is kept of this author that there is no room for it.
    #[error("more is not kept of this author; see `sync.max_bytes_per_author`")]
    Quota,
    /// The device signed two ops for one place, or one that does not continue what it signed
    /// before; nothing from there on is taken.
    #[error("the log is forked at place {seq} and frozen there")]
    Fork {
        /// The place.
        seq: u64,
    },
}

/// What has to happen for an op that was refused to be taken some day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It may come as it should when it is asked for again.
    AskedAgain,
    /// There has to be room.
    Room,
    /// Nothing would help: every peer would serve the same.
    Never,
}

impl OpRefusal {
    /// What has to happen for the op to be taken some day.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::Signature | Self::BodyHash | Self::Unreadable => Outlook::AskedAgain,
            Self::Quota => Outlook::Room,
            Self::Format(_)
            | Self::Author
            | Self::Device
            | Self::Taken(_)
            | Self::Ended
            | Self::Revoked
            | Self::Logs
            | Self::Fork { .. } => Outlook::Never,
        }
    }

    /// The reason in one kebab-case word, for events and counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(_) => "op-format",
            Self::Author => "op-author",
            Self::Device => "op-device",
            Self::Taken(_) => "op-taken",
            Self::Ended => "op-certificate-ended",
            Self::Revoked => "op-revoked",
            Self::Signature => "op-signature",
            Self::BodyHash => "op-body-hash",
            Self::Unreadable => "op-unreadable",
            Self::Logs => "op-logs",
            Self::Quota => "op-quota",
            Self::Fork { .. } => "op-fork",
        }
    }
}
