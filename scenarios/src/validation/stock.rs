//! libp2p's own behaviours, of which a row enables those that it measures.
//!
//! Owns their one type: a swarm is dear to compile, and is so once for all rows.

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{gossipsub, identify, ping, relay};

/// Behaviours that are all disabled unless a row enables them.
#[derive(NetworkBehaviour)]
pub struct Stock {
    pub ping: Toggle<ping::Behaviour>,
    pub identify: Toggle<identify::Behaviour>,
    pub gossip: Toggle<gossipsub::Behaviour>,
    pub streams: Toggle<libp2p_stream::Behaviour>,
    pub relay: Toggle<relay::Behaviour>,
    pub relay_client: Toggle<relay::client::Behaviour>,
}

impl Stock {
    /// None of them.
    pub fn none() -> Self {
        Self {
            ping: None.into(),
            identify: None.into(),
            gossip: None.into(),
            streams: None.into(),
            relay: None.into(),
            relay_client: None.into(),
        }
    }

    /// Bare substreams alone.
    pub fn with_streams() -> Self {
        Self {
            streams: Some(libp2p_stream::Behaviour::new()).into(),
            ..Self::none()
        }
    }

    /// What opens and accepts bare substreams.
    ///
    /// # Panics
    /// If they are disabled.
    pub fn control(&self) -> libp2p_stream::Control {
        let streams = self.streams.as_ref().expect("the row enables substreams");
        streams.new_control()
    }
}
