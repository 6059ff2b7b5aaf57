//! ICMP errors (RFC 792, RFC 4443): news of a packet that could not be delivered.
//!
//! Owns the typed message and what it quotes. Which host sends one, how often, and what
//! it does to sockets is decided elsewhere.

use std::net::SocketAddr;

use super::packet::{
    IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, Packet, Transport, UDP_HEADER_BYTES, digest_address,
};
use super::wire;
use crate::trace::Encoding;

/// Bytes of an ICMP header, in both families.
pub const ICMP_HEADER_BYTES: usize = 8;

/// Bytes quoted of the packet behind its IP header (RFC 792: 64 bits). Hosts may
/// quote more; nothing here reads more than these.
pub const QUOTED_BYTES: usize = 8;

/// An ICMP error message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// What happened.
    pub kind: IcmpKind,
    /// The packet that it happened to.
    pub quote: Quote,
}

/// What happened to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpKind {
    /// No socket has the datagram's port (IPv4: type 3 code 3; IPv6: type 1 code 4).
    PortUnreachable,
    /// The next link takes no packet that large: "fragmentation needed" (RFC 1191
    /// §4, type 3 code 4), "packet too big" (RFC 4443 §3.2, type 2).
    PacketTooBig {
        /// Largest IP packet in bytes that the link takes.
        mtu: u16,
    },
}

/// What an error quotes: the IP header and the first eight bytes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Source of the packet.
    pub src: SocketAddr,
    /// Destination of the packet.
    pub dst: SocketAddr,
    /// Bytes of the whole packet.
    pub packet_bytes: u16,
    /// The second four bytes of the transport header.
    pub transport: QuotedTransport,
}

/// The transport of a quoted packet, behind its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotedTransport {
    /// A TCP segment with this sequence number.
    Tcp {
        /// SEG.SEQ.
        seq: u32,
    },
    /// A UDP datagram with this checksum; its length follows from the packet's.
    Udp {
        /// The header's checksum.
        checksum: u16,
    },
}

impl IcmpError {
    /// The error about `packet`. `None` about another error: those are never
    /// answered (RFC 1122 §3.2.2).
    pub fn about(kind: IcmpKind, packet: &Packet) -> Option<Self> {
        let transport = match &packet.transport {
            Transport::Tcp(segment) => QuotedTransport::Tcp { seq: segment.seq },
            Transport::Udp(payload) => QuotedTransport::Udp {
                checksum: wire::udp_checksum(packet.src, packet.dst, payload),
            },
            Transport::Icmp(_) => return None,
        };
        let packet_bytes = u16::try_from(packet.wire_len()).unwrap_or(u16::MAX);
        Some(Self {
            kind,
            quote: Quote {
                src: packet.src,
                dst: packet.dst,
                packet_bytes,
                transport,
            },
        })
    }

    /// Bytes of ICMP header and quotation.
    pub fn wire_len(&self) -> usize {
        ICMP_HEADER_BYTES + self.quote.ip_header_bytes() + QUOTED_BYTES
    }

    pub(super) fn digest_into(&self, encoding: &mut Encoding) {
        let kind = match self.kind {
            IcmpKind::PortUnreachable => [1, 0, 0],
            IcmpKind::PacketTooBig { mtu } => [2, mtu.to_le_bytes()[0], mtu.to_le_bytes()[1]],
        };
        encoding.update(&kind);
        digest_address(self.quote.src, encoding);
        digest_address(self.quote.dst, encoding);
        encoding.update(&self.quote.packet_bytes.to_le_bytes());
        match self.quote.transport {
            QuotedTransport::Tcp { seq } => encoding.update(&[6]).update(&seq.to_le_bytes()),
            QuotedTransport::Udp { checksum } => {
                encoding.update(&[17]).update(&checksum.to_le_bytes())
            }
        };
    }
}

impl Quote {
    /// Bytes of the quoted IP header.
    pub const fn ip_header_bytes(&self) -> usize {
        match self.src {
            SocketAddr::V4(_) => IPV4_HEADER_BYTES,
            SocketAddr::V6(_) => IPV6_HEADER_BYTES,
        }
    }

    /// The length field of a quoted UDP header.
    pub(super) fn udp_length(&self) -> u16 {
        let headers = self.ip_header_bytes() as u16;
        // A packet of IPv6 counts its header apart, so that this never wraps.
        self.packet_bytes
            .saturating_sub(headers)
            .max(UDP_HEADER_BYTES as u16)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("the test lists addresses")
    }

    #[test]
    fn errors_quote_the_header_and_eight_bytes() {
        let check = |from: &str, to: &str, expected: usize| {
            let packet = Packet::udp(at(from), at(to), Bytes::from_static(b"hello"));
            let error = IcmpError::about(IcmpKind::PortUnreachable, &packet).expect("not ICMP");
            assert_eq!(usize::from(error.quote.packet_bytes), packet.wire_len());
            assert_eq!(usize::from(error.quote.udp_length()), 8 + 5);
            let reply = Packet::icmp(at(to), at(from), error);
            assert_eq!(reply.wire_len(), expected);
        };
        check("11.0.0.1:7", "11.0.0.2:9", 20 + 8 + 28);
        check("[2600::1]:7", "[2600::2]:9", 40 + 8 + 48);
    }

    #[test]
    fn errors_are_not_answered() {
        let datagram = Packet::udp(at("11.0.0.1:7"), at("11.0.0.2:9"), Bytes::new());
        let error = IcmpError::about(IcmpKind::PortUnreachable, &datagram).expect("not ICMP");
        let packet = Packet::icmp(at("11.0.0.2:0"), at("11.0.0.1:0"), error);
        assert_eq!(IcmpError::about(IcmpKind::PortUnreachable, &packet), None);
    }

    #[test]
    fn every_field_changes_the_digest() {
        let digest = |error: &IcmpError| {
            let mut encoding = Encoding::default();
            error.digest_into(&mut encoding);
            encoding
        };
        let base = IcmpError {
            kind: IcmpKind::PacketTooBig { mtu: 1_280 },
            quote: Quote {
                src: at("11.0.0.1:7"),
                dst: at("11.0.0.2:9"),
                packet_bytes: 1_500,
                transport: QuotedTransport::Udp { checksum: 3 },
            },
        };
        let changes: [fn(&mut IcmpError); 7] = [
            |e| e.kind = IcmpKind::PortUnreachable,
            |e| e.kind = IcmpKind::PacketTooBig { mtu: 1_281 },
            |e| e.quote.src.set_port(8),
            |e| e.quote.dst.set_port(8),
            |e| e.quote.packet_bytes += 1,
            |e| e.quote.transport = QuotedTransport::Udp { checksum: 4 },
            |e| e.quote.transport = QuotedTransport::Tcp { seq: 3 },
        ];
        for change in changes {
            let mut changed = base;
            change(&mut changed);
            assert_ne!(digest(&changed), digest(&base), "{changed:?}");
        }
    }
}
