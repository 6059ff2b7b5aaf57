//! Addresses as the node tells them of itself, and as it dials them.
//!
//! Owns what is told and in which order. Which addresses others reach is found out by services.

use std::collections::BTreeSet;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::card::{Card, fitting};
use crate::identity::SignError;
use crate::protocol::is_circuit;
use crate::scope::Scope;

use super::Core;

impl Core {
    /// A card with our addresses of this moment.
    ///
    /// # Errors
    /// If the identity's key does not sign.
    pub fn own_card(&self) -> Result<Card, SignError> {
        self.context.keys.card(&self.own_addresses())
    }

    /// Where others find us, the best first: what is announced; or else where we are known to be
    /// reachable and where we listen, and through relays at the end.
    pub fn own_addresses(&self) -> Vec<Multiaddr> {
        let announced = &self.context.config.listen.announce;
        if !announced.is_empty() {
            return announced.clone();
        }
        let (circuits, mut addresses): (Vec<_>, Vec<_>) = self
            .swarm
            .external_addresses()
            .cloned()
            .partition(is_circuit);
        for address in self.swarm.listeners() {
            // A circuit that we listen on is as its relay tells it; ours is among those above.
            if !is_circuit(address) && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        if !addresses.iter().all(is_loopback) {
            addresses.retain(|address| !is_loopback(address));
        }
        for circuit in circuits {
            for address in self.at_all_addresses(circuit) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        addresses
    }

    /// What anybody may be told. Private addresses are told only where all peers are as near as that.
    pub fn public_addresses(&self) -> Vec<Multiaddr> {
        let farthest = self.links.farthest();
        let mut addresses = self.own_addresses();
        addresses.retain(|address| farthest.may_know(address));
        fitting(&addresses)
    }

    /// Addresses to dial, of which each is tried once: a relay with whom we are connected is asked
    /// for one circuit, at however many addresses others know it. All are dialled at once, so
    /// that the transports race, and what comes first stays.
    pub fn ways(&self, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let mut asked = BTreeSet::new();
        let mut ways = Vec::new();
        for address in addresses {
            let relay = relay_of(&address).filter(|_| is_circuit(&address));
            let connected = relay.filter(|relay| self.links.has_peer(relay));
            if connected.is_none_or(|relay| asked.insert(relay)) && !ways.contains(&address) {
                ways.push(address);
            }
        }
        ways
    }

    /// A circuit of ours, at each address at which its relay is known: others may reach the relay
    /// over another transport than we do.
    fn at_all_addresses(&self, circuit: Multiaddr) -> Vec<Multiaddr> {
        let relay = relay_of(&circuit);
        let us = *self.swarm.local_peer_id();
        let ways = relay
            .map_or(&[][..], |relay| self.known.addresses(&relay))
            .iter();
        let others: Vec<Multiaddr> = ways
            .map(|address| {
                let through = address.clone().with(Protocol::P2pCircuit);
                through.with(Protocol::P2p(us))
            })
            .collect();
        if others.is_empty() {
            vec![circuit]
        } else {
            others
        }
    }
}

/// Addresses that the swarm tries at a time.
const AT_ONCE: usize = 8;

/// Where a peer has been announced on the local network, and then where else it may be: no way there is
/// shorter. Anybody there can announce it, so where not all are tried at once every other one is from elsewhere.
pub fn nearest_first(near: Vec<Multiaddr>, others: Vec<Multiaddr>) -> Vec<Multiaddr> {
    if near.len() + others.len() <= AT_ONCE {
        return near.into_iter().chain(others).collect();
    }
    let (mut near, mut others) = (near.into_iter(), others.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = [near.next(), others.next()];
        if pair == [None, None] {
            return all;
        }
        all.extend(pair.into_iter().flatten());
    }
}

/// The relay that an address leads through, if it names it.
pub fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    address
        .iter()
        .take_while(|part| *part != Protocol::P2pCircuit)
        .find_map(|part| match part {
            Protocol::P2p(relay) => Some(relay),
            _ => None,
        })
}

/// Whether an address leads to the machine that uses it.
fn is_loopback(address: &Multiaddr) -> bool {
    Scope::of(address) == Scope::Machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_nearby_comes_first_and_hides_nothing() {
        let at = |net: &str, count: u16| -> Vec<Multiaddr> {
            (0..count)
                .map(|port| {
                    format!("/ip4/{net}/tcp/{port}")
                        .parse()
                        .expect("an address")
                })
                .collect()
        };
        let (near, others) = (at("192.168.1.7", 4), at("192.0.2.1", 4));
        let few = nearest_first(near.clone(), others.clone());
        assert_eq!(few, [near, others.clone()].concat());
        let many = nearest_first(at("192.168.1.7", 16), others.clone());
        assert_eq!(many.len(), 20);
        assert!(others.iter().all(|other| many[..AT_ONCE].contains(other)));
    }
}
