//! Relays as the node uses them: reservations are asked for, renewed, lost and replaced, and
//! circuits through them come and go.
//!
//! What to ask whom is decided by [`AutoRelay`]; libp2p renews what is held.

mod serving;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::relay::{self, HOP_PROTOCOL_NAME};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::{Event, LookupMethod, Miss};
use crate::config::{Config, RelayChoice};
use crate::core::Core;
use crate::core::addresses::relay_of;
use crate::core::signal::{Signal, Whereabouts};
use crate::entry::Use;
use crate::identity::IdentityId;
use crate::protocol::{CircuitLimit, is_circuit};
use crate::relay::terms::{RelayLoad, TERMS_PROTOCOL};
use crate::relay::{
    AdmissionPolicy, AutoRelay, CircuitDenial, CircuitEnd, Ended, ReservationEnd, Terms,
};
use crate::scope::Scope;
use crate::shape::is_dialled;

use super::Service;
use serving::Granted;

/// Circuits to us that are known of before they are connections. Of more the oldest are forgotten: if
/// they come about all the same, they carry what relays allow by default.
const COMING_MAX: usize = 256;

/// Relays in use, circuits through them, and places for others.
pub struct Relays {
    auto: AutoRelay,
    /// When relays are to be asked for reservations.
    reserve_at: Option<Instant>,
    /// Connections that we dialled directly, and where; bounded as connections are.
    dialled: BTreeMap<ConnectionId, Multiaddr>,
    /// Circuits that end here.
    circuits: BTreeMap<ConnectionId, Circuit>,
    /// What relays allow the circuits that we open, as they said last.
    allowed: BTreeMap<PeerId, CircuitLimit>,
    /// What circuits may carry that are being opened to us, by where they come from.
    coming: Coming,
    /// Whom we relay for.
    policy: Arc<AdmissionPolicy>,
    /// What we tell clients of our relay.
    load: Arc<RelayLoad>,
    /// Places held for others.
    granted: Granted,
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

impl Service for Relays {
    fn new(config: &Config) -> Self {
        Self {
            auto: AutoRelay::new(config.relay_client.clone(), config.dial.clone()),
            reserve_at: None,
            dialled: BTreeMap::new(),
            circuits: BTreeMap::new(),
            allowed: BTreeMap::new(),
            coming: Coming::default(),
            policy: Arc::new(AdmissionPolicy::new(&config.relay)),
            load: Arc::new(RelayLoad::new(
                config.relay.max_reservations,
                config.relay.price,
            )),
            granted: Granted::default(),
        }
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected {
                peer,
                connection,
                endpoint,
            } => self.on_circuit_opened(core, *peer, *connection, endpoint),
            Signal::Closed { peer, address, .. } => self.policy.closed(*peer, address),
            Signal::Disconnected { connection, .. } => self.on_circuit_closed(core, *connection),
            Signal::PeerGone(peer) => self.on_peer_gone(core, *peer),
            Signal::DialFailed { peer, error } => circuit_denied(core, *peer, error),
            Signal::Identified {
                peer,
                connection,
                info,
            } => self.on_identified(core, *connection, *peer, info),
            Signal::Measured { peer, rtt } => self.auto.measured(peer, *rtt),
            Signal::Proved { peer, identity, .. } => self.policy.proved(*peer, identity),
            Signal::FriendAdded(_) | Signal::FriendRemoved { .. } => self.admit_friends(core),
            Signal::ReachChanged => self.on_reach_changed(core),
            Signal::ListenerClosed { listener, reason } => {
                self.listener_closed(core, *listener, reason);
            }
            Signal::Seek {
                identity,
                by: LookupMethod::Relay,
                given,
            } => self.seek(core, *identity, given.clone()),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.reserve_at
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        self.reserve(core, now);
    }
}

impl Relays {
    /// Whom this node admits as a relay, and what it tells of itself as one: what its behaviours
    /// share with this service.
    pub fn serving(&self) -> (&Arc<AdmissionPolicy>, &Arc<RelayLoad>) {
        (&self.policy, &self.load)
    }

    /// Acts on what a relay has told of its terms.
    pub fn on_terms(&mut self, _: &mut Core, (peer, terms): (PeerId, Terms)) {
        self.auto.told(&peer, terms);
    }

    /// Addresses at which others reach us have come or gone.
    fn on_reach_changed(&mut self, core: &mut Core) {
        let is_public = |address: &Multiaddr| !is_circuit(address);
        self.auto
            .set_public(core.swarm.external_addresses().any(is_public));
        self.reserve(core, Instant::now());
    }

    /// The method `relay`: circuits to their peer, if it is known, through the nodes that we know
    /// from the start. Whether any of them relays, and holds a reservation of the peer, a dial
    /// shows.
    fn seek(&mut self, core: &mut Core, identity: IdentityId, given: Option<Whereabouts>) {
        let by = LookupMethod::Relay;
        let miss = move |reason| Signal::NotFound {
            identity,
            by,
            reason,
        };
        if !core.context.config.relay_client.enabled {
            return core.raise(miss(Miss::Off));
        }
        core.with_peer(self, identity, given, move |_, core, known| {
            let Some((peer, _)) = known else {
                return core.raise(miss(Miss::Absent));
            };
            let circuits = circuits_to(core, peer);
            core.raise(if circuits.is_empty() {
                miss(Miss::NoAddress)
            } else {
                let at = (peer, circuits);
                Signal::Found { identity, by, at }
            });
        });
    }

    /// A peer has said what it speaks.
    fn on_identified(
        &mut self,
        core: &mut Core,
        connection: ConnectionId,
        peer: PeerId,
        info: &identify::Info,
    ) {
        if !core.context.config.relay_client.enabled || self.circuits.contains_key(&connection) {
            return;
        }
        let from = core.links.scope_of(connection);
        let address = self
            .dialled
            .get(&connection)
            .or_else(|| told_by(from?, &info.listen_addrs))
            .map(without_peer);
        match address {
            Some(address) if info.protocols.contains(&HOP_PROTOCOL_NAME) => {
                let friend = core.friends.has_peer(&peer);
                let now = Instant::now();
                self.auto.offer(peer, address, friend, now);
                self.ask_for_terms(core, peer, connection, info);
                self.reserve(core, now);
            }
            _ => self.auto.withdraw(&peer),
        }
    }

    /// Asks a relay what it is like, if that has a part in the choice.
    fn ask_for_terms(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        connection: ConnectionId,
        info: &identify::Info,
    ) {
        let choice = core.context.config.relay_client.selector;
        let matters = matches!(choice, RelayChoice::LeastLoaded | RelayChoice::Cheapest);
        if matters
            && info.protocols.contains(&TERMS_PROTOCOL)
            && let Some(terms) = core.swarm.behaviour_mut().relay_terms.as_mut()
        {
            terms.ask(peer, connection);
        }
    }

    /// Asks relays for reservations until there are enough, or none is left to be asked now.
    fn reserve(&mut self, core: &mut Core, now: Instant) {
        while let Some(relay) = self.auto.choose(now) {
            let peer = relay.peer;
            let through = relay.address.clone();
            let through = through.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit);
            match core.swarm.listen_on(through) {
                Ok(listener) => self.auto.asked(peer, listener, now),
                Err(error) => {
                    // The address, which the relay may have told, is none to listen through.
                    tracing::info!(%peer, %error, "a relay cannot be used");
                    self.auto.withdraw(&peer);
                }
            }
        }
        self.reserve_at = self.auto.next_time(now);
    }

    /// libp2p's client tells of a reservation or of a circuit, on which there is no secured
    /// connection yet.
    pub fn on_relay_client(&mut self, core: &mut Core, event: relay::client::Event) {
        use relay::client::Event as Heard;
        let limit = |bytes: Option<u64>, time: Option<Duration>| CircuitLimit {
            bytes: bytes.filter(|bytes| *bytes > 0),
            timed: time.is_some_and(|time| !time.is_zero()),
        };
        match &event {
            Heard::ReservationReqAccepted {
                relay_peer_id,
                renewal,
                ..
            } => self.on_place_granted(core, relay_peer_id, *renewal),
            Heard::OutboundCircuitEstablished {
                relay_peer_id,
                limit: told,
            } => {
                let bytes = told.and_then(|told| told.data_in_bytes());
                let limit = limit(bytes, told.and_then(|told| told.duration()));
                self.allowed.insert(*relay_peer_id, limit);
            }
            Heard::InboundCircuitEstablished {
                src_peer_id,
                limit: told,
            } => {
                let bytes = told.and_then(|told| told.data_in_bytes());
                let limit = limit(bytes, told.and_then(|told| told.duration()));
                if self.coming.note(*src_peer_id, limit) {
                    core.context.limit_reached("circuits-coming");
                }
            }
        }
    }

    /// A relay holds a place for us.
    fn on_place_granted(&mut self, core: &mut Core, relay: &PeerId, renewal: bool) {
        match self.auto.granted(*relay, Instant::now()) {
            Ok(took) => {
                let limits = &mut core.swarm.behaviour_mut().limits;
                limits.is_good_for(relay, Use::Serves);
                core.emit(&Event::RelayReserved {
                    relay: *relay,
                    took_us: took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
                    renewal,
                });
            }
            Err(ended) => {
                for connection in core.links.with_peer(relay) {
                    core.swarm.close_connection(connection);
                }
                self.on_reservation_ended(core, &ended);
            }
        }
    }

    /// A listener has closed, which may have stood for a reservation; its end may have been noticed
    /// before, by that of its connection.
    fn listener_closed(
        &mut self,
        core: &mut Core,
        listener: ListenerId,
        reason: &Result<(), io::Error>,
    ) {
        let end = ReservationEnd::of_listener(reason);
        let now = Instant::now();
        if let Some(ended) = self.auto.listener_closed(listener, end, now) {
            self.on_reservation_ended(core, &ended);
        }
    }

    /// There is no connection with a peer any more.
    fn on_peer_gone(&mut self, core: &mut Core, peer: PeerId) {
        self.policy.left(peer);
        self.allowed.remove(&peer);
        self.auto.withdraw(&peer);
        let reason = ReservationEnd::ConnectionClosed;
        if let Some(ended) = self.auto.end(peer, reason, Instant::now()) {
            self.on_reservation_ended(core, &ended);
        }
    }

    fn on_reservation_ended(&mut self, core: &mut Core, ended: &Ended) {
        let relay = ended.relay;
        let reason = ended.reason;
        core.emit(&if ended.granted {
            Event::RelayReservationLost {
                relay,
                reason,
                last: ended.last,
            }
        } else {
            Event::RelayReservationFailed { relay, reason }
        });
        self.reserve(core, Instant::now());
    }

    /// Takes note of a connection, be it a circuit or one on which a relay may be asked.
    fn on_circuit_opened(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        if !endpoint.is_relayed() {
            if let ConnectedPoint::Dialer { address, .. } = endpoint {
                self.dialled.insert(connection, address.clone());
            }
            return;
        }
        let us = *core.swarm.local_peer_id();
        let (from, to, through) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (us, peer, address),
            ConnectedPoint::Listener { local_addr, .. } => (peer, us, local_addr),
        };
        let relay = relay_of(through);
        let limit = if endpoint.is_dialer() {
            relay.and_then(|relay| self.allowed.get(&relay).copied())
        } else {
            self.coming.take(&peer)
        };
        if let Some(limit) = limit {
            core.raise(Signal::CircuitLimited {
                peer,
                connection,
                limit,
            });
        }
        let circuit = Circuit { relay, from, to };
        core.emit(&Event::CircuitOpened { relay, from, to });
        self.circuits.insert(connection, circuit);
    }

    /// A connection is gone; if it was a circuit, that is told. Its ends cannot know why.
    fn on_circuit_closed(&mut self, core: &mut Core, connection: ConnectionId) {
        self.dialled.remove(&connection);
        if let Some(circuit) = self.circuits.remove(&connection) {
            core.emit(&Event::CircuitClosed {
                relay: circuit.relay,
                from: circuit.from,
                to: circuit.to,
                reason: CircuitEnd::ConnectionClosed,
            });
        }
    }
}

/// Tells of each circuit by which a failed dial has tried to reach `peer`.
fn circuit_denied(core: &Core, peer: Option<PeerId>, error: &DialError) {
    let DialError::Transport(attempts) = error else {
        return;
    };
    for (address, error) in attempts {
        if is_circuit(address) {
            core.emit(&Event::CircuitDenied {
                relay: relay_of(address),
                from: *core.swarm.local_peer_id(),
                to: peer,
                reason: CircuitDenial::of_dial(error).name().to_owned(),
            });
        }
    }
}

/// Addresses of `peer` through each known node but itself.
fn circuits_to(core: &Core, peer: PeerId) -> Vec<Multiaddr> {
    let relays = core.known.peers().filter(|relay| *relay != peer);
    relays
        .flat_map(|relay| core.known.addresses(&relay))
        .map(|address| {
            address
                .clone()
                .with(Protocol::P2pCircuit)
                .with(Protocol::P2p(peer))
        })
        .collect()
}

/// Where a relay that has dialled us, from so far away, says that it listens: libp2p dials that if the relay
/// has gone before it is asked.
fn told_by(from: Scope, told: &[Multiaddr]) -> Option<&Multiaddr> {
    let fits = |told: &&Multiaddr| !is_circuit(told) && is_dialled(told) && from.may_name(told);
    told.iter().find(fits)
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
    use crate::services::fake;

    /// What the method answers for somebody whose peer is known.
    fn sought(config: Config) -> Option<Signal> {
        let mut relays = Relays::new(&config);
        let (mut core, _) = fake::core(config);
        let seek = Signal::Seek {
            identity: IdentityId([1; 32]),
            by: LookupMethod::Relay,
            given: Some((PeerId::random(), Vec::new())),
        };
        relays.on_signal(&mut core, &seek);
        fake::raised(&mut core).pop()
    }

    #[test]
    fn somebody_is_sought_behind_each_known_node() {
        let mut config = Config::default();
        config.relay_client.enabled = true;
        let relay = PeerId::random();
        let known = fake::address(&format!("/ip4/192.0.2.1/tcp/4150/p2p/{relay}"));
        config.bootstrap.peers = vec![known.clone()];
        let Some(Signal::Found { at, .. }) = sought(config) else {
            panic!("not found");
        };
        let circuit = known.with(Protocol::P2pCircuit).with(Protocol::P2p(at.0));
        assert_eq!(at.1, [circuit]);
    }

    #[test]
    fn without_circuits_or_known_nodes_there_is_no_way() {
        let check = |enabled, expected| {
            let mut config = Config::default();
            config.relay_client.enabled = enabled;
            let Some(Signal::NotFound { reason, .. }) = sought(config) else {
                panic!("found");
            };
            assert_eq!(reason, expected);
        };
        check(false, Miss::Off);
        check(true, Miss::NoAddress);
    }

    #[test]
    fn a_relay_that_has_dialled_us_names_no_address_nearer_than_it_is() {
        let told = [
            "/ip4/198.51.100.1/ip4/127.0.0.1/tcp/22",
            "/dns4/router.example.org/tcp/80",
            "/ip4/127.0.0.1/tcp/22",
            "/ip4/192.168.1.1/tcp/80",
            "/ip4/198.51.100.1/tcp/4150",
        ]
        .map(fake::address);
        assert_eq!(told_by(Scope::World, &told), Some(&told[4]));
        assert_eq!(told_by(Scope::World, &told[..4]), None);
        assert_eq!(told_by(Scope::Lan, &told), Some(&told[3]));
        assert_eq!(told_by(Scope::Machine, &told[2..]), Some(&told[2]));
    }

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
