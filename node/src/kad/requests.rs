//! How often peers may ask something of Kademlia: whoever asks more often loses the connection.
//!
//! Owns the counts. All that is asked is worked off on the node's loop, for records with signatures that
//! are verified, so that one peer, or one machine that has many names, must not ask without end.

use std::time::{Duration, Instant};

use libp2p::PeerId;

use crate::entry::Site;
use crate::window_counts::{WhenFull, WindowCounts};

/// What a peer, and a machine or home, may ask in each [`PERIOD`]: of the peers of a table each asks all
/// others a few times, and hands on all records that it keeps once an hour.
pub const OF_PEER_MAX: u32 = 2_000;
const OF_SITE_MAX: u32 = 8_000;
const PERIOD: Duration = Duration::from_mins(1);
/// Peers and sites that are counted; of more the first is forgotten.
const COUNTED_MAX: usize = 1_024;

/// Counts what is asked.
#[derive(Debug)]
pub struct Requests {
    of_peer: WindowCounts<PeerId>,
    of_site: WindowCounts<Site>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            of_peer: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
            of_site: WindowCounts::new(PERIOD, COUNTED_MAX, WhenFull::ForgetFirst),
        }
    }
}

impl Requests {
    /// Counts one more request of `peer` at `site`, unless it is one too many; whether it is not.
    pub fn admits(&mut self, peer: PeerId, site: Option<&Site>, now: Instant) -> bool {
        let of_site = |site: &Site| self.of_site.admits(site.clone(), OF_SITE_MAX, now);
        self.of_peer.admits(peer, OF_PEER_MAX, now) && site.is_none_or(of_site)
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
            let asked = (0..2 * OF_PEER_MAX).take_while(|_| requests.admits(peer, Some(site), now));
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
}
