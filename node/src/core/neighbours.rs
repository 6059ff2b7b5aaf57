//! Which peers have announced themselves on the local network, and where.
//!
//! A bounded table that no announcement closes to later ones: what was announced first gives way, and
//! what is a friend's only to another friend's. Knows no times: who tells of neighbours tells, too, when
//! they are gone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::discovery::local::{Found, NEIGHBOURS_MAX, PER_PEER_MAX};

/// Addresses by peer, at most [`NEIGHBOURS_MAX`] in all, and [`PER_PEER_MAX`] of one.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// Each with the number that it had when it came.
    addresses: BTreeMap<PeerId, BTreeMap<Multiaddr, u64>>,
    count: usize,
    next: u64,
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is remembered, as it may have been before.
    Remembered,
    /// It is remembered in place of another.
    InPlaceOf(Found),
    /// All that is remembered is friends', and it is not.
    Refused,
}

impl Neighbours {
    /// Remembers an address of `peer`, in place of another if there are too many. `is_friend` says whose
    /// stay.
    pub fn add(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        is_friend: impl Fn(&PeerId) -> bool,
    ) -> Added {
        let known = self.addresses.get(&peer);
        if known.is_some_and(|known| known.contains_key(&address)) {
            return Added::Remembered;
        }
        // Anybody can announce a friend's name: its addresses are pushed out by its own, too.
        let gone = if known.is_some_and(|known| known.len() >= PER_PEER_MAX) {
            self.first(|other| *other == peer)
        } else if self.count < NEIGHBOURS_MAX {
            None
        } else {
            let stranger = self.first(|other| !is_friend(other));
            let gone = stranger.or_else(|| self.first(|_| is_friend(&peer)));
            if gone.is_none() {
                return Added::Refused;
            }
            gone
        };
        if let Some((other, address)) = &gone {
            self.remove(*other, address);
        }
        self.addresses
            .entry(peer)
            .or_default()
            .insert(address, self.next);
        self.next += 1;
        self.count += 1;
        gone.map_or(Added::Remembered, Added::InPlaceOf)
    }

    /// The address that came first, of peers that are `meant`.
    fn first(&self, meant: impl Fn(&PeerId) -> bool) -> Option<Found> {
        let meant = self.addresses.iter().filter(|(peer, _)| meant(peer));
        let each = meant.flat_map(|(peer, known)| known.iter().map(move |at| (peer, at)));
        let first = each.min_by_key(|(_, (_, number))| **number);
        first.map(|(peer, (address, _))| (*peer, address.clone()))
    }

    /// Forgets an address; whether it was known.
    pub fn remove(&mut self, peer: PeerId, address: &Multiaddr) -> bool {
        let Some(addresses) = self.addresses.get_mut(&peer) else {
            return false;
        };
        let known = addresses.remove(address).is_some();
        if addresses.is_empty() {
            self.addresses.remove(&peer);
        }
        self.count -= usize::from(known);
        known
    }

    /// Where `peer` is, in order.
    pub fn of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let addresses = self.addresses.get(peer);
        let addresses = addresses.into_iter().flat_map(BTreeMap::keys);
        addresses.cloned().collect()
    }

    /// Whether `peer` has announced itself at the IP address of `address`.
    pub fn has_at(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let Some(ip) = ip_of(address) else {
            return false;
        };
        let found = self.addresses.get(peer).into_iter();
        let mut found = found.flat_map(BTreeMap::keys);
        found.any(|known| ip_of(known) == Some(ip))
    }
}

/// The IP address that a multiaddr begins with.
fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Whether an address is one of a home or an office, or of a link.
pub fn is_private(address: &Multiaddr) -> bool {
    match ip_of(address) {
        Some(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: usize) -> Multiaddr {
        let address = format!("/ip4/192.0.2.1/tcp/{port}");
        address.parse().expect("an address")
    }

    #[test]
    fn strangers_give_way_to_who_comes_later_and_friends_to_friends_alone() {
        let mut neighbours = Neighbours::default();
        let (friend, first) = (PeerId::random(), PeerId::random());
        let is_friend = |peer: &PeerId| *peer == friend;
        assert_eq!(neighbours.add(friend, at(1), is_friend), Added::Remembered);
        assert_eq!(neighbours.add(friend, at(1), is_friend), Added::Remembered);
        assert_eq!(neighbours.add(first, at(1), is_friend), Added::Remembered);
        assert_eq!(neighbours.count, 2);
        let crowd =
            |neighbours: &mut Neighbours| neighbours.add(PeerId::random(), at(1), is_friend);
        while neighbours.count < NEIGHBOURS_MAX {
            assert_eq!(crowd(&mut neighbours), Added::Remembered);
        }
        let gone = Added::InPlaceOf((first, at(1)));
        assert_eq!(crowd(&mut neighbours), gone);
        for _ in 0..2 * NEIGHBOURS_MAX {
            assert!(matches!(crowd(&mut neighbours), Added::InPlaceOf(_)));
        }
        assert_eq!(neighbours.count, NEIGHBOURS_MAX);
        assert_eq!(neighbours.of(&friend), [at(1)]);
        assert!(neighbours.remove(friend, &at(1)));
        assert!(!neighbours.remove(friend, &at(1)));
        assert_eq!(crowd(&mut neighbours), Added::Remembered);
        // Where all are friends, a stranger is none of them.
        let oldest = neighbours.first(|_| true).expect("it is full");
        let added = neighbours.add(PeerId::random(), at(2), |peer| *peer != first);
        assert_eq!(added, Added::InPlaceOf(oldest));
        let refused = neighbours.add(first, at(2), |peer| *peer != first);
        assert_eq!(refused, Added::Refused);
    }

    #[test]
    fn of_one_peer_the_newest_addresses_are_remembered() {
        let mut neighbours = Neighbours::default();
        let peer = PeerId::random();
        for port in 1..=PER_PEER_MAX {
            assert_eq!(neighbours.add(peer, at(port), |_| true), Added::Remembered);
        }
        let gone = Added::InPlaceOf((peer, at(1)));
        assert_eq!(neighbours.add(peer, at(99), |_| true), gone);
        assert_eq!(neighbours.of(&peer).len(), PER_PEER_MAX);
        assert!(neighbours.has_at(&peer, &at(7)));
    }
}
