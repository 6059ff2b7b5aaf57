//! Neighbours: peers that announce themselves on the local network.
//!
//! Owns which of them are known and where. A friend among them who is not connected is
//! dialled at once, and so is each peer with whom only a relay connects us; all others are only
//! remembered, for look-ups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, mdns};

use crate::api::{Event, Miss, Path, Rung};
use crate::discovery::local::NEIGHBOURS_MAX;
use crate::identity::IdentityId;

use super::agenda::Errand;
use super::driver::Driver;

/// Addresses by peer, at most [`NEIGHBOURS_MAX`] in all.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    addresses: BTreeMap<PeerId, BTreeSet<Multiaddr>>,
    count: usize,
}

impl Neighbours {
    /// Remembers an address unless there are too many.
    fn add(&mut self, peer: PeerId, address: Multiaddr) -> bool {
        if self.count >= NEIGHBOURS_MAX {
            return false;
        }
        if self.addresses.entry(peer).or_default().insert(address) {
            self.count += 1;
        }
        true
    }

    /// Forgets an address; whether it was known.
    fn remove(&mut self, peer: PeerId, address: &Multiaddr) -> bool {
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
    pub(super) fn of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let addresses = self.addresses.get(peer);
        addresses.into_iter().flatten().cloned().collect()
    }
}

impl Driver {
    /// Acts on what local discovery has seen.
    pub(super) fn neighbourhood_changed(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                let mut peers = BTreeSet::new();
                for (peer, address) in found {
                    if !self.neighbours.add(peer, address.clone()) {
                        self.context.limit_reached("neighbours");
                        break;
                    }
                    peers.insert(peer);
                    self.emit(&Event::NeighbourFound {
                        peer: peer.to_string(),
                        address: address.to_string(),
                    });
                }
                for peer in peers {
                    self.dial_neighbour(peer);
                    self.bypass_relay(peer);
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    if self.neighbours.remove(peer, &address) {
                        self.emit(&Event::NeighbourGone {
                            peer: peer.to_string(),
                            address: address.to_string(),
                        });
                    }
                }
            }
        }
    }

    /// Dials a neighbour who is a friend and not connected, whatever else is being tried. Two
    /// who find each other at one moment would meet in one TCP connection that both have
    /// dialled, and neither could secure it; so the one with the larger name gives the other
    /// time to dial.
    fn dial_neighbour(&mut self, peer: PeerId) {
        let friends = self.friends_at(&peer);
        if friends.is_empty() || self.links.has_peer(&peer) {
            return;
        }
        if self.context.keys.peer().to_bytes() > peer.to_bytes() {
            let later = Instant::now() + self.context.config.dial.backoff_first.get();
            for friend in friends {
                self.agenda.set(Errand::Dial(friend), later);
            }
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Disconnected)
            .addresses(self.neighbours.of(&peer))
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            // The swarm makes no event of a dial that it refuses at once.
            Err(error) => self.outgoing_failed(Some(peer), &error),
        }
    }

    /// Dials a neighbour with whom only a relay connects us. Not from our listener's port: both
    /// may dial at one moment, and over TCP would meet in one connection without a listener.
    pub(super) fn bypass_relay(&mut self, peer: PeerId) {
        let addresses = self.neighbours.of(&peer);
        if addresses.is_empty() || self.links.path(&peer) != Some(Path::Relayed) {
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .allocate_new_port()
            .addresses(addresses)
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.outgoing_failed(Some(peer), &error),
        }
    }

    /// Whether a connection with `peer` from or to `address` leads over a local network: it has been
    /// found at that IP address there. A peer that has found us, and that we have not found yet, is
    /// known by its private address, unless holes are being punched: customers of one carrier may
    /// see each other's, too.
    pub(super) fn is_on_local_network(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let Some(ip) = ip_of(address) else {
            return false;
        };
        let found = self.neighbours.of(peer);
        found.iter().any(|address| ip_of(address) == Some(ip))
            || (is_private(ip) && !self.links.punches(peer))
    }

    /// The rung `mdns`: whoever has announced themselves on the local network.
    pub(super) fn seek_neighbour(&mut self, identity: IdentityId) {
        if !self.context.config.mdns.enabled {
            return self.not_found(identity, Rung::Mdns, Miss::Off);
        }
        self.with_peer(identity, move |driver, known| {
            let found = known.map(|(peer, _)| (peer, driver.neighbours.of(&peer)));
            match found {
                Some((peer, addresses)) if !addresses.is_empty() => {
                    driver.found(identity, Rung::Mdns, peer, addresses);
                }
                // Without a peer's name nobody can tell which of the neighbours it is.
                _ => driver.not_found(identity, Rung::Mdns, Miss::Absent),
            }
        });
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
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
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
