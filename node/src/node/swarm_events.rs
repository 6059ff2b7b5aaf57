//! What the swarm reports, and what the node makes of it.

use std::time::Instant;

use libp2p::allow_block_list::Blocked;
use libp2p::connection_limits::Exceeded;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionDenied, ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{PeerId, identify, ping};

use crate::api::Event;
use crate::entry::{Anybodys, NoPlace, Use};
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
            SwarmEvent::NewListenAddr { address, .. } => {
                self.emit(&Event::Listening {
                    address: address.to_string(),
                });
                self.listens_on(address);
                self.addresses_changed();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.listens_no_more(&address);
                self.addresses_changed();
            }
            SwarmEvent::ExternalAddrConfirmed { .. } | SwarmEvent::ExternalAddrExpired { .. } => {
                self.reach_changed();
                self.addresses_changed();
                self.register_everywhere();
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.second_dials.ended(connection_id);
                self.established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                endpoint,
                ..
            } => {
                let address = endpoint.get_remote_address();
                self.relays.door.closed(peer_id, address);
                if self.dial_back_closed(connection_id) {
                    return;
                }
                let reason = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
                self.disconnected(peer_id, connection_id, reason);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => self.dial_ended(connection_id, peer_id, &error),
            SwarmEvent::IncomingConnectionError { peer_id, error, .. } => {
                self.incoming_failed(peer_id, &error);
            }
            SwarmEvent::Dialing {
                peer_id: Some(peer),
                ..
            } => self.behaviour_dials(peer),
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => self.listener_closed(listener_id, &reason),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener failed to accept");
                self.context.outlet.add("accept-failed", 1);
            }
            _ => {}
        }
    }

    fn behaviour_event(&mut self, event: NodeBehaviourEvent) {
        match event {
            NodeBehaviourEvent::Protocol(happening) => self.happened(*happening),
            NodeBehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result,
            }) => match result {
                Ok(rtt) => {
                    self.links.hears(connection, false);
                    self.relays.auto.measured(&peer, rtt);
                    let peer = self.names.of(peer).to_owned();
                    self.emit(&Event::Pinged {
                        peer,
                        rtt_us: u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX),
                    });
                }
                Err(ping::Failure::Unsupported) => self.links.hears(connection, true),
                Err(error) => {
                    tracing::info!(%peer, %error, "closing a connection that does not answer");
                    self.swarm.close_connection(connection);
                }
            },
            NodeBehaviourEvent::HolePunch(event) => self.hole_punch_event(*event),
            NodeBehaviourEvent::Gossip(event) => self.gossip_event(*event),
            NodeBehaviourEvent::Identify(event) => self.identify_event(*event),
            NodeBehaviourEvent::Kad(event) => self.kad_event(*event),
            NodeBehaviourEvent::AutonatClient(test) => self.address_tested(&test),
            NodeBehaviourEvent::Upnp(event) => self.port_mapping_event(*event),
            NodeBehaviourEvent::RelayTerms(told) => {
                let (peer, terms) = *told;
                self.relays.auto.told(&peer, terms);
            }
            NodeBehaviourEvent::Relay(event) => self.relay_event(*event),
            NodeBehaviourEvent::RelayClient(event) => self.relay_client_event(&event),
            NodeBehaviourEvent::AutonatServer(_) => {}
            NodeBehaviourEvent::Friends(event) => self.friends_event(*event),
            NodeBehaviourEvent::Rendezvous(event) => self.rendezvous_event(*event),
            NodeBehaviourEvent::RendezvousServer(event) => self.rendezvous_served(&event),
            NodeBehaviourEvent::Mdns(event) | NodeBehaviourEvent::Local(event) => {
                self.neighbourhood_changed(*event);
            }
        }
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Proved {
                connection,
                peer,
                result,
            } => match result {
                Ok(identity) => self.authenticated(peer, connection, identity),
                Err(error) => self.not_authenticated(peer, connection, &error),
            },
            Happening::Pulled { order, result } => self.pull_ended(order, &result),
            Happening::RefusedTooOften { connection } => {
                self.context.limit_reached("refusals");
                self.swarm.close_connection(connection);
            }
        }
    }

    fn identify_event(&mut self, event: identify::Event) {
        if let identify::Event::Received {
            connection_id,
            peer_id,
            info,
        } = event
        {
            self.peer_told(peer_id, connection_id, &info);
            self.may_be_point(peer_id, &info);
            self.identified(connection_id, peer_id, &info);
            self.show_on_all_transports(peer_id, &info);
        }
    }

    pub(super) fn connected(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
        since: Instant,
    ) {
        let dialer = endpoint.is_dialer();
        self.emit(&Event::Connected {
            peer: peer.to_string(),
            dialer,
        });
        let local = self.is_on_local_network(&peer, endpoint.get_remote_address());
        let link = Link::new(peer, endpoint).with_since(since);
        self.link(connection, link.with_local(local));
        if !self.context.config.feed.enabled {
            // Nothing more is asked for than the key of its name.
            self.acquaintances.meets(&peer);
        }
        self.circuit_opened(peer, connection, endpoint);
        self.bypass_relay(peer);
        if self.known.contains_key(&peer) {
            self.keep_from_kad(&peer);
        }
        self.known_is_here(&peer);
        self.climbs_arrive(peer);
        for friend in self.friends_at(&peer) {
            self.agenda.cancel(Errand::Dial(friend));
        }
    }

    fn disconnected(&mut self, peer: PeerId, connection: ConnectionId, reason: String) {
        let identity = self.links.remove(connection).and_then(|link| link.identity);
        self.fall_back(peer, connection);
        self.emit(&Event::Disconnected {
            peer: peer.to_string(),
            reason,
        });
        self.circuit_closed(connection);
        if let Some(identity) = identity {
            self.pull_lost(connection, identity);
        }
        if !self.links.has_peer(&peer) {
            self.relay_is_gone(peer);
            self.point_is_gone(peer);
            self.known_is_gone(peer);
            for friend in self.friends_at(&peer) {
                self.friend_is_gone(friend);
            }
        }
    }

    fn authenticated(&mut self, peer: PeerId, connection: ConnectionId, identity: IdentityId) {
        self.links.prove(connection, identity);
        self.dial_back_proved(connection, identity);
        self.relays.door.proved(peer, &identity);
        self.emit(&Event::Authenticated {
            peer: peer.to_string(),
            identity: identity.to_string(),
        });
        // The identity may have been blocked while the proof was on its way.
        if self.context.is_blocked(&identity) {
            self.deny(identity, [peer].into());
            return;
        }
        let behaviour = self.swarm.behaviour_mut();
        behaviour.limits.is_good_for(&peer, Use::Proved);
        if self.friends.contains_key(&identity) {
            self.keep_from_kad(&peer);
        } else {
            self.acquaintances.meets(&peer);
            let known = self.known.contains_key(&peer) || self.is_friend(&peer);
            if !known && let Some(protocol) = self.swarm.behaviour_mut().protocol.as_mut() {
                protocol.is_of_friend(peer, connection, false);
            }
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
            // Who has no feeds may be here for something else. Unused, the connection ends.
            AuthError::NotSpoken => {}
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
        self.circuit_denied(peer, error);
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
        let full = cause.downcast_ref::<NoPlace>().is_some();
        if full || cause.downcast_ref::<Exceeded>().is_some() {
            self.context.limit_reached("connections");
        } else if cause.downcast_ref::<Blocked>().is_some()
            && let Some(peer) = peer
        {
            self.context.refused(&peer, "connection", Reason::Blocked);
        } else if cause.downcast_ref::<Anybodys>().is_some()
            && let Some(peer) = peer
        {
            self.context.refused(&peer, "connection", Reason::Forged);
        }
    }
}
