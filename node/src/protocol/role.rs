//! What the address of a connection says of it: which end is its dialer, so that both agree, and
//! whether a relay carries it.

use libp2p::Multiaddr;
use libp2p::core::Endpoint;
use libp2p::multiaddr::Protocol;

/// Whether the end that has dialled `address` with this role is the connection's dialer.
///
/// Both ends dial in a hole punch (DCUtR). Of a TCP connection that comes of it both say that they
/// have dialled, and the one whose role was not overridden is the dialer. Over QUIC the one that
/// has dialled is, whatever its role was to be: libp2p-quic overrides none where ports are reused,
/// and two dials make two connections.
pub fn is_dialer(address: &Multiaddr, role: Endpoint) -> bool {
    let is_quic = address.iter().any(|part| part == Protocol::QuicV1);
    is_quic || role == Endpoint::Dialer
}

/// Whether an address leads through a relay.
pub fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_hole_punch_agree_on_its_dialer() {
        let check = |address: &str, role, expected| {
            let address = address.parse().expect("the test lists multiaddrs");
            assert_eq!(is_dialer(&address, role), expected, "{address} {role:?}");
        };
        check("/ip4/192.0.2.1/tcp/1", Endpoint::Dialer, true);
        check("/ip4/192.0.2.1/tcp/1", Endpoint::Listener, false);
        check("/ip4/192.0.2.1/udp/1/quic-v1", Endpoint::Dialer, true);
        check("/ip4/192.0.2.1/udp/1/quic-v1", Endpoint::Listener, true);
    }
}
