//! The section on finding out whether others can reach the node.
//!
//! Owns names and defaults, which are those of libp2p-autonat 0.16.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;

/// `[autonat]`: asking others to dial back (AutoNAT v2), and doing so for others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Autonat {
    /// Whether to have one's addresses tested, by those friends and nodes of `bootstrap.peers` that do so
    /// for others. What passes goes on the card, and to peers.
    pub enabled: bool,
    /// Whether to test addresses for others.
    pub server: bool,
    /// Time between two rounds of tests.
    pub probe_interval: TimeSpan,
    /// Addresses that are tested in one round.
    pub max_candidates: usize,
}

impl Default for Autonat {
    fn default() -> Self {
        Self {
            enabled: false,
            server: false,
            probe_interval: TimeSpan::from_secs(5),
            max_candidates: 10,
        }
    }
}
