//! The section about QUIC.
//!
//! Owns names and defaults. The defaults are those of libp2p-quic 0.14.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;
use crate::entry::Budget;
use crate::quic::Settings;

/// Whose implementation of QUIC under libp2p a node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QuicTransport {
    /// libp2p's.
    Stock,
    /// The node's own, with the same rules, and with less room for strangers.
    #[default]
    Own,
}

/// `[quic]`: connections over QUIC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quic {
    /// The implementation that carries them: `stock`, libp2p's, or `own`, the node's.
    /// libp2p's opens sockets of the operating system by itself; where something else
    /// supplies the network, it is `own` whatever stands here.
    pub transport: QuicTransport,
    /// A handshake that takes longer has failed.
    pub handshake_timeout: TimeSpan,
    /// A connection on which nothing comes for so long is lost; the shorter time of
    /// both peers counts.
    pub idle_timeout: TimeSpan,
    /// After so long without a packet one is sent to keep the connection; `0s` lets
    /// it go idle.
    pub keep_alive: TimeSpan,
    /// Streams that a peer may have open at once on a connection.
    pub max_streams: u32,
    /// Memory for what strangers have sent and is not read yet, in bytes. A stranger who has
    /// proved an identity (where feeds are off: a stranger's connection) may send 1 MiB ahead as long
    /// as this lasts; others may 64 KiB, friends and known nodes 15 MB. Only of `own`; with `stock`
    /// every peer may send 1 MiB ahead.
    pub strangers_bytes: u32,
}

impl Default for Quic {
    fn default() -> Self {
        Self {
            transport: QuicTransport::default(),
            handshake_timeout: TimeSpan::from_secs(5),
            idle_timeout: TimeSpan::from_secs(10),
            keep_alive: TimeSpan::from_secs(5),
            max_streams: 256,
            strangers_bytes: 64 << 20,
        }
    }
}

impl Quic {
    /// How many strangers may send more ahead at once.
    pub(crate) fn budget(&self) -> Budget {
        Budget {
            met_max: self.strangers_bytes / self.settings().met_window_bytes,
        }
    }

    /// What the node's own transport is set up with.
    pub fn settings(&self) -> Settings {
        let keep_alive = self.keep_alive.get();
        Settings {
            handshake_timeout: self.handshake_timeout.get(),
            idle_timeout: self.idle_timeout.get(),
            keep_alive: (!keep_alive.is_zero()).then_some(keep_alive),
            streams_max: self.max_streams,
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_transport() {
        assert_eq!(Quic::default().settings(), Settings::default());
    }
}
