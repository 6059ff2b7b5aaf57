//! Relays as the node uses them: reservations are asked for, renewed, lost and replaced, and
//! circuits through them come and go.
//!
//! What to ask whom is decided by [`AutoRelay`]; libp2p renews what is held.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::relay::{self, HOP_PROTOCOL_NAME};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::Event;
use crate::config::{Config, RelayChoice};
use crate::protocol::{CircuitLimit, is_circuit};
use crate::relay::terms::{Board, TERMS_PROTOCOL};
use crate::relay::{AutoRelay, CircuitDenial, CircuitEnd, Door, Ended, ReservationEnd};

use super::agenda::Errand;
use super::driver::Driver;
use super::relaying::Granted;

/// Circuits to us that are known of before they are connections. Of more the oldest are forgotten: if
/// they come about all the same, they carry what relays allow by default.
const COMING_MAX: usize = 256;

/// Relays in use.
pub(super) struct Relays {
    pub(super) auto: AutoRelay,
    /// Connections that we dialled directly, and where; bounded as connections are.
    dialled: BTreeMap<ConnectionId, Multiaddr>,
    /// Circuits that end here.
    circuits: BTreeMap<ConnectionId, Circuit>,
    /// What relays allow the circuits that we open, as they said last.
    allowed: BTreeMap<PeerId, CircuitLimit>,
    /// What circuits may carry that are being opened to us, by where they come from.
    coming: Coming,
    /// Whom we relay for.
    pub(super) door: Arc<Door>,
    /// What we tell clients of our relay.
    pub(super) board: Arc<Board>,
    /// Places held for others.
    pub(super) granted: Granted,
}

/// What circuits may carry whose handshakes still run, or never end.
#[derive(Default)]
struct Coming {
    /// By where they come from, each with its number.
    limits: BTreeMap<PeerId, (u64, CircuitLimit)>,
    /// The same by number, the oldest first.
    order: BTreeMap<u64, PeerId>,
    next: u64,
}

impl Coming {
    /// Notes what the circuit from `peer` may carry; whether an older one was forgotten for it.
    fn note(&mut self, peer: PeerId, limit: CircuitLimit) -> bool {
        self.take(&peer);
        self.limits.insert(peer, (self.next, limit));
        self.order.insert(self.next, peer);
        self.next += 1;
        if self.limits.len() <= COMING_MAX {
            return false;
        }
        if let Some((_, oldest)) = self.order.pop_first() {
            self.limits.remove(&oldest);
        }
        true
    }

    /// What the circuit from `peer` may carry, which has come about.
    fn take(&mut self, peer: &PeerId) -> Option<CircuitLimit> {
        let (number, limit) = self.limits.remove(peer)?;
        self.order.remove(&number);
        Some(limit)
    }
}

/// A connection through a relay.
struct Circuit {
    relay: Option<PeerId>,
    from: PeerId,
    to: PeerId,
}

impl Relays {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            auto: AutoRelay::new(config.relay_client.clone(), config.dial.clone()),
            dialled: BTreeMap::new(),
            circuits: BTreeMap::new(),
            allowed: BTreeMap::new(),
            coming: Coming::default(),
            door: Arc::new(Door::new(&config.relay)),
            board: Arc::new(Board::new(
                config.relay.max_reservations,
                config.relay.price,
            )),
            granted: Granted::default(),
        }
    }
}

impl Driver {
    /// A peer has said what it speaks.
    pub(super) fn identified(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        info: &identify::Info,
    ) {
        if !self.context.config.relay_client.enabled || self.is_circuit_here(connection) {
            return;
        }
        let address = self
            .relays
            .dialled
            .get(&connection)
            .or_else(|| info.listen_addrs.iter().find(|told| !is_circuit(told)))
            .map(without_peer);
        match address {
            Some(address) if info.protocols.contains(&HOP_PROTOCOL_NAME) => {
                let friend = self.is_friend(&peer);
                let now = Instant::now();
                self.relays.auto.offer(peer, address, friend, now);
                self.ask_for_terms(peer, connection, info);
                self.reserve(now);
            }
            _ => self.relays.auto.withdraw(&peer),
        }
    }

    /// Asks a relay what it is like, if that has a part in the choice.
    fn ask_for_terms(&mut self, peer: PeerId, connection: ConnectionId, info: &identify::Info) {
        let choice = self.context.config.relay_client.selector;
        let matters = matches!(choice, RelayChoice::LeastLoaded | RelayChoice::Cheapest);
        if matters
            && info.protocols.contains(&TERMS_PROTOCOL)
            && let Some(terms) = self.swarm.behaviour_mut().relay_terms.as_mut()
        {
            terms.ask(peer, connection);
        }
    }

    /// Asks relays for reservations until there are enough, or nobody is left to be asked now.
    pub(super) fn reserve(&mut self, now: Instant) {
        while let Some(relay) = self.relays.auto.choose(now) {
            let peer = relay.peer;
            let through = relay.address.clone();
            let through = through.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit);
            match self.swarm.listen_on(through) {
                Ok(listener) => self.relays.auto.asked(peer, listener, now),
                Err(error) => {
                    // The address, which the relay may have told, is none to listen through.
                    tracing::info!(%peer, %error, "a relay cannot be used");
                    self.relays.auto.withdraw(&peer);
                }
            }
        }
        match self.relays.auto.next_time(now) {
            Some(time) => self.agenda.set(Errand::Reserve, time),
            None => self.agenda.cancel(Errand::Reserve),
        }
    }

    /// libp2p's client tells of a reservation or of a circuit, on which there is no secured
    /// connection yet.
    pub(super) fn relay_client_event(&mut self, event: &relay::client::Event) {
        use relay::client::Event as Told;
        let limit = |bytes: Option<u64>, time: Option<Duration>| CircuitLimit {
            bytes: bytes.filter(|bytes| *bytes > 0),
            timed: time.is_some_and(|time| !time.is_zero()),
        };
        match event {
            Told::ReservationReqAccepted {
                relay_peer_id,
                renewal,
                ..
            } => self.place_granted(relay_peer_id, *renewal),
            Told::OutboundCircuitEstablished {
                relay_peer_id,
                limit: told,
            } => {
                let bytes = told.and_then(|told| told.data_in_bytes());
                let limit = limit(bytes, told.and_then(|told| told.duration()));
                self.relays.allowed.insert(*relay_peer_id, limit);
            }
            Told::InboundCircuitEstablished {
                src_peer_id,
                limit: told,
            } => {
                let bytes = told.and_then(|told| told.data_in_bytes());
                let limit = limit(bytes, told.and_then(|told| told.duration()));
                if self.relays.coming.note(*src_peer_id, limit) {
                    self.context.limit_reached("circuits-coming");
                }
            }
        }
    }

    /// A relay holds a place for us.
    fn place_granted(&mut self, relay: &PeerId, renewal: bool) {
        match self.relays.auto.granted(*relay, Instant::now()) {
            Ok(took) => self.emit(&Event::RelayReserved {
                relay: relay.to_string(),
                took_us: took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
                renewal,
            }),
            Err(ended) => {
                for connection in self.links.with_peer(relay) {
                    self.swarm.close_connection(connection);
                }
                self.reservation_ended(&ended);
            }
        }
    }

    /// A listener has closed, which is no harm if it stood for a reservation.
    pub(super) fn listener_closed(&mut self, listener: ListenerId, reason: &Result<(), io::Error>) {
        let end = ReservationEnd::of_listener(reason);
        let now = Instant::now();
        if let Some(ended) = self.relays.auto.listener_closed(listener, end, now) {
            self.reservation_ended(&ended);
        } else {
            // The end of a reservation may have been noticed before, by that of its connection.
            self.listener_ended(listener, reason);
        }
    }

    /// There is no connection with a peer any more.
    pub(super) fn relay_is_gone(&mut self, peer: PeerId) {
        self.relays.door.left(peer);
        self.relays.allowed.remove(&peer);
        self.relays.auto.withdraw(&peer);
        let reason = ReservationEnd::ConnectionClosed;
        if let Some(ended) = self.relays.auto.end(peer, reason, Instant::now()) {
            self.reservation_ended(&ended);
        }
    }

    fn reservation_ended(&mut self, ended: &Ended) {
        let relay = ended.relay.to_string();
        let reason = ended.reason.as_str().to_owned();
        self.emit(&if ended.granted {
            Event::RelayReservationLost {
                relay,
                reason,
                last: ended.last,
            }
        } else {
            Event::RelayReservationFailed { relay, reason }
        });
        self.reserve(Instant::now());
    }

    /// Takes note of a connection, be it a circuit or one on which a relay may be asked.
    pub(super) fn circuit_opened(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        if !endpoint.is_relayed() {
            if let ConnectedPoint::Dialer { address, .. } = endpoint {
                self.relays.dialled.insert(connection, address.clone());
            }
            return;
        }
        let us = *self.swarm.local_peer_id();
        let (from, to, through) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (us, peer, address),
            ConnectedPoint::Listener { local_addr, .. } => (peer, us, local_addr),
        };
        let relay = relay_of(through);
        let limit = if endpoint.is_dialer() {
            relay.and_then(|relay| self.relays.allowed.get(&relay).copied())
        } else {
            self.relays.coming.take(&peer)
        };
        if let Some(limit) = limit
            && let Some(protocol) = self.swarm.behaviour_mut().protocol.as_mut()
        {
            protocol.limit(peer, connection, limit);
        }
        let circuit = Circuit { relay, from, to };
        self.emit(&Event::CircuitOpened {
            relay: relay.map(|relay| relay.to_string()),
            from: from.to_string(),
            to: to.to_string(),
        });
        self.relays.circuits.insert(connection, circuit);
    }

    /// A connection is gone; if it was a circuit, that is told. Its ends cannot know why.
    pub(super) fn circuit_closed(&mut self, connection: ConnectionId) {
        self.relays.dialled.remove(&connection);
        if let Some(circuit) = self.relays.circuits.remove(&connection) {
            self.emit(&Event::CircuitClosed {
                relay: circuit.relay.map(|relay| relay.to_string()),
                from: circuit.from.to_string(),
                to: circuit.to.to_string(),
                reason: CircuitEnd::ConnectionClosed.as_str().to_owned(),
            });
        }
    }

    /// Tells of each circuit by which a failed dial has tried to reach `peer`.
    pub(super) fn circuit_denied(&self, peer: Option<PeerId>, error: &DialError) {
        let DialError::Transport(attempts) = error else {
            return;
        };
        for (address, error) in attempts {
            if is_circuit(address) {
                self.emit(&Event::CircuitDenied {
                    relay: relay_of(address).map(|relay| relay.to_string()),
                    from: self.swarm.local_peer_id().to_string(),
                    to: peer.map(|peer| peer.to_string()),
                    reason: CircuitDenial::of_dial(error).as_str().to_owned(),
                });
            }
        }
    }

    /// Addresses to dial, of which each is tried once: a relay with whom we are connected is asked
    /// for one circuit, at however many addresses others know it. All are dialled at once, so
    /// that the transports race, and what comes first stays.
    pub(super) fn ways(&self, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let mut asked = BTreeSet::new();
        let mut ways = Vec::new();
        for address in addresses {
            let relay = relay_of(&address).filter(|_| is_circuit(&address));
            let connected = relay.filter(|relay| self.links.has_peer(relay));
            if connected.is_none_or(|relay| asked.insert(relay)) && !ways.contains(&address) {
                ways.push(address);
            }
        }
        ways
    }

    /// A circuit of ours, at each address at which its relay is known: others may reach the relay
    /// over another transport than we do.
    pub(super) fn at_all_addresses(&self, circuit: Multiaddr) -> Vec<Multiaddr> {
        let known = relay_of(&circuit).and_then(|relay| self.known.get(&relay));
        let us = *self.swarm.local_peer_id();
        let ways = known.map_or(&[][..], |relay| relay.addresses()).iter();
        let others: Vec<Multiaddr> = ways
            .map(|address| {
                let through = address.clone().with(Protocol::P2pCircuit);
                through.with(Protocol::P2p(us))
            })
            .collect();
        if others.is_empty() {
            vec![circuit]
        } else {
            others
        }
    }

    fn is_circuit_here(&self, connection: ConnectionId) -> bool {
        self.relays.circuits.contains_key(&connection)
    }
}

/// The relay that an address leads through, if it names it.
fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    address
        .iter()
        .take_while(|part| *part != Protocol::P2pCircuit)
        .find_map(|part| match part {
            Protocol::P2p(relay) => Some(relay),
            _ => None,
        })
}

/// An address without the peer at its end.
fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circuits_that_never_come_about_hide_none_that_comes_later() {
        let limit = |bytes| CircuitLimit {
            bytes: Some(bytes),
            timed: true,
        };
        let mut coming = Coming::default();
        let first = PeerId::random();
        assert!(!coming.note(first, limit(1)));
        for _ in 1..COMING_MAX {
            assert!(!coming.note(PeerId::random(), limit(2)));
        }
        let friend = PeerId::random();
        assert!(coming.note(friend, limit(64 << 10)));
        assert_eq!(coming.take(&friend), Some(limit(64 << 10)));
        assert_eq!(coming.take(&friend), None);
        assert_eq!(coming.take(&first), None, "the oldest is forgotten");
        assert_eq!(coming.limits.len(), coming.order.len());
    }
}
