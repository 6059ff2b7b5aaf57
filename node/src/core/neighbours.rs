//! Which peers have announced themselves on the local network, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::discovery::local::NEIGHBOURS_MAX;

/// Addresses by peer, at most [`NEIGHBOURS_MAX`] in all.
#[derive(Debug, Default)]
pub struct Neighbours {
    addresses: BTreeMap<PeerId, BTreeSet<Multiaddr>>,
    count: usize,
}

impl Neighbours {
    /// Remembers an address unless there are too many; whether it is remembered now.
    pub fn add(&mut self, peer: PeerId, address: Multiaddr) -> bool {
        if self.count >= NEIGHBOURS_MAX {
            return false;
        }
        if self.addresses.entry(peer).or_default().insert(address) {
            self.count += 1;
        }
        true
    }

    /// Forgets an address; whether it was known.
    pub fn remove(&mut self, peer: PeerId, address: &Multiaddr) -> bool {
        let Some(addresses) = self.addresses.get_mut(&peer) else {
            return false;
        };
        let known = addresses.remove(address);
        if addresses.is_empty() {
            self.addresses.remove(&peer);
        }
        self.count -= usize::from(known);
        known
    }

    /// Where `peer` is, in order.
    pub fn of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let addresses = self.addresses.get(peer);
        addresses.into_iter().flatten().cloned().collect()
    }

    /// Whether `peer` has announced itself at the IP address of `address`.
    pub fn has_at(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let Some(ip) = ip_of(address) else {
            return false;
        };
        let mut found = self.addresses.get(peer).into_iter().flatten();
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

    #[test]
    fn so_many_addresses_are_remembered_and_no_more() {
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
        let mut neighbours = Neighbours::default();
        let peer = PeerId::random();
        assert!(neighbours.add(peer, address.clone()));
        assert!(neighbours.add(peer, address.clone()));
        assert_eq!(neighbours.count, 1);
        while neighbours.count < NEIGHBOURS_MAX {
            assert!(neighbours.add(PeerId::random(), address.clone()));
        }
        assert!(!neighbours.add(PeerId::random(), address.clone()));
        assert!(neighbours.remove(peer, &address));
        assert!(!neighbours.remove(peer, &address));
        assert_eq!(neighbours.of(&peer), Vec::<Multiaddr>::new());
        assert!(neighbours.add(PeerId::random(), address));
    }
}
