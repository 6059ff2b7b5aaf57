//! How far an address reaches: who may be told of it, and from whom it is taken.
//!
//! A machine's own addresses are of use on that machine alone, private ones in the network that they
//! belong to; strangers elsewhere would only learn how somebody's home is built, or be sent to
//! machines of their own. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::shape::has_name;

/// How far an address reaches, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The machine itself.
    Machine,
    /// A local network, or a provider's inside.
    Lan,
    /// Everywhere. So does what is no address of IP: a name, or one of a transport of tests.
    World,
}

impl Scope {
    /// All, the nearest first.
    pub const ALL: [Self; 3] = [Self::Machine, Self::Lan, Self::World];

    /// How far `address` reaches, which is no farther than the nearest of its parts, whichever of them is
    /// dialled; of a circuit, how far its relay does.
    pub fn of(address: &Multiaddr) -> Self {
        let scopes = address.iter().filter_map(|part| match part {
            Protocol::Ip4(ip) => Some(Self::of_ip(ip.into())),
            Protocol::Ip6(ip) => Some(Self::of_ip(ip.to_canonical())),
            // Nothing else says where a machine is.
            _ => None,
        });
        scopes.min().unwrap_or(Self::World)
    }

    /// From how far away a peer is that is connected at `remote`. Whom a relay connects may be
    /// anywhere.
    pub fn of_peer(remote: &Multiaddr) -> Self {
        if remote.iter().any(|part| part == Protocol::P2pCircuit) {
            Self::World
        } else {
            Self::of(remote)
        }
    }

    fn of_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) if is_machine_v4(ip) => Self::Machine,
            IpAddr::V4(ip) if is_lan_v4(ip) => Self::Lan,
            IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() => Self::Machine,
            IpAddr::V6(ip) if is_lan_v6(ip) => Self::Lan,
            IpAddr::V4(_) | IpAddr::V6(_) => Self::World,
        }
    }

    /// Whether a peer that far away may be told of `address`.
    pub fn may_know(self, address: &Multiaddr) -> bool {
        Self::of(address) >= self
    }

    /// Whether a peer that far away may name `address` to be dialled: one that is no nearer than the peer.
    /// Where a name leads, who named it decides, at any time.
    pub fn may_name(self, address: &Multiaddr) -> bool {
        self.may_know(address) && (self == Self::Machine || !has_name(address))
    }
}

fn is_machine_v4(ip: Ipv4Addr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

fn is_lan_v4(ip: Ipv4Addr) -> bool {
    // RFC 6598: between a provider's NAT and its customers'.
    let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0b1100_0000 == 64;
    ip.is_private() || ip.is_link_local() || is_shared
}

fn is_lan_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn private_addresses_are_known_to_their_network_alone() {
        let check = |text: &str, expected| {
            let address: Multiaddr = text.parse().expect("the test lists multiaddrs");
            assert_eq!(Scope::of(&address), expected, "{text}");
            let knows = Scope::ALL.map(|scope| scope.may_know(&address));
            let expected = Scope::ALL.map(|scope| scope <= expected);
            assert_eq!(knows, expected, "{text}");
        };
        check("/ip4/127.0.0.1/tcp/1", Scope::Machine);
        check("/ip4/0.0.0.0/tcp/1", Scope::Machine);
        check("/ip6/::1/udp/1/quic-v1", Scope::Machine);
        for lan in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.2",
            "169.254.0.9",
            "100.64.0.1",
            "100.127.0.1",
        ] {
            check(&format!("/ip4/{lan}/tcp/1"), Scope::Lan);
        }
        check("/ip6/fd00::1/tcp/1", Scope::Lan);
        check("/ip6/fe80::1/tcp/1", Scope::Lan);
        check("/ip6/::ffff:192.168.0.1/tcp/1", Scope::Lan);
        for world in [
            "11.0.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.2.1",
        ] {
            check(&format!("/ip4/{world}/tcp/1"), Scope::World);
        }
        check("/ip6/2600:b00::1/tcp/1", Scope::World);
        check("/dns4/example.org/tcp/1", Scope::World);
        check("/memory/1", Scope::World);
        // Whichever end of it is dialled.
        check("/ip4/198.51.100.1/ip4/127.0.0.1/tcp/22", Scope::Machine);
        check("/ip6zone/x/ip6/::1/tcp/22", Scope::Machine);
        check(&format!("/p2p/{PEER}/ip4/192.168.1.1/tcp/80"), Scope::Lan);
        check("/ip4/192.168.1.1/ip4/198.51.100.1/tcp/80", Scope::Lan);
        let circuit = format!("/ip4/198.51.100.1/tcp/1/p2p/{PEER}/p2p-circuit");
        check(&format!("{circuit}/ip4/192.168.1.1/tcp/80"), Scope::Lan);
        check(&circuit, Scope::World);
    }

    #[test]
    fn no_address_is_tried_that_is_nearer_than_who_named_it() {
        let check = |from: Scope, text: &str, expected| {
            let address = text.parse().expect("the test lists multiaddrs");
            assert_eq!(from.may_name(&address), expected, "{from:?} {text}");
        };
        for near in [
            "/ip4/127.0.0.1/tcp/22",
            "/ip4/192.168.1.1/tcp/80",
            "/ip6/::ffff:10.0.0.1/tcp/80",
            "/ip6/fe80::1/udp/53/quic-v1",
            &format!("/ip4/192.168.1.1/tcp/80/p2p/{PEER}/p2p-circuit"),
            "/dns4/home.example.org/tcp/80",
            "/ip4/198.51.100.1/ip4/127.0.0.1/tcp/22",
            "/ip6zone/x/ip6/::1/tcp/22",
            &format!("/p2p/{PEER}/ip4/192.168.1.1/tcp/80"),
            "/ip4/198.51.100.1/dns4/router.lan/tcp/80",
            &format!("/ip4/198.51.100.1/tcp/1/p2p/{PEER}/p2p-circuit/ip4/127.0.0.1/tcp/22"),
        ] {
            check(Scope::World, near, false);
        }
        check(Scope::Lan, "/ip4/127.0.0.1/tcp/22", false);
        check(Scope::Lan, "/ip4/192.168.1.1/tcp/80", true);
        check(Scope::Machine, "/ip4/127.0.0.1/tcp/22", true);
        check(Scope::Machine, "/dns4/home.example.org/tcp/80", true);
        check(Scope::World, "/ip4/198.51.100.1/tcp/1", true);
        check(Scope::World, "/memory/1", true);
    }

    #[test]
    fn whom_a_relay_connects_may_be_anywhere() {
        let relayed = "/ip4/127.0.0.1/tcp/1/p2p-circuit"
            .parse()
            .expect("a multiaddr");
        assert_eq!(Scope::of_peer(&relayed), Scope::World);
    }
}
