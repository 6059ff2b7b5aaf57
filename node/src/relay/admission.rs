//! Which peers a relay serves, and why it has refused one.
//!
//! Owns which peers have a reservation. The fewer places are left for strangers, the fewer one machine
//! or network gets, so that the first to come keep no others out. Friends always get one, and so does
//! a peer that renews what it has.
//!
//! libp2p asks a relay's rate limiters before it grants anything, and answers every refusal of
//! theirs with the same status. So they ask this policy, which keeps the reason until the node
//! learns of the refusal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use crate::config::{Listed, Relay, RelayAccess};
use crate::entry::Origin;
use crate::identity::IdentityId;
use crate::named::listed;
use crate::window_counts::{WhenFull, WindowCounts};

/// Peers whose circuits of the last hour are counted. When all places are taken, a peer that has
/// none is turned away: the quota is for relays that serve few.
const COUNTED_MAX: usize = 4096;
/// Peers of one listed identity that are remembered: its owner can make any number.
const PROVED_MAX: usize = 64;
/// One machine or home, and one network, hold at most so many times the places that are left: of 128
/// one has 103 before others come, and two have 123.
const PLACE_SHARE: usize = 4;
const NET_SHARE: usize = 16;
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
    places: BTreeMap<(PeerId, Multiaddr), Place>,
    /// Refusals of which the node has not heard yet; one a peer and request.
    refused: BTreeMap<(PeerId, RequestKind), Refusal>,
}

/// A reservation.
#[derive(Debug)]
struct Place {
    origin: Origin,
    /// When it was given, or renewed.
    since: Instant,
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
            hours: WindowCounts::new(HOUR, COUNTED_MAX, WhenFull::TurnAway),
            places: BTreeMap::new(),
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

    /// Whether `peer` may have what it wants at `now`.
    pub fn admits(&self, request: RequestKind, peer: PeerId, now: Instant) -> bool {
        let mut state = self.state();
        let access = match request {
            RequestKind::Reserve => self.reserve,
            RequestKind::Connect => self.connect,
        };
        let refusal = match access {
            RelayAccess::Listed if !state.lists(&peer) => Some(Refusal::NotListed),
            RelayAccess::Friends if !state.friends.contains(&peer) => Some(Refusal::NoFriend),
            _ if request == RequestKind::Connect
                && !state.counts(peer, self.circuits_per_hour, now) =>
            {
                Some(Refusal::HourlyQuota)
            }
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
        if !state.friends.contains(&peer) && !state.has_room(&origin, self.places_max) {
            state
                .refused
                .insert((peer, RequestKind::Reserve), Refusal::Full);
            return false;
        }
        state.places.insert(key, Place { origin, since: now });
        true
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

    /// There is no connection with `peer` any more, so that its refusals will not be told.
    pub fn left(&self, peer: PeerId) {
        let mut state = self.state();
        state.refused.remove(&(peer, RequestKind::Reserve));
        state.refused.remove(&(peer, RequestKind::Connect));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether one more stranger from `origin` gets one of so many places.
    fn has_room(&self, origin: &Origin, places_max: usize) -> bool {
        let (mut all, mut of_place, mut of_net) = (0, 0, 0);
        for ((peer, _), place) in &self.places {
            if !self.friends.contains(peer) {
                all += 1;
                of_place += usize::from(place.origin.place == origin.place);
                of_net += usize::from(place.origin.net == origin.net);
            }
        }
        let left = places_max.saturating_sub(all);
        of_place < PLACE_SHARE * left && of_net < NET_SHARE * left
    }

    /// Counts one more circuit of `peer`, unless it has had `most` in its hour; 0: any number.
    fn counts(&mut self, peer: PeerId, most: u32, now: Instant) -> bool {
        most == 0 || self.hours.admits(peer, most, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_door_admits_anybody() {
        let policy = AdmissionPolicy::new(&Relay::default());
        assert!(policy.admits(RequestKind::Reserve, PeerId::random(), Instant::now()));
        assert!(policy.admits(RequestKind::Connect, PeerId::random(), Instant::now()));
    }

    #[test]
    fn the_listed_are_peers_and_those_who_prove_a_listed_identity() {
        let (peer, stranger, person) = (PeerId::random(), PeerId::random(), PeerId::random());
        let identity = IdentityId([7; 32]);
        let policy = AdmissionPolicy::new(&Relay {
            reserve: RelayAccess::Listed,
            listed: vec![peer.to_string(), identity.to_string()],
            ..Relay::default()
        });
        let now = Instant::now();
        assert!(policy.admits(RequestKind::Reserve, peer, now));
        assert!(!policy.admits(RequestKind::Reserve, person, now));
        assert_eq!(
            policy.refusal(RequestKind::Reserve, person),
            Some(Refusal::NotListed)
        );
        assert_eq!(policy.refusal(RequestKind::Reserve, person), None);
        policy.proved(person, &identity);
        policy.proved(stranger, &IdentityId([8; 32]));
        assert!(policy.admits(RequestKind::Reserve, person, now));
        assert!(!policy.admits(RequestKind::Reserve, stranger, now));
        assert!(policy.admits(RequestKind::Connect, stranger, now));
    }

    #[test]
    fn peers_of_a_listed_identity_are_remembered_up_to_a_bound() {
        let identity = IdentityId([7; 32]);
        let policy = AdmissionPolicy::new(&Relay {
            reserve: RelayAccess::Listed,
            listed: vec![identity.to_string()],
            ..Relay::default()
        });
        let peers: Vec<_> = (0..=PROVED_MAX).map(|_| PeerId::random()).collect();
        for peer in &peers {
            policy.proved(*peer, &identity);
        }
        let now = Instant::now();
        assert!(!policy.admits(RequestKind::Reserve, peers[0], now));
        assert!(
            peers[1..]
                .iter()
                .all(|peer| policy.admits(RequestKind::Reserve, *peer, now))
        );
        assert_eq!(policy.state().proved[&identity].len(), PROVED_MAX);
    }

    #[test]
    fn friends_are_whom_the_node_follows_now() {
        let friend = PeerId::random();
        let policy = AdmissionPolicy::new(&Relay {
            connect: RelayAccess::Friends,
            ..Relay::default()
        });
        let now = Instant::now();
        assert!(!policy.admits(RequestKind::Connect, friend, now));
        assert_eq!(
            policy.refusal(RequestKind::Connect, friend),
            Some(Refusal::NoFriend)
        );
        policy.set_friends([friend].into());
        assert!(policy.admits(RequestKind::Connect, friend, now));
        policy.set_friends(BTreeSet::new());
        assert!(!policy.admits(RequestKind::Connect, friend, now));
    }

    #[test]
    fn an_hour_has_so_many_circuits_and_the_next_hour_as_many() {
        let policy = AdmissionPolicy::new(&Relay {
            circuits_per_peer_hour: 2,
            ..Relay::default()
        });
        let (peer, now) = (PeerId::random(), Instant::now());
        let admits = |at| policy.admits(RequestKind::Connect, peer, at);
        assert!(admits(now) && admits(now));
        assert!(!admits(now + HOUR.saturating_sub(Duration::from_secs(1))));
        assert_eq!(
            policy.refusal(RequestKind::Connect, peer),
            Some(Refusal::HourlyQuota)
        );
        assert!(admits(now + HOUR));
        assert!(policy.admits(RequestKind::Reserve, peer, now));
    }

    #[test]
    fn no_crowd_makes_the_relay_count_without_end() {
        let policy = AdmissionPolicy::new(&Relay {
            circuits_per_peer_hour: 1,
            ..Relay::default()
        });
        let now = Instant::now();
        for _ in 0..COUNTED_MAX {
            assert!(policy.admits(RequestKind::Connect, PeerId::random(), now));
        }
        let late = PeerId::random();
        assert!(!policy.admits(RequestKind::Connect, late, now));
        assert_eq!(policy.state().hours.len(), COUNTED_MAX);
        assert!(policy.admits(RequestKind::Connect, late, now + HOUR));
        assert_eq!(policy.state().hours.len(), 1);
    }

    fn at(ip: &str, port: usize) -> Multiaddr {
        let address = format!("/ip4/{ip}/tcp/{port}");
        address.parse().expect("the test lists addresses")
    }

    #[test]
    fn who_comes_first_to_a_relay_keeps_out_neither_friends_nor_others() {
        let policy = AdmissionPolicy::new(&Relay::default());
        let now = Instant::now();
        let comes = |ip: &str, port| policy.gives_place(PeerId::random(), &at(ip, port), now);
        let held = |ip: &str| (0..200).filter(|port| comes(ip, *port)).count();
        assert_eq!((held("1.1.1.1"), held("2.2.2.2")), (103, 20));
        let friend = PeerId::random();
        policy.set_friends([friend].into());
        assert!(comes("3.3.3.3", 1), "one of a third site");
        while comes("3.3.3.3", 2) || (4..200).any(|net| comes(&format!("{net}.1.1.1"), 1)) {}
        let stranger = PeerId::random();
        assert!(!policy.gives_place(stranger, &at("4.4.4.4", 1), now));
        assert_eq!(
            policy.refusal(RequestKind::Reserve, stranger),
            Some(Refusal::Full)
        );
        assert!(policy.gives_place(friend, &at("1.1.1.1", 999), now));
        assert!(
            policy.gives_place(friend, &at("1.1.1.1", 999), now),
            "renewed"
        );
    }

    #[test]
    fn a_full_relay_renews_what_it_gave_and_gives_on_what_is_free_again() {
        let policy = AdmissionPolicy::new(&Relay {
            max_reservations: 2,
            ..Relay::default()
        });
        let (now, later) = (Instant::now(), Instant::now() + HOUR);
        let [one, two, three] = [(); 3].map(|()| PeerId::random());
        let gives = |peer, port, now| policy.gives_place(peer, &at("1.1.1.1", port), now);
        assert!(gives(one, 1, now) && gives(two, 2, now));
        assert!(!gives(three, 3, now) && gives(one, 1, later));
        // A further connection's place is another one.
        assert!(!gives(one, 4, later));
        policy.expired(two);
        assert!(gives(three, 3, later) && !gives(two, 2, later));
        policy.closed(one, &at("1.1.1.1", 1));
        assert!(gives(two, 2, later));
    }

    #[test]
    fn refusals_of_those_who_left_are_forgotten() {
        let policy = AdmissionPolicy::new(&Relay::default());
        let peer = PeerId::random();
        policy.turned_away(RequestKind::Reserve, peer, Refusal::PeerRate);
        policy.turned_away(RequestKind::Connect, peer, Refusal::AddressRate);
        policy.left(peer);
        assert!(policy.state().refused.is_empty());
    }
}
