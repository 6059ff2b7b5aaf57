//! What the swarm reports, as signals.

use libp2p::PeerId;
use libp2p::swarm::{ListenError, SwarmEvent};

use crate::api::Event;
use crate::core::behaviour::NodeBehaviourEvent;
use crate::core::signal::Signal;

use super::driver::Driver;

impl Driver {
    /// Acts on one event of the swarm.
    pub(super) fn swarm_event(&mut self, event: SwarmEvent<NodeBehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.core().emit(&Event::Listening {
                    address: address.to_string(),
                });
                self.tell(Signal::ListenAddressAdded(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.tell(Signal::ListenAddressRemoved(address));
            }
            SwarmEvent::ExternalAddrConfirmed { .. } | SwarmEvent::ExternalAddrExpired { .. } => {
                self.tell(Signal::ReachChanged);
            }
            SwarmEvent::ConnectionEstablished {
                peer_id: peer,
                connection_id: connection,
                endpoint,
                ..
            } => self.tell(Signal::Established {
                peer,
                connection,
                endpoint,
            }),
            SwarmEvent::ConnectionClosed {
                peer_id: peer,
                connection_id: connection,
                cause,
                endpoint,
                ..
            } => self.tell(Signal::Closed {
                peer,
                connection,
                address: endpoint.get_remote_address().clone(),
                reason: cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string()),
            }),
            SwarmEvent::OutgoingConnectionError {
                connection_id: connection,
                peer_id: peer,
                error,
            } => self.tell(Signal::DialEnded {
                connection,
                peer,
                error: error.into(),
            }),
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                self.on_incoming_failed(peer_id, &error);
            }
            SwarmEvent::Dialing {
                peer_id: Some(peer),
                ..
            } => self.tell(Signal::Dialing(peer)),
            SwarmEvent::ListenerClosed {
                listener_id: listener,
                reason,
                ..
            } => self.tell(Signal::ListenerClosed { listener, reason }),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed to accept");
                self.core().context.outlet.add("accept-failed", 1);
            }
            _ => {}
        }
    }

    fn on_incoming_failed(&self, peer: Option<PeerId>, error: &ListenError) {
        tracing::debug!(?peer, %error, "an incoming connection failed");
        let core = self.core();
        core.context.outlet.add("incoming-failed", 1);
        if let ListenError::Denied { cause } = error {
            core.denied_by(peer, cause);
        }
    }
}
