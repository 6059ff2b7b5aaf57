//! How far an address reaches: who may be told of it, and from whom it is taken.
//!
//! A machine's own addresses are of use on that machine alone, private ones in the network that they
//! belong to; strangers elsewhere would only learn how somebody's home is built, or be sent to
//! machines of their own. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

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

    /// How far `address` reaches; of a circuit, how far its relay does.
    pub fn of(address: &Multiaddr) -> Self {
        match address.iter().next() {
            Some(Protocol::Ip4(ip)) => Self::of_ip(ip.into()),
            Some(Protocol::Ip6(ip)) => Self::of_ip(ip.to_canonical()),
            _ => Self::World,
        }
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

    /// Whether a peer that far away may be told of `address`, and is believed if it tells of it.
    pub fn may_know(self, address: &Multiaddr) -> bool {
        Self::of(address) >= self
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
    }

    #[test]
    fn whom_a_relay_connects_may_be_anywhere() {
        let relayed = "/ip4/127.0.0.1/tcp/1/p2p-circuit"
            .parse()
            .expect("a multiaddr");
        assert_eq!(Scope::of_peer(&relayed), Scope::World);
    }
}
