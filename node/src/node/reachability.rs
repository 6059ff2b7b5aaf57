//! Whether others can reach the node, and where: what it listens on, what it is told to
//! announce, and what AutoNAT v2 has found out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::autonat::v2::client;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use crate::api::Event;
use crate::identity::IdentityId;
use crate::protocol::is_circuit;

use super::agenda::Errand;
use super::driver::Driver;
use super::kad_events::is_loopback;
use super::links::Link;

/// Time that an AutoNAT server gets to say what it has dialled for.
const DIAL_BACK_TIME: Duration = Duration::from_secs(5);

/// A test is asked for after what the peers tell each other first; the second of two connections
/// that come up within this time is none.
const DIALS_AT_ONCE: Duration = Duration::from_secs(1);

/// Connections beside another with the same peer that may have been made to test an address.
/// To end one of the two would end the test, or worse, the connection that matters. They are
/// bounded as connections are.
#[derive(Debug, Default)]
pub(super) struct DialBacks(BTreeMap<ConnectionId, DialBack>);

/// One of them.
#[derive(Debug)]
struct DialBack {
    peer: PeerId,
    endpoint: ConnectedPoint,
    since: Instant,
    /// Whom it has proved to speak for.
    identity: Option<IdentityId>,
}

impl DialBacks {
    /// Whether there is a connection with `peer` whose dialer we are, or are not.
    fn has_direct(&self, peer: &PeerId, dialer: bool) -> bool {
        let mut kept = self.0.values();
        kept.any(|kept| kept.peer == *peer && kept.endpoint.is_dialer() == dialer)
    }
}

impl Driver {
    /// A connection has come about.
    pub(super) fn established(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        if !self.is_dial_back(peer, connection, endpoint) {
            self.connected(peer, connection, endpoint, Instant::now());
        }
    }

    /// Whether a new connection may be there for AutoNAT alone: one that the server of a test
    /// dials to a client that is connected with it. Nobody else dials a connected peer, unless
    /// it has lost its connection, so that is looked at again.
    fn is_dial_back(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> bool {
        let autonat = &self.context.config.autonat;
        // Of two that dial each other at once each may test the other, too.
        let has = |dialer| {
            self.links.has_direct(&peer, dialer) || self.dial_backs.has_direct(&peer, dialer)
        };
        let may_be = if endpoint.is_dialer() {
            autonat.server && has(false)
        } else {
            autonat.enabled && has(true)
        };
        if may_be && !endpoint.is_relayed() {
            let kept = DialBack {
                peer,
                endpoint: endpoint.clone(),
                since: Instant::now(),
                identity: None,
            };
            self.dial_backs.0.insert(connection, kept);
            let time = Instant::now() + DIAL_BACK_TIME;
            self.agenda.set(Errand::SettleDialBack(connection), time);
            return true;
        }
        false
    }

    /// A connection is gone; true if it was there for AutoNAT alone.
    pub(super) fn dial_back_closed(&mut self, connection: ConnectionId) -> bool {
        self.agenda.cancel(Errand::SettleDialBack(connection));
        self.dial_backs.0.remove(&connection).is_some()
    }

    /// A test has had its time: its connection ends, unless it is the only one left, or was none
    /// of a test: of two nodes that dial each other at once, each would end the other's dial.
    pub(super) fn settle_dial_back(&mut self, connection: ConnectionId) {
        let Some(DialBack {
            peer,
            endpoint,
            since,
            identity,
        }) = self.dial_backs.0.get(&connection)
        else {
            return;
        };
        let (peer, since) = (*peer, *since);
        let link = Link::new(peer, endpoint).with_since(since);
        let friend = identity.is_some_and(|identity| self.friends.contains_key(&identity));
        if friend && self.links.is_silent_since(&peer, since) {
            // The friend may have lost what we still take for a connection: it answers, or ends.
            let time = Instant::now() + DIAL_BACK_TIME;
            self.agenda.set(Errand::SettleDialBack(connection), time);
            return;
        }
        if self.links.has_peer(&peer) && !self.links.has_crossing(&link, DIALS_AT_ONCE) {
            self.swarm.close_connection(connection);
        } else {
            self.is_no_dial_back(connection);
        }
    }

    /// A connection that was taken for one of a test is none: it counts from when it came up.
    fn is_no_dial_back(&mut self, connection: ConnectionId) {
        self.agenda.cancel(Errand::SettleDialBack(connection));
        if let Some(kept) = self.dial_backs.0.remove(&connection) {
            self.connected(kept.peer, connection, &kept.endpoint, kept.since);
            if let Some(identity) = kept.identity {
                self.links.prove(connection, identity);
                self.friend_is_here(identity);
            }
        }
    }

    /// An identity has been proved on a connection; it is remembered if that may be one of a test.
    pub(super) fn dial_back_proved(&mut self, connection: ConnectionId, identity: IdentityId) {
        if let Some(kept) = self.dial_backs.0.get_mut(&connection) {
            kept.identity = Some(identity);
        }
    }

    /// Takes the addresses that the configuration announces for reachable ones.
    pub(super) fn announce(&mut self) {
        for address in self.context.config.listen.announce.clone() {
            self.swarm.add_external_address(address);
        }
        self.reach_changed();
    }

    /// The node listens on one more address. A relay that has nobody to ask takes it for
    /// reachable: else it could not offer itself.
    pub(super) fn listens_on(&mut self, address: Multiaddr) {
        let config = &self.context.config;
        let announced = !config.listen.announce.is_empty();
        let trusts = config.relay.enabled && !config.autonat.enabled && !announced;
        if trusts && !is_circuit(&address) {
            self.swarm.add_external_address(address);
            self.reach_changed();
        }
    }

    /// Addresses at which others reach us have come or gone.
    pub(super) fn reach_changed(&mut self) {
        let public = self
            .swarm
            .external_addresses()
            .any(|address| !is_circuit(address));
        self.relays.auto.set_public(public);
        self.reserve(Instant::now());
    }

    /// A peer has tried to dial one of our addresses.
    pub(super) fn address_tested(&self, test: &client::Event) {
        self.emit(&Event::AddressTested {
            address: test.tested_addr.to_string(),
            by: test.server.to_string(),
            reachable: test.result.is_ok(),
        });
    }

    /// Where others find us, the best first: what is announced; or else where we are known to be
    /// reachable and where we listen, and through relays at the end.
    pub(super) fn own_addresses(&self) -> Vec<Multiaddr> {
        let announced = &self.context.config.listen.announce;
        if !announced.is_empty() {
            return announced.clone();
        }
        let (circuits, mut addresses): (Vec<_>, Vec<_>) = self
            .swarm
            .external_addresses()
            .cloned()
            .partition(is_circuit);
        for address in self.swarm.listeners() {
            // A circuit that we listen on is as its relay tells it; ours is among those above.
            if !is_circuit(address) && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        if !addresses.iter().all(is_loopback) {
            addresses.retain(|address| !is_loopback(address));
        }
        for circuit in circuits {
            for address in self.at_all_addresses(circuit) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        addresses
    }
}
