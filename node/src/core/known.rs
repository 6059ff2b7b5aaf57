//! The nodes that the configuration lists, and where it says that they are.

use std::collections::BTreeMap;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// Addresses by peer; at least one of each, each with the peer's name.
#[derive(Debug, Default)]
pub struct KnownNodes(BTreeMap<PeerId, Vec<Multiaddr>>);

impl KnownNodes {
    /// The configuration's list by peer; `us` is left out, so that one list serves all.
    pub fn new(peers: &[Multiaddr], us: PeerId) -> Self {
        let mut known: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for address in peers {
            if let Some(Protocol::P2p(peer)) = address.iter().last()
                && peer != us
            {
                known.entry(peer).or_default().push(address.clone());
            }
        }
        Self(known)
    }

    /// Whether `peer` is one of them.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.0.contains_key(peer)
    }

    /// Where `peer` is; nothing if it is none of them.
    pub fn addresses(&self, peer: &PeerId) -> &[Multiaddr] {
        self.0.get(peer).map_or(&[], Vec::as_slice)
    }

    /// All of them, in order.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_peer_stand_together_and_oneself_is_left_out() {
        let (us, other) = (PeerId::random(), PeerId::random());
        let address = |port: u16, peer| -> Multiaddr {
            let text = format!("/ip4/192.0.2.1/tcp/{port}/p2p/{peer}");
            text.parse().expect("an address")
        };
        let peers = [address(1, other), address(2, us), address(3, other)];
        let known = KnownNodes::new(&peers, us);
        assert!(known.peers().eq([other]));
        assert!(known.contains(&other) && !known.contains(&us));
        let expected = [address(1, other), address(3, other)];
        assert_eq!(known.addresses(&other), expected);
        assert!(known.addresses(&us).is_empty());
    }
}
