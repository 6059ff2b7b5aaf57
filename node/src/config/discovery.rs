//! The sections on how a node finds others: on the local network, at rendezvous points,
//! by its friends.
//!
//! Owns names and defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;
use crate::discovery::local::Settings;

/// Whose implementation of local discovery a node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MdnsImplementation {
    /// libp2p's.
    #[default]
    Stock,
    /// The node's own, with the same packets and times.
    Own,
}

/// `[mdns]`: finding nodes on the local network by multicast DNS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mdns {
    /// Whether to ask and to answer there.
    pub enabled: bool,
    /// Whose implementation: `stock`, libp2p's, or `own`, the node's. libp2p's opens
    /// sockets of the operating system by itself; where something else supplies the
    /// network, it is `own` whatever stands here.
    pub implementation: MdnsImplementation,
    /// How long an answer holds, in whole seconds.
    pub ttl: TimeSpan,
    /// The pause between two questions once somebody is there.
    pub query_interval: TimeSpan,
}

impl Default for Mdns {
    /// The times are those of libp2p-mdns 0.49.
    fn default() -> Self {
        Self {
            enabled: false,
            implementation: MdnsImplementation::default(),
            ttl: TimeSpan::from_secs(6 * 60),
            query_interval: TimeSpan::from_secs(5 * 60),
        }
    }
}

impl Mdns {
    /// Refuses times that make no sense, each by itself.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (path, span) in [
            ("mdns.ttl", self.ttl),
            ("mdns.query_interval", self.query_interval),
        ] {
            if span.as_millis_u64() < 1_000 {
                return Err((path, "must be at least 1s".to_owned()));
            }
        }
        Ok(())
    }

    /// The same for the node's own implementation.
    pub fn settings(&self) -> Settings {
        Settings {
            ttl: self.ttl.get(),
            query_interval: self.query_interval.get(),
        }
    }
}
