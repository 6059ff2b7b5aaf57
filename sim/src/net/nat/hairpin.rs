//! Hairpinning (RFC 4787 §6): packets from inside to an outside address of the same NAT.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hairpinning {
    /// They are dropped.
    None,
    /// They come back with the sender's inside address, so that an answer goes straight
    /// there and is not recognized. RFC 4787 calls it "Internal source IP address and
    /// port", and REQ-9 a) forbids it.
    InternalSource,
    /// They come back with the sender's outside address, as REQ-9 a) requires.
    #[default]
    ExternalSource,
}

impl Hairpinning {
    /// The source that the receiver sees; `None` if it sees nothing.
    pub(super) fn source(self, inside: SocketAddr, outside: SocketAddr) -> Option<SocketAddr> {
        match self {
            Self::None => None,
            Self::InternalSource => Some(inside),
            Self::ExternalSource => Some(outside),
        }
    }
}
