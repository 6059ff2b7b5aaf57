//! Which peers a relay serves, and why it has refused one.
//!
//! Owns which peers have a reservation, and which strangers circuits. The fewer places are left for
//! strangers, the fewer one machine or network gets, so that the first to come keep no others out.
//! Friends always get one, and so does a peer that renews what it has. Where no circuit is left for one from
//! elsewhere, the site that has most loses one, which is there when it is asked for again.
//!
//! libp2p asks a relay's rate limiters before it grants anything, and answers every refusal of
//! theirs with the same status. So they ask this policy, which keeps the reason until the node
//! learns of the refusal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use crate::config::{Listed, Relay, RelayAccess};
use crate::entry::{Origin, Site};
use crate::identity::IdentityId;
use crate::named::listed;
use crate::relay::underway::OPENING;
use crate::window_counts::{WhenFull, WindowCounts};

/// Peers whose circuits of the last hour are counted. Of more the first is forgotten, which gives
/// nothing to a crowd that has so many names anyway.
const COUNTED_MAX: usize = 4096;
/// A circuit that was asked for has come about, or not, within this time: who has not taken the answer after
/// [`OPENING`] loses the connection, whose end is waited for a few seconds. Until then libp2p counts it, too.
const DECIDED: Duration = OPENING.saturating_add(Duration::from_secs(30));
/// Peers of one listed identity that are remembered: its owner can make any number.
const PROVED_MAX: usize = 64;
/// One machine or home, and one network, hold at most so many times the places that are left: of 128
/// one has 103 before others come, and two have 123.
const PLACE_SHARE: usize = 4;
const NET_SHARE: usize = 16;
/// Of circuits, which are few, one machine or home, and one network, have at most so many times those that
/// are left: of 16 one machine has 11 before others come, and one network 12.
const CIRCUIT_SHARE: usize = 2;
const CIRCUIT_NET_SHARE: usize = 3;
/// Peers that are to make way before that is done; it is done with each refusal.
const GIVING_WAY_MAX: usize = 16;
const HOUR: Duration = Duration::from_hours(1);

listed! {
    /// Why a relay has refused a peer.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Refusal {
        /// Not on the list.
        NotListed = "not-listed",
        /// Not followed by the relay's owner.
        NoFriend = "no-friend",
        /// As many circuits in this hour as the relay allows.
        HourlyQuota = "hourly-quota",
        /// Requests of this peer come too fast.
        PeerRate = "peer-rate",
        /// Requests from this IP address come too fast.
        AddressRate = "address-rate",
        /// No place is left for strangers, or none for those of this machine or network: told as
        /// libp2p's own status, which means the same.
        Full = "resource-limit-exceeded",
    }
}

/// What a peer asks of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// A reservation.
    Reserve,
    /// A circuit to a peer that has one.
    Connect,
}

/// A relay's admission policy. Shared by libp2p's relay and a service.
#[derive(Debug)]
pub struct AdmissionPolicy {
    reserve: RelayAccess,
    connect: RelayAccess,
    circuits_per_hour: u32,
    /// Places for strangers.
    places_max: usize,
    /// Circuits for strangers.
    circuits_max: usize,
    listed_identities: BTreeSet<IdentityId>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    listed: BTreeSet<PeerId>,
    /// Peers of the listed identities, the longest known first.
    proved: BTreeMap<IdentityId, VecDeque<PeerId>>,
    friends: BTreeSet<PeerId>,
    /// Circuits of each peer in its hour.
    hours: WindowCounts<PeerId>,
    /// Places that are held, by peer and by where its connection comes from.
    places: BTreeMap<(PeerId, Multiaddr), HeldSlot>,
    /// Circuits of strangers, at most as many as they may have, the oldest first.
    circuits: Vec<Circuit>,
    /// Whose circuits are to end for those of others.
    giving_way: VecDeque<PeerId>,
    /// Refusals of which the node has not heard yet; one a peer and request.
    refused: BTreeMap<(PeerId, RequestKind), Refusal>,
}

/// A reservation.
#[derive(Debug)]
struct HeldSlot {
    origin: Origin,
    /// When it was given, or renewed.
    since: Instant,
}

/// A circuit that a stranger has asked for.
#[derive(Debug)]
struct Circuit {
    source: PeerId,
    origin: Origin,
    /// When it was asked for, until it has come about.
    asked: Option<Instant>,
}

impl State {
    fn lists(&self, peer: &PeerId) -> bool {
        self.listed.contains(peer) || self.proved.values().any(|peers| peers.contains(peer))
    }
}

impl AdmissionPolicy {
    /// A policy as the configuration wants it.
    pub fn new(settings: &Relay) -> Self {
        let mut state = State {
            listed: BTreeSet::new(),
            proved: BTreeMap::new(),
            friends: BTreeSet::new(),
            hours: WindowCounts::new(HOUR, COUNTED_MAX, WhenFull::ForgetFirst),
            places: BTreeMap::new(),
            circuits: Vec::new(),
            giving_way: VecDeque::new(),
            refused: BTreeMap::new(),
        };
        let mut listed_identities = BTreeSet::new();
        for listed in settings.listed.iter().filter_map(|name| Listed::read(name)) {
            match listed {
                Listed::Peer(peer) => {
                    state.listed.insert(peer);
                }
                Listed::Identity(identity) => {
                    listed_identities.insert(identity);
                }
            }
        }
        Self {
            reserve: settings.reserve,
            connect: settings.connect,
            circuits_per_hour: settings.circuits_per_peer_hour,
            places_max: settings.max_reservations,
            circuits_max: settings.max_circuits,
            listed_identities,
            state: Mutex::new(state),
        }
    }

    /// A peer has proved to speak for `identity`; it is listed as long as the node runs, or until
    /// so many others have proved the same.
    pub fn proved(&self, peer: PeerId, identity: &IdentityId) {
        if !self.listed_identities.contains(identity) {
            return;
        }
        let mut state = self.state();
        let peers = state.proved.entry(*identity).or_default();
        if peers.contains(&peer) {
            return;
        }
        if peers.len() >= PROVED_MAX {
            peers.pop_front();
        }
        peers.push_back(peer);
    }

    /// From now on the node follows the owners of these peers, and no one else.
    pub fn set_friends(&self, friends: BTreeSet<PeerId>) {
        self.state().friends = friends;
    }

    /// Whether `peer` may have what it wants at all. It is to be asked first of all.
    pub fn admits(&self, request: RequestKind, peer: PeerId) -> bool {
        let mut state = self.state();
        let access = match request {
            RequestKind::Reserve => self.reserve,
            RequestKind::Connect => self.connect,
        };
        let refusal = match access {
            RelayAccess::Listed if !state.lists(&peer) => Some(Refusal::NotListed),
            RelayAccess::Friends if !state.friends.contains(&peer) => Some(Refusal::NoFriend),
            _ => None,
        };
        if let Some(refusal) = refusal {
            state.refused.insert((peer, request), refusal);
        }
        refusal.is_none()
    }

    /// Whether `peer` at `address` gets a place at `now`, which it is taken to hold then. It is to be
    /// asked last of all.
    pub fn gives_place(&self, peer: PeerId, address: &Multiaddr, now: Instant) -> bool {
        let mut state = self.state();
        let key = (peer, address.clone());
        if let Some(place) = state.places.get_mut(&key) {
            place.since = now;
            return true;
        }
        let origin = Origin::new(address, address);
        if !state.friends.contains(&peer) && !state.has_place(&origin, self.places_max) {
            state
                .refused
                .insert((peer, RequestKind::Reserve), Refusal::Full);
            return false;
        }
        state.places.insert(key, HeldSlot { origin, since: now });
        true
    }

    /// Whether `peer` at `address` gets a circuit at `now`, which is counted then unless it is a friend's. Where
    /// there is no room, another makes way, so it is to be asked last of all: who asks too often has nobody
    /// make way.
    pub fn gives_circuit(&self, peer: PeerId, address: &Multiaddr, now: Instant) -> bool {
        let mut state = self.state();
        let refusal = if !state.has_circuit(peer, address, self.circuits_max, now) {
            state.makes_way(&Origin::new(address, address).place);
            Some(Refusal::Full)
        } else if !state.counts(peer, self.circuits_per_hour, now) {
            Some(Refusal::HourlyQuota)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            state.refused.insert((peer, RequestKind::Connect), refusal);
            return false;
        }
        if !state.friends.contains(&peer) {
            state.circuits.push(Circuit {
                source: peer,
                origin: Origin::new(address, address),
                asked: Some(now),
            });
        }
        true
    }

    /// A circuit that `peer` asked for has come about.
    pub fn circuit_opened(&self, peer: PeerId) {
        let mut state = self.state();
        let mut circuits = state.circuits.iter_mut();
        let asked = circuits.find(|circuit| circuit.source == peer && circuit.asked.is_some());
        if let Some(circuit) = asked {
            circuit.asked = None;
        }
    }

    /// A circuit that `peer` asked for has ended, or has not come about.
    pub fn circuit_ended(&self, peer: PeerId, was_open: bool) {
        let mut state = self.state();
        let mut circuits = state.circuits.iter();
        let ended = circuits
            .position(|circuit| circuit.source == peer && circuit.asked.is_none() == was_open);
        if let Some(ended) = ended {
            state.circuits.remove(ended);
        }
    }

    /// Peers whose circuits are to end, since their sites have more than that of one who was refused. A relay
    /// of libp2p ends circuits with the connection of who has asked for them alone.
    pub fn giving_way(&self) -> Vec<PeerId> {
        self.state().giving_way.drain(..).collect()
    }

    /// A connection with `peer` has closed, and with it the place that it may have had there.
    pub fn closed(&self, peer: PeerId, address: &Multiaddr) {
        self.state().places.remove(&(peer, address.clone()));
    }

    /// A place of `peer` has not been renewed in time.
    pub fn expired(&self, peer: PeerId) {
        let mut state = self.state();
        let of_peer = state.places.iter().filter(|((of, _), _)| *of == peer);
        let oldest = of_peer.min_by_key(|(_, place)| place.since);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            state.places.remove(&key);
        }
    }

    /// A rate limiter has turned `peer` away.
    pub fn turned_away(&self, request: RequestKind, peer: PeerId, refusal: Refusal) {
        self.state().refused.insert((peer, request), refusal);
    }

    /// Why `peer` was turned away the last time, if not for want of places. To be asked when a
    /// refusal becomes known, which takes it off the books.
    pub fn refusal(&self, request: RequestKind, peer: PeerId) -> Option<Refusal> {
        self.state().refused.remove(&(peer, request))
    }

    /// There is no connection with `peer` any more, so that its refusals will not be told, and its
    /// circuits have ended.
    pub fn left(&self, peer: PeerId) {
        let mut state = self.state();
        state.circuits.retain(|circuit| circuit.source != peer);
        state.refused.remove(&(peer, RequestKind::Reserve));
        state.refused.remove(&(peer, RequestKind::Connect));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more stranger from `origin` gets one of so many places.
    fn has_place(&self, origin: &Origin, places_max: usize) -> bool {
        let strangers = self
            .places
            .iter()
            .filter(|((peer, _), _)| !self.friends.contains(peer));
        has_room(
            strangers.map(|(_, place)| &place.origin),
            origin,
            places_max,
            (PLACE_SHARE, NET_SHARE),
        )
    }

    /// Whether `peer` at `address` gets a circuit, of so many that strangers have.
    fn has_circuit(
        &mut self,
        peer: PeerId,
        address: &Multiaddr,
        circuits_max: usize,
        now: Instant,
    ) -> bool {
        if self.friends.contains(&peer) {
            return true;
        }
        let is_late = |asked: Instant| now.saturating_duration_since(asked) >= DECIDED;
        self.circuits
            .retain(|circuit| !circuit.asked.is_some_and(is_late));
        let friends = &self.friends;
        let strangers = self
            .circuits
            .iter()
            .filter(|circuit| !friends.contains(&circuit.source));
        let origin = Origin::new(address, address);
        has_room(
            strangers.map(|circuit| &circuit.origin),
            &origin,
            circuits_max,
            (CIRCUIT_SHARE, CIRCUIT_NET_SHARE),
        )
    }

    /// One from `place` has found no room for a circuit: of the site that has most, if it has more even with one
    /// less, the peer is noted that came first.
    fn makes_way(&mut self, place: &Site) {
        let mut of_site: BTreeMap<&Site, usize> = BTreeMap::new();
        let friends = &self.friends;
        let strangers = self
            .circuits
            .iter()
            .filter(|circuit| !friends.contains(&circuit.source));
        for circuit in strangers.clone() {
            *of_site.entry(&circuit.origin.place).or_default() += 1;
        }
        let own = of_site.get(place).copied().unwrap_or(0);
        let Some((most, count)) = of_site.iter().max_by_key(|(_, count)| **count) else {
            return;
        };
        let first = strangers
            .clone()
            .find(|circuit| circuit.origin.place == **most);
        if let Some(first) = first.filter(|_| *count >= own + 2)
            && self.giving_way.len() < GIVING_WAY_MAX
            && !self.giving_way.contains(&first.source)
        {
            self.giving_way.push_back(first.source);
        }
    }

    /// Counts one more circuit of `peer`, unless it has had `most` in its hour; 0: any number.
    fn counts(&mut self, peer: PeerId, most: u32, now: Instant) -> bool {
        most == 0 || self.hours.admits(peer, most, now)
    }
}

/// Whether one more from `origin` gets one of so many places, those at `taken` being taken; one machine
/// or home, and one network, have at most so many times as many as are left.
fn has_room<'a>(
    taken: impl Iterator<Item = &'a Origin>,
    origin: &Origin,
    places_max: usize,
    (place_share, net_share): (usize, usize),
) -> bool {
    let (mut all, mut of_place, mut of_net) = (0, 0, 0);
    for other in taken {
        all += 1;
        of_place += usize::from(other.place == origin.place);
        of_net += usize::from(other.net == origin.net);
    }
    let left = places_max.saturating_sub(all);
    of_place < place_share * left && of_net < net_share * left
}

#[cfg(test)]
mod tests;
