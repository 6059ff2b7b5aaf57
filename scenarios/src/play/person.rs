//! Who uses a host: the person's keys, and where their node is dialled.

use std::net::{Ipv4Addr, Ipv6Addr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use orrery_node::config::Listen;
use orrery_node::keys::Keys;
use orrery_sim::random::Stream;

/// Who uses a host.
pub struct Person {
    pub keys: Keys,
    /// Where the person's node is dialled, the best first: at its own addresses, or behind a NAT
    /// through its group's `bootstrap`; none if its settings are wrong.
    pub addresses: Vec<Multiaddr>,
    pub card: String,
}

impl Person {
    /// The person with `keys`; with `card_outdated`, the card tells where they were before.
    pub fn new(keys: Keys, addresses: Vec<Multiaddr>, card_outdated: bool) -> Self {
        let told: Vec<_> = if card_outdated {
            addresses.iter().map(formerly).collect()
        } else {
            addresses.clone()
        };
        let card = keys.card_at(&told, 0).expect("keys in memory always sign");
        Self {
            addresses,
            card: card.to_string(),
            keys,
        }
    }
}

/// The keys of a person, drawn from `stream`.
pub fn keys(mut stream: Stream) -> Keys {
    let mut secret = [0; 32];
    stream.fill_bytes(&mut secret);
    Keys::generate(Some(secret))
}

/// Where a node behind a NAT is dialled: no host outside can use its private addresses, but its
/// circuits through relays, if it has reservations there. All first addresses of relays stand
/// before all second ones, since a card has room for some only.
pub fn circuits(relays: impl Iterator<Item = (Vec<Multiaddr>, PeerId)>) -> Vec<Multiaddr> {
    let mut ranked: Vec<(usize, Multiaddr)> = relays
        .flat_map(|(addresses, peer)| {
            let circuit = move |address: Multiaddr| {
                let relay = address.with(Protocol::P2p(peer));
                relay.with(Protocol::P2pCircuit)
            };
            (0..).zip(addresses.into_iter().map(circuit))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

/// Where a host's node is dialled: what it announces, or else where it listens, with the
/// host's own address for an unspecified one.
pub fn addresses((v4, v6): (Ipv4Addr, Ipv6Addr), listen: &Listen) -> Vec<Multiaddr> {
    let given = if listen.announce.is_empty() {
        &listen.addresses
    } else {
        &listen.announce
    };
    let own = |part: Protocol<'static>| match part {
        Protocol::Ip4(ip) if ip.is_unspecified() => Protocol::Ip4(v4),
        Protocol::Ip6(ip) if ip.is_unspecified() => Protocol::Ip6(v6),
        part => part,
    };
    given
        .iter()
        .map(|address| address.iter().map(|part| own(part.acquire())).collect())
        .collect()
}

/// An address as it may have been before a person moved: no host has it now (RFC 5737).
fn formerly(address: &Multiaddr) -> Multiaddr {
    let before = |part: Protocol<'static>| match part {
        Protocol::Ip4(_) => Protocol::Ip4(Ipv4Addr::new(192, 0, 2, 1)),
        Protocol::Ip6(_) => Protocol::Ip6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        part => part,
    };
    address.iter().map(|part| before(part.acquire())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relay_is_named_before_any_is_named_twice() {
        let parse = |text: &str| -> Multiaddr { text.parse().expect("an address") };
        let peers = [PeerId::random(), PeerId::random()];
        let texts = ["/ip4/11.0.0.1/tcp/1", "/ip4/11.0.0.1/udp/1/quic-v1"];
        let relays = peers.map(|peer| (texts.map(parse).to_vec(), peer));
        let named: Vec<String> = circuits(relays.into_iter())
            .iter()
            .map(ToString::to_string)
            .collect();
        let [a, b] = peers;
        let [tcp, quic] = texts;
        let expected = [(tcp, a), (tcp, b), (quic, a), (quic, b)];
        let expected = expected.map(|(text, peer)| format!("{text}/p2p/{peer}/p2p-circuit"));
        assert_eq!(named, expected);
    }

    #[test]
    fn a_node_is_dialled_where_it_listens_or_where_it_says() {
        let check = |listens: &[&str], announces: &[&str], expected: &[&str]| {
            let parse = |texts: &[&str]| -> Vec<Multiaddr> {
                let parse = |text: &&str| text.parse().expect("the test lists multiaddrs");
                texts.iter().map(parse).collect()
            };
            let listen = Listen {
                addresses: parse(listens),
                announce: parse(announces),
            };
            let own = (
                Ipv4Addr::new(11, 0, 0, 2),
                "2600:b00::2".parse().expect("an address"),
            );
            assert_eq!(addresses(own, &listen), parse(expected));
        };
        check(
            &["/ip4/0.0.0.0/udp/4001/quic-v1", "/ip6/::/tcp/4150"],
            &[],
            &[
                "/ip4/11.0.0.2/udp/4001/quic-v1",
                "/ip6/2600:b00::2/tcp/4150",
            ],
        );
        check(
            &["/ip4/11.0.0.2/tcp/4150"],
            &[],
            &["/ip4/11.0.0.2/tcp/4150"],
        );
        check(
            &["/ip4/0.0.0.0/tcp/4150"],
            &["/ip4/192.0.2.1/tcp/443"],
            &["/ip4/192.0.2.1/tcp/443"],
        );
        check(&[], &[], &[]);
    }
}
