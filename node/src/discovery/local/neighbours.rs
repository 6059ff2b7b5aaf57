//! Who is on the local network, and for how long that holds.
//!
//! A bounded table: whoever answers for a thousand peers pushes out the addresses that
//! end first, a friend's only where it is a friend, and no more; so do those of one peer, since anybody
//! can announce its name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use libp2p::{Multiaddr, PeerId};

/// Most addresses of all neighbours together.
pub const NEIGHBOURS_MAX: usize = 1_024;
/// Most addresses of one neighbour.
pub const PER_PEER_MAX: usize = 16;

/// A peer's name and an address with it.
pub type Found = (PeerId, Multiaddr);

/// Addresses by peer, each until some moment.
#[derive(Debug, Default)]
pub struct Neighbours(BTreeMap<Found, Instant>);

/// What became of an address.
#[derive(Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is new, and took the place of another if there was none left.
    New(Option<Found>),
    /// It was there before and holds longer.
    Again,
    /// All that is there is friends', and it is not.
    Refused,
}

impl Neighbours {
    /// Notes that `found` holds until `until`; what is of `friends` stays.
    pub fn note(&mut self, found: Found, until: Instant, friends: &BTreeSet<PeerId>) -> Noted {
        if let Some(known) = self.0.get_mut(&found) {
            *known = until.max(*known);
            return Noted::Again;
        }
        let of_peer = self.0.keys().filter(|(peer, _)| *peer == found.0).count();
        let pushed_out = if of_peer >= PER_PEER_MAX {
            self.first(|peer| *peer == found.0)
        } else if self.0.len() >= NEIGHBOURS_MAX {
            let stranger = self.first(|peer| !friends.contains(peer));
            let first = stranger.or_else(|| self.first(|_| friends.contains(&found.0)));
            if first.is_none() {
                return Noted::Refused;
            }
            first
        } else {
            None
        };
        if let Some(found) = &pushed_out {
            self.0.remove(found);
        }
        self.0.insert(found, until);
        Noted::New(pushed_out)
    }

    /// What ends first, of peers that are `meant`.
    fn first(&self, meant: impl Fn(&PeerId) -> bool) -> Option<Found> {
        let meant = self.0.iter().filter(|((peer, _), _)| meant(peer));
        let first = meant.min_by_key(|(_, until)| **until);
        first.map(|(found, _)| found.clone())
    }

    /// Takes out what does not hold at `now` any more.
    pub fn expire(&mut self, now: Instant) -> Vec<Found> {
        let gone: Vec<Found> = self
            .0
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(found, _)| found.clone())
            .collect();
        for found in &gone {
            self.0.remove(found);
        }
        gone
    }

    /// When the next address ceases to hold.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn found(peer: PeerId, port: usize) -> Found {
        let address = format!("/ip4/192.0.2.1/tcp/{port}");
        (peer, address.parse().expect("an address"))
    }

    #[test]
    fn an_address_holds_until_its_time_unless_it_is_told_again() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let peer = PeerId::random();
        let mut neighbours = Neighbours::default();
        assert_eq!(
            neighbours.note(found(peer, 1), at(10), &BTreeSet::new()),
            Noted::New(None)
        );
        assert_eq!(
            neighbours.note(found(peer, 2), at(10), &BTreeSet::new()),
            Noted::New(None)
        );
        assert_eq!(
            neighbours.note(found(peer, 2), at(20), &BTreeSet::new()),
            Noted::Again
        );
        assert_eq!(neighbours.next_expiry(), Some(at(10)));
        assert_eq!(neighbours.expire(at(10)), [found(peer, 1)]);
        assert_eq!(neighbours.next_expiry(), Some(at(20)));
    }

    #[test]
    fn a_liar_fills_neither_a_peers_places_nor_the_table() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        let one = PeerId::random();
        for port in 1..=PER_PEER_MAX {
            assert_eq!(
                neighbours.note(found(one, port), start, &BTreeSet::new()),
                Noted::New(None)
            );
        }
        let later = start + Duration::from_millis(1);
        let first = Noted::New(Some(found(one, 1)));
        assert_eq!(
            neighbours.note(found(one, 99), later, &BTreeSet::new()),
            first
        );
        let mut pushed_out = 0;
        for second in 1..=2 * NEIGHBOURS_MAX as u64 {
            let until = start + Duration::from_secs(second);
            if let Noted::New(Some(_)) =
                neighbours.note(found(PeerId::random(), 1), until, &BTreeSet::new())
            {
                pushed_out += 1;
            }
        }
        assert_eq!(neighbours.0.len(), NEIGHBOURS_MAX);
        assert_eq!(pushed_out, PER_PEER_MAX + NEIGHBOURS_MAX);
    }

    #[test]
    fn strangers_push_out_no_friend_and_a_friend_finds_room() {
        let start = Instant::now();
        let late = start + Duration::from_mins(5);
        let mut neighbours = Neighbours::default();
        let [friend, other] = [(); 2].map(|()| PeerId::random());
        let friends = [friend, other].into();
        // What is a friend's ends first.
        let of_friend = found(friend, 1);
        let noted = neighbours.note(of_friend.clone(), start, &friends);
        assert_eq!(noted, Noted::New(None));
        for _ in 0..2 * NEIGHBOURS_MAX {
            let noted = neighbours.note(found(PeerId::random(), 1), late, &friends);
            assert!(matches!(noted, Noted::New(gone) if gone.as_ref() != Some(&of_friend)));
        }
        let noted = neighbours.note(found(other, 1), late, &friends);
        assert!(matches!(noted, Noted::New(Some(_))));
        assert_eq!(neighbours.0.len(), NEIGHBOURS_MAX);
        assert!(neighbours.0.contains_key(&of_friend));
        // Where all are friends, a stranger is none of them.
        let all = neighbours.0.keys().map(|(peer, _)| *peer).collect();
        let noted = neighbours.note(found(PeerId::random(), 1), late, &all);
        assert_eq!(noted, Noted::Refused);
    }
}
