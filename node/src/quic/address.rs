//! Multiaddrs of QUIC, to and from addresses of sockets.

use std::net::SocketAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// The address and the peer of `/ip4|ip6/…/udp/…/quic-v1`, perhaps followed by peer
/// ids, of which the last counts.
pub fn socket_address(address: &Multiaddr) -> Option<(SocketAddr, Option<PeerId>)> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let (Protocol::Udp(port), Protocol::QuicV1) = (parts.next()?, parts.next()?) else {
        return None;
    };
    let mut peer = None;
    for part in parts {
        let Protocol::P2p(named) = part else {
            return None;
        };
        peer = Some(named);
    }
    Some((SocketAddr::new(ip, port), peer))
}

/// The multiaddr `/ip4|ip6/…/udp/…/quic-v1` of a socket.
pub fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip())
        .with(Protocol::Udp(address.port()))
        .with(Protocol::QuicV1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_quic_version_1_are_ours() {
        let peer = PeerId::random();
        let check = |text: String, expected: Option<(&str, Option<PeerId>)>| {
            let address: Multiaddr = text.parse().expect("the test lists multiaddrs");
            let expected = expected.map(|(socket, peer)| {
                let socket: SocketAddr = socket.parse().expect("the test lists addresses");
                (socket, peer)
            });
            assert_eq!(socket_address(&address), expected, "{text}");
        };
        check(
            "/ip4/192.0.2.1/udp/4001/quic-v1".into(),
            Some(("192.0.2.1:4001", None)),
        );
        check(
            "/ip6/2001:db8::1/udp/4001/quic-v1".into(),
            Some(("[2001:db8::1]:4001", None)),
        );
        check(
            format!("/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{peer}"),
            Some(("192.0.2.1:4001", Some(peer))),
        );
        check(
            format!("/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{peer}/p2p-circuit"),
            None,
        );
        check("/ip4/192.0.2.1/udp/4001/quic".into(), None);
        check("/ip4/192.0.2.1/udp/4001/quic-v1/webtransport".into(), None);
        check("/ip4/192.0.2.1/udp/4001".into(), None);
        check("/ip4/192.0.2.1/tcp/4001".into(), None);
        check("/dns4/example.net/udp/4001/quic-v1".into(), None);
        assert_eq!(socket_address(&Multiaddr::empty()), None);
    }

    #[test]
    fn an_address_reads_back() {
        for text in ["192.0.2.1:1", "[2001:db8::1]:65535"] {
            let socket: SocketAddr = text.parse().expect("the test lists addresses");
            assert_eq!(socket_address(&multiaddr(socket)), Some((socket, None)));
        }
    }
}
