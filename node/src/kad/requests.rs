//! How often peers may ask something of Kademlia: whoever asks more often loses the connection.
//!
//! Owns the counts. All that is asked is worked off on the node's loop, for records with signatures that
//! are verified, so that one peer, or one machine that has many names, must not ask without end. Who has
//! spent what a machine may ask is not known: others there, behind one NAT or relay, who have asked little
//! keep their connections, and friends and known nodes have nothing to do with it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use crate::entry::Site;
use crate::window_counts::{WhenFull, WindowCounts};

/// What a peer, and all strangers on a machine or in a home, may ask in each [`PERIOD`]: of the peers of a
/// table each asks all others a few times, and hands on all records that it keeps once an hour.
pub const OF_PEER_MAX: u32 = 2_000;
const OF_SITE_MAX: u32 = 8_000;
/// Who has asked so much loses its connection when others at its site have spent the rest: of a crowd
/// nobody has more, and who only looks something up has less.
const SPARED_MAX: u32 = OF_SITE_MAX / 32;
const PERIOD: Duration = Duration::from_mins(1);
/// Peers and sites that are counted; of more the first is forgotten.
const COUNTED_MAX: usize = 1_024;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is worked off.
    Admitted,
    /// It is left out if it costs much: others at the peer's site have asked too much.
    LeftOut,
    /// The peer loses its connection.
    TooMany,
}

/// Counts what is asked.
#[derive(Debug)]
pub struct Requests {
    trusted: BTreeSet<PeerId>,
    of_peer: WindowCounts<PeerId>,
    of_site: WindowCounts<Site>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            trusted: BTreeSet::new(),
            of_peer: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
            of_site: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
        }
    }
}

impl Requests {
    /// Takes `peer` for a friend or a known node, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if trusted {
            self.trusted.insert(peer);
        } else {
            self.trusted.remove(&peer);
        }
    }

    /// Counts one more request of `peer` at `site`, unless it is one too many.
    pub fn admits(&mut self, peer: PeerId, site: Option<&Site>, now: Instant) -> Verdict {
        if !self.of_peer.admits(peer, OF_PEER_MAX, now) {
            return Verdict::TooMany;
        }
        let shares = site.filter(|_| !self.trusted.contains(&peer));
        if shares.is_none_or(|site| self.of_site.admits(site.clone(), OF_SITE_MAX, now)) {
            Verdict::Admitted
        } else if self.of_peer.of(&peer, now) > SPARED_MAX {
            Verdict::TooMany
        } else {
            Verdict::LeftOut
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_and_a_machine_with_many_names_ask_so_much_and_then_again() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        let [here, there] = [Site::V4(1), Site::V4(2)];
        let mut asks = |peer, site, now| {
            let asked = (0..2 * OF_PEER_MAX)
                .take_while(|_| requests.admits(peer, Some(site), now) == Verdict::Admitted);
            u32::try_from(asked.count()).expect("few")
        };
        let first = PeerId::random();
        assert_eq!(asks(first, &here, now), OF_PEER_MAX);
        assert_eq!(asks(first, &there, now), 0);
        let crowd: u32 = (0..9).map(|_| asks(PeerId::random(), &here, now)).sum();
        assert_eq!(crowd, OF_SITE_MAX - OF_PEER_MAX);
        assert_eq!(asks(PeerId::random(), &there, now), OF_PEER_MAX);
        assert_eq!(asks(first, &here, now + PERIOD), OF_PEER_MAX);
    }

    #[test]
    fn a_crowd_at_a_site_takes_nothing_from_a_friend_there_nor_the_connection_of_who_asks_little() {
        let (mut requests, now, site) = (Requests::default(), Instant::now(), Site::V4(1));
        let mut ask = |peer| requests.admits(peer, Some(&site), now);
        let crowd: Vec<_> = (0..8).map(|_| PeerId::random()).collect();
        for _ in 0..OF_SITE_MAX / 8 {
            assert!(crowd.iter().all(|peer| ask(*peer) == Verdict::Admitted));
        }
        assert!(crowd.iter().all(|peer| ask(*peer) == Verdict::TooMany));
        let other = PeerId::random();
        for _ in 0..SPARED_MAX {
            assert_eq!(ask(other), Verdict::LeftOut);
        }
        assert_eq!(ask(other), Verdict::TooMany);
        let friend = PeerId::random();
        requests.trusts(friend, true);
        let mut ask = || requests.admits(friend, Some(&site), now);
        for _ in 0..OF_PEER_MAX {
            assert_eq!(ask(), Verdict::Admitted);
        }
        assert_eq!(ask(), Verdict::TooMany);
        requests.trusts(friend, false);
        let later = requests.admits(friend, Some(&site), now + PERIOD);
        assert_eq!(later, Verdict::Admitted);
    }
}
