//! Packets as the bytes that real networks carry, and back.
//!
//! Owns the encoding: IPv4 (RFC 791) and IPv6 (RFC 8200) headers, TCP with its
//! options (RFC 9293, 7323, 2018), UDP (RFC 768), ICMP errors (RFC 792, 4443), all
//! with valid checksums. The simulation itself moves typed packets; bytes are made
//! for captures and for other implementations of TCP.
//!
//! ```
//! use bytes::Bytes;
//! use orrery_sim::net::packet::Packet;
//! use orrery_sim::net::wire;
//!
//! let from = "11.0.0.1:4001".parse().unwrap();
//! let to = "11.0.0.2:53".parse().unwrap();
//! let packet = Packet::udp(from, to, Bytes::from_static(b"hello"));
//! let bytes = wire::encode(&packet);
//! assert_eq!(bytes.len(), packet.wire_len());
//! assert_eq!(wire::decode(&bytes), Ok(packet));
//! ```

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use etherparse::IpNumber;
use etherparse::checksum::Sum16BitWords;

pub use decode::{WireError, decode};
pub use encode::{encode, encode_into};

/// Time to live of packets to one host (RFC 1340; what Linux sends). Nothing on
/// the simulated way counts it down.
pub const HOP_LIMIT: u8 = 64;

/// Time to live of packets to a group: they stay on their segment (RFC 1112 §6.1).
pub const MULTICAST_HOP_LIMIT: u8 = 1;

/// The checksum that a UDP datagram carries; never 0, which would mean none
/// (RFC 768).
pub fn udp_checksum(src: SocketAddr, dst: SocketAddr, payload: &Bytes) -> u16 {
    let header = encode::udp_header(src, dst, payload.len());
    let sum = pseudo_header(
        (src.ip(), dst.ip()),
        IpNumber::UDP,
        header.len() + payload.len(),
    );
    sum.add_slice(&header)
        .add_slice(payload)
        .to_ones_complement_with_no_zero()
        .to_be()
}

/// The sum over the pseudo header that precedes a transport header of `length`
/// bytes, payload included (RFC 9293 §3.1, RFC 8200 §8.1).
fn pseudo_header(ends: (IpAddr, IpAddr), protocol: IpNumber, length: usize) -> Sum16BitWords {
    let mut sum = Sum16BitWords::new();
    let length = (length as u32).to_be_bytes();
    match ends {
        (IpAddr::V4(src), IpAddr::V4(dst)) => sum.add_4bytes(src.octets()).add_4bytes(dst.octets()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            sum.add_16bytes(src.octets()).add_16bytes(dst.octets())
        }
        (src, dst) => panic!("a packet from {src} to {dst} mixes address families"),
    }
    // Zeroes do not change the sum, so one layout serves both families.
    .add_4bytes(length)
    .add_4bytes([0, 0, 0, protocol.0])
}
