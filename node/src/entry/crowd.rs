//! Which of those who hold a place gives it up.
//!
//! Shares are not fixed: who is alone may have all places, until others come. Then those who have
//! most of them lose theirs one by one, and one who floods loses only to itself. Pure.

use std::collections::BTreeMap;

use super::origin::{Origin, Site};

/// So many machines of one network weigh as much as one machine's connections.
const MACHINES: u32 = 4;

/// Who holds a place.
#[derive(Debug)]
pub struct Guest<'a, K> {
    /// By which it is known.
    pub key: K,
    /// From where it came.
    pub origin: &'a Origin,
    /// What it is good for; the least goes first.
    pub rank: u8,
    /// When it was last of use, or came; the oldest goes first.
    pub used: u64,
}

/// Who of `guests` gives way: one of the most crowded place or network, to within a factor of two;
/// of those the least useful one; of those the one that has been so for longest.
pub fn gives_way<'a, K: Ord + Copy>(guests: &[Guest<'a, K>]) -> Option<K> {
    let mut places: BTreeMap<&'a Site, u32> = BTreeMap::new();
    let mut nets: BTreeMap<&'a Site, u32> = BTreeMap::new();
    for guest in guests {
        *places.entry(&guest.origin.place).or_default() += 1;
        *nets.entry(&guest.origin.net).or_default() += 1;
    }
    let crowd = |origin: &Origin| {
        let place = places.get(&origin.place).copied().unwrap_or(0);
        let net = nets.get(&origin.net).copied().unwrap_or(0) / MACHINES;
        place.max(net).max(1).ilog2()
    };
    guests
        .iter()
        .max_by_key(|guest| {
            let least = (std::cmp::Reverse(guest.rank), std::cmp::Reverse(guest.used));
            (crowd(guest.origin), least, guest.key)
        })
        .map(|guest| guest.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machines and how many places each has; ranks and times as given.
    fn check(guests: &[(&str, u8, u64)], expected: Option<usize>) {
        let here = "/ip4/192.0.2.1/tcp/1".parse().expect("a multiaddr");
        let origins: Vec<_> = guests
            .iter()
            .map(|(ip, ..)| {
                let there = format!("/ip4/{ip}/tcp/1").parse().expect("a multiaddr");
                Origin::new(&here, &there)
            })
            .collect();
        let listed: Vec<_> = origins
            .iter()
            .zip(guests)
            .enumerate()
            .map(|(key, (origin, (_, rank, used)))| Guest {
                key,
                origin,
                rank: *rank,
                used: *used,
            })
            .collect();
        assert_eq!(gives_way(&listed), expected, "{guests:?}");
    }

    #[test]
    fn who_has_most_gives_way_first() {
        check(&[], None);
        check(&[("1.1.1.1", 0, 5), ("2.2.2.2", 0, 4)], Some(1));
        check(&[("1.1.1.1", 1, 4), ("2.2.2.2", 0, 5)], Some(1));
        // A crowd goes before whoever is alone, however useful its members say they are.
        let crowd = [
            ("1.1.1.1", 0, 1),
            ("2.2.2.2", 2, 7),
            ("2.2.2.2", 2, 6),
            ("2.2.2.2", 2, 8),
        ];
        check(&crowd, Some(2));
    }

    #[test]
    fn many_machines_of_one_network_are_a_crowd() {
        let ips: Vec<_> = (1..=16).map(|host| format!("2.2.2.{host}")).collect();
        let mut guests: Vec<_> = ips.iter().map(|ip| (ip.as_str(), 1, 9)).collect();
        guests.push(("1.1.1.1", 0, 1));
        guests.push(("3.3.3.3", 0, 2));
        guests[4].2 = 3;
        check(&guests, Some(4));
        // Fewer are none.
        check(&guests[13..], Some(3));
    }
}
