//! How long a session is remembered, and which packets renew it.
//!
//! Owns the figures and the rule of renewal for UDP. The states of TCP are
//! [`super::tcp_state`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long after its last packet a session is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// UDP (RFC 4787 §4.3 REQ-5: at least 2 minutes, 5 recommended).
    pub udp: Duration,
    /// TCP that is partly open, closed or reset (RFC 5382 §5 REQ-5: at least 4 minutes).
    pub tcp_transitory: Duration,
    /// TCP that is established (RFC 5382 §5 REQ-5: at least 2 hours and 4 minutes).
    pub tcp_established: Duration,
}

impl Default for Lifetimes {
    /// What RFC 4787 recommends and RFC 5382 requires at least.
    fn default() -> Self {
        Self {
            udp: Duration::from_mins(5),
            tcp_transitory: Duration::from_mins(4),
            tcp_established: Duration::from_mins(124),
        }
    }
}

/// Which way a packet goes through a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NatDirection {
    Out,
    In,
}

/// Which UDP packets renew a session (RFC 4787 §4.3 REQ-6). TCP's renew both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// Those from inside: what REQ-6 requires at least.
    #[default]
    Outbound,
    /// Those from outside that are let in, alone.
    Inbound,
    /// All.
    Both,
    /// None: a session ends that long after its first packet, whatever passes. §4.3 allows for
    /// it by an outbound refresh behaviour that is false, and REQ-6 forbids it.
    None,
}

impl Refresh {
    pub(super) fn counts(self, way: NatDirection) -> bool {
        match self {
            Self::Outbound => way == NatDirection::Out,
            Self::Inbound => way == NatDirection::In,
            Self::Both => true,
            Self::None => false,
        }
    }
}
