//! How often a host sends ICMP errors (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f).
//!
//! As Linux has it by default: 1,000 a second and 50 at once over all peers
//! (`icmp_msgs_per_sec`, `icmp_msgs_burst`), and to one peer one a second and six at
//! once (`icmp_ratelimit`). Packet-too-big is exempt, as there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::SimTime;

const ALL_INTERVAL: Duration = Duration::from_millis(1);
const ALL_BURST: u32 = 50;
const PEER_INTERVAL: Duration = Duration::from_secs(1);
const PEER_BURST: u32 = 6;

/// Peers that are remembered. The longest silent is forgotten for another.
const PEERS_MAX: usize = 256;

/// The limits of one host.
#[derive(Debug, Default)]
pub(super) struct IcmpLimit {
    all: Bucket,
    peers: BTreeMap<IpAddr, Bucket>,
}

impl IcmpLimit {
    /// Whether an error may go to `peer` now; if so, it counts.
    pub(super) fn allows(&mut self, now: SimTime, peer: IpAddr) -> bool {
        if !self.all.is_ready(now, ALL_INTERVAL, ALL_BURST) {
            return false;
        }
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            self.forget_one();
        }
        let one = self.peers.entry(peer).or_default();
        if !one.is_ready(now, PEER_INTERVAL, PEER_BURST) {
            return false;
        }
        one.take(now, PEER_INTERVAL, PEER_BURST);
        self.all.take(now, ALL_INTERVAL, ALL_BURST);
        true
    }

    fn forget_one(&mut self) {
        let oldest = self.peers.iter().min_by_key(|(_, bucket)| bucket.full_at);
        if let Some(peer) = oldest.map(|(&peer, _)| peer) {
            self.peers.remove(&peer);
        }
    }
}

/// A token bucket, kept as the instant at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: SimTime,
}

impl Bucket {
    /// Whether there is a whole token.
    fn is_ready(self, now: SimTime, interval: Duration, burst: u32) -> bool {
        self.full_at <= now + interval * (burst - 1)
    }

    fn take(&mut self, now: SimTime, interval: Duration, burst: u32) {
        debug_assert!(self.is_ready(now, interval, burst));
        self.full_at = self.full_at.max(now) + interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0b00_0001 + number).into()
    }

    #[test]
    fn one_peer_gets_six_at_once_and_one_a_second() {
        let mut limit = IcmpLimit::default();
        let mut sent = |ms, tries: u32| {
            let now = SimTime::from_millis(ms);
            (0..tries).filter(|_| limit.allows(now, peer(1))).count()
        };
        assert_eq!(sent(0, 100), 6);
        assert_eq!(sent(999, 100), 0);
        assert_eq!(sent(1_000, 100), 1);
        assert_eq!(sent(60_000, 100), 6);
    }

    #[test]
    fn all_peers_get_fifty_at_once_and_a_thousand_a_second() {
        let mut limit = IcmpLimit::default();
        let mut sent = |ms, first: u32| {
            let now = SimTime::from_millis(ms);
            (first..first + 100)
                .filter(|&number| limit.allows(now, peer(number)))
                .count()
        };
        assert_eq!(sent(0, 0), 50);
        assert_eq!(sent(10, 100), 10);
        assert_eq!(sent(1_000, 200), 50);
    }

    #[test]
    fn peers_are_bounded_and_the_longest_silent_is_forgotten() {
        let mut limit = IcmpLimit::default();
        for number in 0..1_000 {
            let now = SimTime::from_millis(10 * u64::from(number));
            assert!(limit.allows(now, peer(number)));
        }
        assert_eq!(limit.peers.len(), PEERS_MAX);
        assert!(limit.peers.contains_key(&peer(999)));
        assert!(!limit.peers.contains_key(&peer(0)));
    }
}
