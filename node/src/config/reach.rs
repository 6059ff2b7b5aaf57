//! The sections on how a node finds its way into the network.
//!
//! Owns names and defaults.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// More known nodes are of no use, and each is kept connected.
const PEERS_MAX: usize = 64;

/// `[bootstrap]`: nodes that are known from the start, and kept connected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Multiaddrs that end in `/p2p/…`; several may name one peer.
    #[schemars(with = "Vec<String>")]
    pub peers: Vec<Multiaddr>,
}

impl Bootstrap {
    /// Checks the addresses.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |reason: String| Err(("bootstrap.peers", reason));
        if self.peers.len() > PEERS_MAX {
            return wrong(format!("must be at most {PEERS_MAX}"));
        }
        for address in &self.peers {
            if !matches!(address.iter().last(), Some(Protocol::P2p(_))) {
                return wrong(format!("`{address}` must end in /p2p/ and a peer's name"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_node_has_an_address_and_a_name() {
        let check = |text: &str, sound: bool| {
            let peers = vec![text.parse().expect("the test lists multiaddrs")];
            assert_eq!(Bootstrap { peers }.check().is_ok(), sound, "{text}");
        };
        check("/ip4/192.0.2.1/tcp/4150", false);
        check(
            "/ip4/192.0.2.1/tcp/4150/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
            true,
        );
    }
}
