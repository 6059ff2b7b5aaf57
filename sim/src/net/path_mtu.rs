//! What a host has learnt of the largest packets to others (RFC 1191, RFC 8201).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::time::SimTime;

/// How long it is believed (Linux: `mtu_expires`, 10 minutes).
const BELIEVED: Duration = Duration::from_mins(10);

/// Destinations that are remembered. What expires first is forgotten for another.
const DESTINATIONS_MAX: usize = 256;

/// Smallest that is believed: Linux's `min_pmtu`, and the least that IPv6 asks of
/// every link (RFC 8200 §5).
const IPV4_MIN: u16 = 552;
const IPV6_MIN: u16 = 1_280;

/// One host's knowledge by destination.
#[derive(Debug, Default)]
pub(super) struct PathMtus {
    known: BTreeMap<IpAddr, (u16, SimTime)>,
}

impl PathMtus {
    /// Takes in that no packet of more than `mtu` bytes reaches `to`, and returns
    /// what is now believed: never more than before.
    pub(super) fn learn(&mut self, now: SimTime, to: IpAddr, mtu: u16) -> u16 {
        let mtu = mtu.max(if to.is_ipv4() { IPV4_MIN } else { IPV6_MIN });
        let mtu = self.to(now, to).map_or(mtu, |before| before.min(mtu));
        if !self.known.contains_key(&to) && self.known.len() >= DESTINATIONS_MAX {
            let first = self.known.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(first) = first.map(|(&first, _)| first) {
                self.known.remove(&first);
            }
        }
        self.known.insert(to, (mtu, now + BELIEVED));
        mtu
    }

    /// The largest packet that is known to reach `to`, if anything is.
    pub(super) fn to(&self, now: SimTime, to: IpAddr) -> Option<u16> {
        let (mtu, until) = self.known.get(&to)?;
        (now < *until).then_some(*mtu)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn the_least_is_believed_for_ten_minutes() {
        let mut mtus = PathMtus::default();
        let to = IpAddr::from(Ipv4Addr::new(11, 0, 0, 1));
        let at = SimTime::from_secs;
        assert_eq!(mtus.to(at(0), to), None);
        assert_eq!(mtus.learn(at(0), to, 1_400), 1_400);
        assert_eq!(mtus.learn(at(1), to, 1_450), 1_400);
        assert_eq!(mtus.to(at(600), to), Some(1_400));
        assert_eq!(mtus.to(at(601), to), None);
        assert_eq!(mtus.learn(at(700), to, 1_450), 1_450);
    }

    #[test]
    fn absurd_sizes_are_not_believed() {
        let mut mtus = PathMtus::default();
        assert_eq!(
            mtus.learn(SimTime::ZERO, Ipv4Addr::LOCALHOST.into(), 0),
            IPV4_MIN
        );
        assert_eq!(
            mtus.learn(SimTime::ZERO, Ipv6Addr::LOCALHOST.into(), 68),
            IPV6_MIN
        );
    }

    #[test]
    fn destinations_are_bounded() {
        let mut mtus = PathMtus::default();
        let to = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        for number in 0..1_000 {
            mtus.learn(SimTime::from_millis(number.into()), to(number), 1_400);
        }
        let now = SimTime::from_secs(1);
        assert_eq!(mtus.known.len(), DESTINATIONS_MAX);
        assert_eq!(mtus.to(now, to(0)), None);
        assert_eq!(mtus.to(now, to(999)), Some(1_400));
    }
}
