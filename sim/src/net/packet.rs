//! What travels: IP packets with a UDP datagram, a TCP segment or an ICMP error
//! inside.
//!
//! Owns the typed representation and its size on the wire. Packets become bytes
//! in [`super::wire`] only; [`Packet::digest_into`] feeds a stable digest.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::icmp::IcmpError;
use crate::tcp::Segment;
use crate::trace::Encoding;

/// Bytes of an IPv4 header without options (RFC 791 §3.1).
pub const IPV4_HEADER_BYTES: usize = 20;
/// Bytes of an IPv6 header without extensions (RFC 8200 §3).
pub const IPV6_HEADER_BYTES: usize = 40;
/// Bytes of a UDP header (RFC 768).
pub const UDP_HEADER_BYTES: usize = 8;

/// One IP packet. Cloning shares the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from. Of the same family as `dst`.
    pub src: SocketAddr,
    /// Where it goes.
    pub dst: SocketAddr,
    /// What it carries.
    pub transport: Transport,
}

/// The transport header and payload of a [`Packet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A UDP datagram's payload.
    Udp(Bytes),
    /// A TCP segment.
    Tcp(Segment),
    /// News of a packet that could not be delivered.
    Icmp(IcmpError),
}

impl Packet {
    /// A UDP datagram.
    pub const fn udp(src: SocketAddr, dst: SocketAddr, payload: Bytes) -> Self {
        Self {
            src,
            dst,
            transport: Transport::Udp(payload),
        }
    }

    /// A TCP segment.
    pub const fn tcp(src: SocketAddr, dst: SocketAddr, segment: Segment) -> Self {
        Self {
            src,
            dst,
            transport: Transport::Tcp(segment),
        }
    }

    /// An ICMP error; the ports of both addresses are 0.
    pub const fn icmp(src: SocketAddr, dst: SocketAddr, error: IcmpError) -> Self {
        Self {
            src,
            dst,
            transport: Transport::Icmp(error),
        }
    }

    /// Whether a host has sent it to itself.
    #[inline]
    pub fn is_loopback(&self) -> bool {
        self.src.ip() == self.dst.ip()
    }

    /// Bytes of the whole packet: IP header, transport header, payload.
    pub fn wire_len(&self) -> usize {
        let ip = match self.dst {
            SocketAddr::V4(_) => IPV4_HEADER_BYTES,
            SocketAddr::V6(_) => IPV6_HEADER_BYTES,
        };
        ip + match &self.transport {
            Transport::Udp(payload) => UDP_HEADER_BYTES + payload.len(),
            Transport::Tcp(segment) => segment.wire_len(),
            Transport::Icmp(error) => error.wire_len(),
        }
    }

    /// Feeds every field, in a fixed order and unambiguously, to `encoding`.
    pub fn digest_into(&self, encoding: &mut Encoding) {
        digest_address(self.src, encoding);
        digest_address(self.dst, encoding);
        match &self.transport {
            Transport::Udp(payload) => {
                encoding.update(&[17]);
                encoding.update(&(payload.len() as u64).to_le_bytes());
                encoding.update(payload);
            }
            Transport::Tcp(segment) => {
                encoding.update(&[6]);
                segment.digest_into(encoding);
            }
            Transport::Icmp(error) => {
                encoding.update(&[1]);
                error.digest_into(encoding);
            }
        }
    }
}

pub(super) fn digest_address(address: SocketAddr, encoding: &mut Encoding) {
    match address.ip() {
        IpAddr::V4(ip) => encoding.update(&[4]).update(&ip.octets()),
        IpAddr::V6(ip) => encoding.update(&[6]).update(&ip.octets()),
    };
    encoding.update(&address.port().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::{Flags, Options};

    fn v4(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn v6(port: u16) -> SocketAddr {
        SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], port))
    }

    fn segment(payload: &'static [u8]) -> Segment {
        Segment {
            seq: 1,
            ack: 2,
            flags: Flags::ACK,
            window: 3,
            options: Options::default(),
            payload: Bytes::from_static(payload),
        }
    }

    fn digest(packet: &Packet) -> Encoding {
        let mut encoding = Encoding::default();
        packet.digest_into(&mut encoding);
        encoding
    }

    #[test]
    fn wire_length_counts_every_header() {
        let check = |packet: Packet, expected| assert_eq!(packet.wire_len(), expected);
        let data = Bytes::from_static(b"hello");
        check(Packet::udp(v4(1), v4(2), data.clone()), 20 + 8 + 5);
        check(Packet::udp(v6(1), v6(2), data), 40 + 8 + 5);
        check(Packet::tcp(v4(1), v4(2), segment(b"hi")), 20 + 20 + 2);
        check(Packet::tcp(v6(1), v6(2), segment(b"")), 40 + 20);
    }

    #[test]
    fn every_field_changes_the_digest() {
        let base = Packet::tcp(v4(1), v4(2), segment(b"ab"));
        let mut others = vec![
            Packet::tcp(v4(3), v4(2), segment(b"ab")),
            Packet::tcp(v4(1), v4(3), segment(b"ab")),
            Packet::tcp(v6(1), v6(2), segment(b"ab")),
            Packet::tcp(v4(1), v4(2), segment(b"ac")),
            Packet::udp(v4(1), v4(2), Bytes::from_static(b"ab")),
        ];
        let changes: [fn(&mut Segment); 8] = [
            |s| s.seq += 1,
            |s| s.ack += 1,
            |s| s.window += 1,
            |s| s.flags = Flags::ACK | Flags::PSH,
            |s| s.options.mss = Some(1460),
            |s| s.options.window_scale = Some(0),
            |s| s.options.sack_permitted = true,
            |s| s.options.sack.push(1, 2),
        ];
        for change in changes {
            let mut changed = segment(b"ab");
            change(&mut changed);
            others.push(Packet::tcp(v4(1), v4(2), changed));
        }
        for other in &others {
            assert_ne!(digest(other), digest(&base), "{other:?}");
        }
        assert_eq!(digest(&base), digest(&base.clone()));
    }
}
