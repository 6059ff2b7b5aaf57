//! Where a connection comes from, as far as its cost is concerned.

use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;

use crate::shape::is_name;

/// What carries a connection. Places of one kind are not taken by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// TCP, or what stands in for it.
    Stream,
    /// QUIC.
    Quic,
    /// A relay.
    Circuit,
}

/// The end of a connection that is not ours.
///
/// One machine or home has one `place`: an address of IPv4, or the /64 of one of IPv6. One
/// provider's customer has one `net`: /24, or /48. Of circuits the relay is the `net`: it alone
/// knows who is behind it, and may lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// What carries the connection.
    pub carrier: Carrier,
    /// The machine or home.
    pub place: Site,
    /// The network around it.
    pub net: Site,
}

/// A machine, a home or a network, as far as addresses tell it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// The first bits of an address of IPv4.
    V4(u32),
    /// The first bits of an address of IPv6.
    V6(u128),
    /// Neither: the multiaddr is all that is known.
    Other(Multiaddr),
}

impl Site {
    /// Where the other end of a connection is: its machine or home, or the relay that alone knows.
    pub fn of(endpoint: &ConnectedPoint) -> Self {
        let (here, there) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (address, address),
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => (local_addr, send_back_addr),
        };
        if endpoint.is_relayed() {
            let to_relay = here.iter().take_while(|part| *part != Protocol::P2pCircuit);
            return Self::Other(to_relay.collect());
        }
        Origin::new(here, there).place
    }
}

impl Origin {
    /// Where the connection leads that was dialled at `address`. Of names, of which a machine has as many
    /// as its owner likes, all are one `net`.
    pub fn dialled(address: &Multiaddr) -> Self {
        let is_circuit = |part: &Protocol<'_>| *part == Protocol::P2pCircuit;
        if address.iter().any(|part| is_circuit(&part)) {
            let to_relay = address.iter().take_while(|part| !is_circuit(part));
            return Self {
                carrier: Carrier::Circuit,
                place: Site::Other(address.clone()),
                net: Site::Other(to_relay.collect()),
            };
        }
        let mut origin = Self::new(address, address);
        if let Some(name) = address.iter().find(is_name) {
            origin.place = Site::Other(Multiaddr::empty().with(name.acquire()));
            origin.net = Site::Other(Multiaddr::empty());
        }
        origin
    }

    /// Where the connection comes from that came in at `here` and is answered at `there`.
    pub fn new(here: &Multiaddr, there: &Multiaddr) -> Self {
        if here.iter().any(|part| part == Protocol::P2pCircuit) {
            return Self {
                carrier: Carrier::Circuit,
                place: Site::Other(there.clone()),
                net: Site::Other(here.clone()),
            };
        }
        let is_quic = here.iter().any(|part| part == Protocol::QuicV1);
        let carrier = if is_quic {
            Carrier::Quic
        } else {
            Carrier::Stream
        };
        // The last one, as libp2p's TCP has it; of the shapes that are dialled for others none has two.
        let ips = there.iter().filter_map(|part| match part {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(ip.to_canonical()),
            _ => None,
        });
        let ip = ips.last();
        let (place, net) = match ip {
            Some(IpAddr::V4(ip)) => (Site::V4(ip.to_bits()), Site::V4(ip.to_bits() >> 8)),
            Some(IpAddr::V6(ip)) => (Site::V6(ip.to_bits() >> 64), Site::V6(ip.to_bits() >> 80)),
            None => (Site::Other(there.clone()), Site::Other(there.clone())),
        };
        Self {
            carrier,
            place,
            net,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(here: &str, there: &str) -> Origin {
        let address = |text: &str| text.parse().expect("the test lists multiaddrs");
        Origin::new(&address(here), &address(there))
    }

    fn check(one: &str, other: &str, same_place: bool, same_net: bool) {
        let here = "/ip4/192.0.2.1/tcp/4150";
        let (one, other) = (origin(here, one), origin(here, other));
        assert_eq!(
            (one.place == other.place, one.net == other.net),
            (same_place, same_net),
            "{one:?} {other:?}"
        );
    }

    #[test]
    fn homes_and_networks_are_told_by_prefixes() {
        check("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2", true, true);
        check("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.5/tcp/1", false, true);
        check("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.4.4/tcp/1", false, false);
        check(
            "/ip6/2001:db8::1/tcp/1",
            "/ip6/2001:db8::2/tcp/1",
            true,
            true,
        );
        check(
            "/ip6/2001:db8::1/tcp/1",
            "/ip6/2001:db8:0:1::1/tcp/1",
            false,
            true,
        );
        check(
            "/ip6/2001:db8::1/tcp/1",
            "/ip6/2001:db8:1::1/tcp/1",
            false,
            false,
        );
        check(
            "/ip6/::ffff:1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/tcp/2",
            true,
            true,
        );
        check("/memory/1", "/memory/2", false, false);
    }

    #[test]
    fn who_is_dialled_is_where_the_address_leads() {
        let dialled = |text: &str| Origin::dialled(&text.parse().expect("a multiaddr"));
        let [ip, port, name] = [
            "/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/tcp/2",
            "/dns4/a.org/tcp/1",
        ];
        assert_eq!(dialled(ip), dialled(port));
        assert_eq!(dialled(ip), origin(ip, ip));
        for before in ["/ip4/9.9.9.9", "/ip4/9.8.9.9"] {
            assert_eq!(dialled(&format!("{before}{ip}")), dialled(ip));
            assert_eq!(dialled(&format!("{before}{name}")), dialled(name));
        }
        let [one, other] = [dialled(name), dialled("/dns4/b.org/tcp/1")];
        assert!(one.place != other.place && one.net == other.net);
        assert_eq!(one, dialled("/dns4/a.org/tcp/2"));
        let relay = "/ip4/1.2.3.4/tcp/1/p2p-circuit/p2p";
        let behind = |seed| {
            let peer = crate::keys::Keys::generate(Some([seed; 32])).peer();
            dialled(&format!("{relay}/{peer}"))
        };
        assert!(behind(1).place != behind(2).place && behind(1).net == behind(2).net);
    }

    #[test]
    fn what_carries_it_is_told_by_our_own_address() {
        let there = "/ip4/1.2.3.4/tcp/1";
        let carrier = |here| origin(here, there).carrier;
        assert_eq!(carrier("/ip4/192.0.2.1/tcp/1"), Carrier::Stream);
        assert_eq!(carrier("/ip4/192.0.2.1/udp/1/quic-v1"), Carrier::Quic);
        assert_eq!(
            carrier("/ip4/192.0.2.1/tcp/1/p2p-circuit"),
            Carrier::Circuit
        );
    }
}
