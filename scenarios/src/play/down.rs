//! How the programs of a host end.

/// How a host's programs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// With its power.
    LostPower,
    /// In good order.
    Stopped,
}
