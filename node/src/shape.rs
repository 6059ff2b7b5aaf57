//! What addresses are made of: which of them this node dials, and what it takes in them for names.
//!
//! A multiaddr may have any parts in any order, and transports read it from different ends: QUIC takes the
//! first parts, TCP the last, and names are resolved wherever they stand. What is judged by one end and
//! dialled by the other leads somewhere else than it seems. So whatever others have chosen is of one of few
//! shapes, which all read alike. Pure.

use std::iter::Peekable;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// Whether `part` is a name, which is resolved before it is dialled.
pub fn is_name(part: &Protocol<'_>) -> bool {
    matches!(
        part,
        Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)
    )
}

/// Whether there is a name anywhere in `address`.
pub fn has_name(address: &Multiaddr) -> bool {
    address.iter().any(|part| is_name(&part))
}

/// Whether `address` is `/ip4|ip6/…/tcp/…`, perhaps followed by a peer.
#[cfg(any(feature = "real", test))]
pub fn is_tcp(address: &Multiaddr) -> bool {
    let mut parts = address.iter().peekable();
    let has_ip = parts.next().is_some_and(|part| is_ip(&part));
    let has_port = matches!(parts.next(), Some(Protocol::Tcp(_)));
    skip_peer(&mut parts);
    has_ip && has_port && parts.next().is_none()
}

/// Whether `address` leads to a machine by its IP address alone, over TCP or QUIC, perhaps to one peer there.
pub fn is_direct(address: &Multiaddr) -> bool {
    let mut parts = address.iter().peekable();
    let has_ip = parts.peek().is_some_and(is_ip);
    has_ip && skip_machine(&mut parts) && parts.next().is_none()
}

/// Whether `address` is of a shape that this node dials: a machine, by its IP address, by name or in memory;
/// perhaps a peer there; perhaps whom that one relays to.
pub fn is_dialled(address: &Multiaddr) -> bool {
    let mut parts = address.iter().peekable();
    if !skip_machine(&mut parts) {
        return false;
    }
    if matches!(parts.peek(), Some(Protocol::P2pCircuit)) {
        parts.next();
        skip_peer(&mut parts);
    }
    parts.next().is_none()
}

fn is_ip(part: &Protocol<'_>) -> bool {
    matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_))
}

/// Takes the parts that lead to one machine, and to a peer there; whether they are there.
fn skip_machine<'a>(parts: &mut Peekable<impl Iterator<Item = Protocol<'a>>>) -> bool {
    let leads = match parts.next() {
        Some(Protocol::Memory(_)) => true,
        // What such a name stands for may be a whole address.
        Some(Protocol::Dnsaddr(_)) if !is_port(parts.peek()) => true,
        Some(host) if is_ip(&host) || is_name(&host) => match parts.next() {
            Some(Protocol::Tcp(_)) => true,
            Some(Protocol::Udp(_)) => parts.next() == Some(Protocol::QuicV1),
            _ => false,
        },
        _ => false,
    };
    skip_peer(parts);
    leads
}

fn is_port(part: Option<&Protocol<'_>>) -> bool {
    matches!(part, Some(Protocol::Tcp(_) | Protocol::Udp(_)))
}

fn skip_peer<'a>(parts: &mut Peekable<impl Iterator<Item = Protocol<'a>>>) {
    parts.next_if(|part| matches!(part, Protocol::P2p(_)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn address(text: &str) -> Multiaddr {
        text.replace("/PEER", PEER)
            .parse()
            .expect("the test lists multiaddrs")
    }

    #[test]
    fn addresses_of_few_shapes_are_dialled() {
        let check = |text: &str, dialled, direct, tcp| {
            let address = address(text);
            let told = (is_dialled(&address), is_direct(&address), is_tcp(&address));
            assert_eq!(told, (dialled, direct, tcp), "{text}");
        };
        for peer in ["", "/PEER"] {
            check(&format!("/ip4/192.0.2.1/tcp/1{peer}"), true, true, true);
            check(&format!("/ip6/::1/tcp/1{peer}"), true, true, true);
            let quic = format!("/ip4/192.0.2.1/udp/1/quic-v1{peer}");
            check(&quic, true, true, false);
            check(&format!("/memory/1{peer}"), true, false, false);
            check(
                &format!("/dns4/example.org/tcp/1{peer}"),
                true,
                false,
                false,
            );
            check(&format!("/dnsaddr/example.org{peer}"), true, false, false);
            let circuit = format!("/ip4/192.0.2.1/tcp/1/PEER/p2p-circuit{peer}");
            check(&circuit, true, false, false);
        }
        for other in [
            "/ip4/198.51.100.1/ip4/127.0.0.1/tcp/22",
            "/ip6zone/x/ip6/::1/tcp/22",
            "/PEER/ip4/192.168.1.1/tcp/80",
            "/ip4/198.51.100.1/dns4/router.lan/tcp/80",
            "/dnsaddr/example.org/ip4/127.0.0.1/tcp/22",
            "/ip4/198.51.100.1/tcp/1/ip4/127.0.0.1/tcp/22",
            "/ip4/198.51.100.1/tcp/1/PEER/p2p-circuit/ip4/127.0.0.1/tcp/22",
            "/ip4/198.51.100.1/tcp/1/PEER/PEER",
            "/ip4/198.51.100.1/tcp/1/ws",
            "/ip4/198.51.100.1/udp/1",
            "/ip4/198.51.100.1",
            "/p2p-circuit",
        ] {
            check(other, false, false, false);
        }
        assert!(!is_dialled(&Multiaddr::empty()));
    }

    #[test]
    fn a_name_is_one_wherever_it_stands() {
        assert!(has_name(&address("/dns4/example.org/tcp/1")));
        assert!(has_name(&address("/ip4/192.0.2.1/dns4/example.org/tcp/1")));
        assert!(!has_name(&address("/ip4/192.0.2.1/tcp/1")));
    }
}
