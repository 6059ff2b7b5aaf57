//! What a gateway does with packets from outside that no host inside has asked for.

use serde::{Deserialize, Serialize};

use crate::net::packet::{Packet, Transport};

/// The answer to an unsolicited TCP SYN; what it says of UDP is told with each.
///
/// RFC 5382 §4.3 REQ-4 asks that a SYN be dropped in silence for at least six seconds,
/// for it may be one side of a simultaneous open. The ICMP error that may follow is not
/// modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsolicited {
    /// None. UDP is dropped too.
    #[default]
    Drop,
    /// A reset, which breaks a simultaneous open whose other SYN is still under way. UDP
    /// is dropped.
    Reset,
    /// None of the NAT's own: the packet reaches the gateway's own system, which refuses
    /// it, TCP with a reset and UDP with port-unreachable, unless a program listens
    /// there. So does Linux with no rule but `masquerade`. The datagram also occupies its
    /// port there for as long as a session lasts, so that a binding for the same port
    /// gets another one.
    Gateway,
}

/// The reset that answers `packet` in the name of the host that it is for. `None` if it is no SYN.
pub(super) fn reset(packet: &Packet) -> Option<Packet> {
    let Transport::Tcp(segment) = &packet.transport else {
        return None;
    };
    let reset = segment
        .is_connection_request()
        .then(|| segment.reset_reply());
    Some(Packet::tcp(packet.dst, packet.src, reset??))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::tcp::{Flags, Options, Segment};

    #[test]
    fn only_requests_for_a_connection_are_answered() {
        let at = |text: &str| text.parse().expect("the test lists addresses");
        let (from, to) = (at("11.0.0.9:7"), at("11.0.0.1:8"));
        let segment = |flags| Segment {
            seq: 41,
            ack: 0,
            flags,
            window: 0,
            options: Options::default(),
            payload: Bytes::new(),
        };
        for flags in [Flags::ACK, Flags::SYN | Flags::ACK, Flags::RST, Flags::FIN] {
            assert_eq!(reset(&Packet::tcp(from, to, segment(flags))), None);
        }
        assert_eq!(reset(&Packet::udp(from, to, Bytes::new())), None);
        let answer = reset(&Packet::tcp(from, to, segment(Flags::SYN))).expect("a SYN");
        assert_eq!((answer.src, answer.dst), (to, from));
        let Transport::Tcp(segment) = answer.transport else {
            panic!("no segment");
        };
        assert_eq!(segment.flags, Flags::RST | Flags::ACK);
        assert_eq!(segment.ack, 42);
    }
}
