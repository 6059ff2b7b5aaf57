//! What the swarm reports, and what the node makes of it.

use libp2p::allow_block_list::Blocked;
use libp2p::connection_limits::Exceeded;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionDenied, ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{PeerId, ping};

use crate::api::Event;
use crate::identity::IdentityId;
use crate::protocol::{AUTH_PROTOCOL, AuthError, Happening, Reason};

use super::agenda::Errand;
use super::behaviour::NodeBehaviourEvent;
use super::driver::Driver;
use super::links::Link;

impl Driver {
    /// Acts on one event of the swarm.
    pub(super) fn swarm_event(&mut self, event: SwarmEvent<NodeBehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour_event(event),
            SwarmEvent::NewListenAddr { address, .. } => self.emit(&Event::Listening {
                address: address.to_string(),
            }),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => self.connected(peer_id, connection_id, &endpoint),
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                let reason = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
                self.disconnected(peer_id, connection_id, reason);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.outgoing_failed(peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                self.incoming_failed(peer_id, &error);
            }
            SwarmEvent::ExternalAddrConfirmed { .. } => self.register_everywhere(),
            SwarmEvent::Dialing {
                peer_id: Some(peer),
                ..
            } => self.behaviour_dials(peer),
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::error!(?addresses, ?reason, "a listener has closed");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed to accept");
                self.context.outlet.add("accept-failed", 1);
            }
            _ => {}
        }
    }

    fn behaviour_event(&mut self, event: NodeBehaviourEvent) {
        match event {
            NodeBehaviourEvent::Protocol(Happening::Proved {
                connection,
                peer,
                result,
            }) => match result {
                Ok(identity) => self.authenticated(peer, connection, identity),
                Err(error) => self.not_authenticated(peer, connection, &error),
            },
            NodeBehaviourEvent::Protocol(Happening::Pulled { order, result }) => {
                self.pull_ended(order, &result);
            }
            NodeBehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result,
            }) => match result {
                Ok(rtt) => self.emit(&Event::Pinged {
                    peer: peer.to_string(),
                    rtt_us: u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX),
                }),
                Err(ping::Failure::Unsupported) => {}
                Err(error) => {
                    tracing::info!(%peer, %error, "closing a connection that does not answer");
                    self.swarm.close_connection(connection);
                }
            },
            NodeBehaviourEvent::HolePunch(event) => self.hole_punch_event(event),
            NodeBehaviourEvent::Gossip(event) => self.gossip_event(event),
            NodeBehaviourEvent::Friends(event) => self.friends_event(event),
            NodeBehaviourEvent::Rendezvous(event) => self.rendezvous_event(event),
            NodeBehaviourEvent::RendezvousServer(event) => self.rendezvous_served(&event),
            NodeBehaviourEvent::Identify(event) => self.identified(&event),
            NodeBehaviourEvent::Mdns(event) | NodeBehaviourEvent::Local(event) => {
                self.neighbourhood_changed(event);
            }
            NodeBehaviourEvent::Kad(_)
            | NodeBehaviourEvent::Relay(_)
            | NodeBehaviourEvent::RelayClient(_) => {}
        }
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let dialer = endpoint.is_dialer();
        self.emit(&Event::Connected {
            peer: peer.to_string(),
            dialer,
        });
        self.link(connection, Link::new(peer, endpoint));
        self.known_is_here(&peer);
        self.climbs_arrive(peer);
        for friend in self.friends_at(&peer) {
            self.agenda.cancel(Errand::Dial(friend));
        }
    }

    fn disconnected(&mut self, peer: PeerId, connection: ConnectionId, reason: String) {
        self.links.remove(connection);
        self.emit(&Event::Disconnected {
            peer: peer.to_string(),
            reason,
        });
        self.pulls_lost(connection);
        if !self.links.has_peer(&peer) {
            self.known_is_gone(peer);
            for friend in self.friends_at(&peer) {
                self.retry_later(friend);
            }
        }
    }

    fn authenticated(&mut self, peer: PeerId, connection: ConnectionId, identity: IdentityId) {
        self.links.prove(connection, identity);
        self.emit(&Event::Authenticated {
            peer: peer.to_string(),
            identity: identity.to_string(),
        });
        // The identity may have been blocked while the proof was on its way.
        if self.context.is_blocked(&identity) {
            self.deny(identity, [peer].into());
            return;
        }
        self.friend_is_here(identity);
    }

    fn not_authenticated(&mut self, peer: PeerId, connection: ConnectionId, error: &AuthError) {
        tracing::info!(%peer, %error, "a connection's peer is not known");
        if let Some(reason) = error.reason() {
            self.context.refused(&peer, AUTH_PROTOCOL.as_ref(), reason);
        }
        match error {
            AuthError::Unwanted(identity, Reason::Blocked) => {
                self.deny(*identity, [peer].into());
            }
            _ => {
                self.swarm.close_connection(connection);
            }
        }
    }

    pub(super) fn outgoing_failed(&mut self, peer: Option<PeerId>, error: &DialError) {
        if let DialError::Denied { cause } = error {
            self.denied_by(peer, cause);
        }
        if let Some(peer) = peer
            && !self.links.has_peer(&peer)
        {
            self.known_is_gone(peer);
        }
        let reason = error.to_string();
        let mut friends = peer.map(|peer| self.friends_at(&peer)).unwrap_or_default();
        // Dials of those who are connected, or being looked for, are no failures of friends.
        let connected = peer.is_some_and(|peer| self.links.has_peer(&peer));
        friends.retain(|friend| !connected && !self.climbs.contains(*friend));
        if friends.is_empty() {
            self.emit(&Event::DialFailed {
                peer: peer.map(|peer| peer.to_string()),
                reason: reason.clone(),
            });
        }
        for friend in friends {
            self.dial_failed(friend, &reason);
        }
        if let Some(peer) = peer.filter(|_| !connected) {
            self.climbs_fail(peer, &reason);
        }
    }

    fn incoming_failed(&mut self, peer: Option<PeerId>, error: &ListenError) {
        tracing::debug!(?peer, %error, "a connection of somebody failed");
        self.context.outlet.add("incoming-failed", 1);
        if let ListenError::Denied { cause } = error {
            self.denied_by(peer, cause);
        }
    }

    /// Tells which of our own rules denied a connection.
    pub(super) fn denied_by(&self, peer: Option<PeerId>, cause: &ConnectionDenied) {
        if cause.downcast_ref::<Exceeded>().is_some() {
            self.context.limit_reached("connections");
        } else if cause.downcast_ref::<Blocked>().is_some()
            && let Some(peer) = peer
        {
            self.context.refused(&peer, "connection", Reason::Blocked);
        }
    }

    /// Friends whose card names `peer`.
    pub(super) fn friends_at(&self, peer: &PeerId) -> Vec<IdentityId> {
        self.friends
            .iter()
            .filter(|(_, friend)| friend.card.peer == *peer)
            .map(|(identity, _)| *identity)
            .collect()
    }
}
