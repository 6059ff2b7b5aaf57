//! Where peers say that they see us: which of it is taken for an address of ours that may be tested, and
//! told to whom holes are punched with.
//!
//! libp2p keeps what it is given for as long as the node runs, so what peers can have it keep is bounded
//! here: a few addresses a connection, and a share for all strangers, which fills up again slowly. Friends
//! and known nodes have a share of their own, and where they see us is noted: holes are punched there.
//! Owns those shares. That a peer is right is found out by tests.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use crate::api::Event;
use crate::outlet::Outlet;
use crate::scope::Scope;
use crate::shape;

use super::hole_punch::SeenByTrusted;

/// Addresses that one connection may bring: one where it sees us, for each address on which we listen
/// by the same transport.
const OF_CONNECTION_MAX: u8 = 4;
/// Addresses that are passed on at once in a share, and how long it takes until one more is.
const NEW_MAX: usize = 32;
const REFILL: Duration = Duration::from_hours(1);
/// Longest address, in bytes: IP, port, QUIC and the hashes of two certificates take less.
const BYTES_MAX: usize = 128;
/// The bound that is told.
const LIMIT: &str = "address-candidates";

/// What has been passed on.
pub(super) struct Candidates {
    trusted: BTreeSet<PeerId>,
    of_trusted: Share,
    of_strangers: Share,
    seen: SeenByTrusted,
    outlet: Outlet,
}

/// What peers of one kind have brought.
struct Share {
    /// The newest ones, the oldest first.
    known: VecDeque<Multiaddr>,
    /// How many more there may be now.
    room: usize,
    /// Since when there is one more to come.
    refilled: Option<Instant>,
    /// Whether it has been told that there is no room.
    told: bool,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            known: VecDeque::new(),
            room: NEW_MAX,
            refilled: None,
            told: false,
        }
    }
}

impl Share {
    /// Whether `address` is known, or there is room for it.
    fn admits(&mut self, address: &Multiaddr, now: Instant) -> bool {
        if self.known.contains(address) {
            return true;
        }
        if let Some(refilled) = &mut self.refilled {
            while self.room < NEW_MAX && now.saturating_duration_since(*refilled) >= REFILL {
                *refilled += REFILL;
                self.room += 1;
                self.told = false;
            }
        }
        if self.room == 0 {
            return false;
        }
        if self.room == NEW_MAX {
            self.refilled = Some(now);
        }
        self.room -= 1;
        if self.known.len() >= 2 * NEW_MAX {
            self.known.pop_front();
        }
        self.known.push_back(address.clone());
        true
    }
}

impl Candidates {
    /// None yet; where those who are trusted see us is noted in `seen`, and that there is no room is told
    /// to `outlet`.
    pub fn new(seen: SeenByTrusted, outlet: Outlet) -> Self {
        Self {
            trusted: BTreeSet::new(),
            of_trusted: Share::default(),
            of_strangers: Share::default(),
            seen,
            outlet,
        }
    }

    /// Takes `peer` for a friend or a known node, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if trusted {
            self.trusted.insert(peer);
        } else {
            self.trusted.remove(&peer);
        }
    }

    /// Whether `address`, at which `peer` sees us by a connection that has brought so many, is passed on.
    pub fn admits(
        &mut self,
        peer: &PeerId,
        brought: &mut u8,
        address: &Multiaddr,
        now: Instant,
    ) -> bool {
        // What is of use to peers nearby alone need not be tested by those elsewhere.
        let fits = Scope::of(address) == Scope::World
            && shape::is_dialled(address)
            && !shape::has_name(address);
        if !fits || address.len() > BYTES_MAX || *brought >= OF_CONNECTION_MAX {
            return false;
        }
        *brought += 1;
        let is_trusted = self.trusted.contains(peer);
        let share = if is_trusted {
            &mut self.of_trusted
        } else {
            &mut self.of_strangers
        };
        if share.admits(address, now) {
            if is_trusted {
                self.seen.note(address);
            }
            return true;
        }
        if !std::mem::replace(&mut share.told, true) {
            self.outlet.emit(&Event::LimitReached {
                limit: LIMIT.to_owned(),
            });
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::environment::Observer;

    #[derive(Default)]
    struct Count(Mutex<u32>);

    impl Observer for Count {
        fn event(&self, event: &Event) {
            let limit = LIMIT.to_owned();
            assert_eq!(*event, Event::LimitReached { limit });
            *self.0.lock().expect("no panic") += 1;
        }
    }

    fn candidates() -> (Candidates, Arc<Count>) {
        let told = Arc::new(Count::default());
        let outlet = Outlet::new(PeerId::random(), told.clone());
        (Candidates::new(SeenByTrusted::default(), outlet), told)
    }

    fn address(number: usize) -> Multiaddr {
        let [high, low] = [number / 256, number % 256];
        let text = format!("/ip4/198.51.{high}.{low}/tcp/4150");
        text.parse().expect("an address")
    }

    #[test]
    fn strangers_fill_a_share_of_their_own_and_it_heals() {
        let (mut candidates, told) = candidates();
        let (stranger, friend) = (PeerId::random(), PeerId::random());
        candidates.trusts(friend, true);
        let begun = Instant::now();
        let mut admits =
            |peer: &PeerId, number, now| candidates.admits(peer, &mut 0, &address(number), now);
        let admitted = (0..1000).filter(|number| admits(&stranger, *number, begun));
        assert_eq!(admitted.count(), NEW_MAX);
        assert_eq!(*told.0.lock().expect("no panic"), 1);
        assert!(admits(&stranger, 0, begun), "it is known");
        assert!(admits(&friend, 2000, begun));
        assert!(!admits(&stranger, 2001, begun + REFILL / 2));
        assert!(admits(&stranger, 2001, begun + REFILL));
        assert!(!admits(&stranger, 2002, begun + REFILL));
        let late = begun + 1000 * REFILL;
        let admitted = (3000..4000).filter(|number| admits(&stranger, *number, late));
        assert_eq!(admitted.count(), NEW_MAX);
        candidates.trusts(friend, false);
        assert!(!candidates.admits(&friend, &mut 0, &address(5000), late));
        assert!(candidates.of_strangers.known.len() <= 2 * NEW_MAX);
    }

    #[test]
    fn a_connection_brings_few_addresses_and_public_ones_alone() {
        let (mut candidates, _) = candidates();
        let (peer, now) = (PeerId::random(), Instant::now());
        let mut brought = 0;
        let admitted =
            (0..10).filter(|number| candidates.admits(&peer, &mut brought, &address(*number), now));
        assert_eq!(admitted.count(), usize::from(OF_CONNECTION_MAX));
        let long = format!("/ip4/198.51.100.1/tcp/1/http-path/{}", "x".repeat(200));
        let unfit = [
            "/ip4/192.168.1.2/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/198.51.100.1/ip4/127.0.0.1/tcp/22",
            "/ip4/198.51.100.1/ip4/198.51.100.2/tcp/22",
            "/dns4/example.org/tcp/1",
            &long,
        ];
        for text in unfit {
            let address = text.parse().expect("an address");
            assert!(!candidates.admits(&peer, &mut 0, &address, now), "{text}");
        }
    }
}
