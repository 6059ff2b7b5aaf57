//! From typed packets to bytes.

use std::net::{IpAddr, SocketAddr};

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader, UdpHeader};

use super::{HOP_LIMIT, MULTICAST_HOP_LIMIT, pseudo_header};
use crate::net::icmp::{ICMP_HEADER_BYTES, IcmpError, IcmpKind, Quote, QuotedTransport};
use crate::net::packet::{Packet, Transport};
use crate::tcp::{Flags, Options, Segment};

/// Where the checksum is in each header.
const TCP_CHECKSUM_AT: usize = 16;
const UDP_CHECKSUM_AT: usize = 6;
const ICMP_CHECKSUM_AT: usize = 2;

/// Kinds of TCP options (RFC 9293 §3.1, RFC 7323 §2.2, RFC 2018 §2 and §3).
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;
const OPTION_WINDOW_SCALE: u8 = 3;
const OPTION_SACK_PERMITTED: u8 = 4;
const OPTION_SACK: u8 = 5;

/// Room for options in a TCP header.
const OPTION_BYTES_MAX: usize = 40;

/// The packet's bytes, [`Packet::wire_len`] of them.
///
/// # Panics
/// If the packet's two addresses are of different families, or it is larger than
/// 65,535 bytes: no such packet exists.
pub fn encode(packet: &Packet) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(packet.wire_len());
    encode_into(packet, &mut bytes);
    bytes
}

/// Appends the packet's bytes to `bytes`.
///
/// # Panics
/// As [`encode`].
pub fn encode_into(packet: &Packet, bytes: &mut Vec<u8>) {
    let ends = (packet.src.ip(), packet.dst.ip());
    let ip_bytes = match packet.dst {
        SocketAddr::V4(_) => Ipv4Header::MIN_LEN,
        SocketAddr::V6(_) => Ipv6Header::LEN,
    };
    let length = packet.wire_len() - ip_bytes;
    let protocol = match (&packet.transport, packet.dst) {
        (Transport::Tcp(_), _) => IpNumber::TCP,
        (Transport::Udp(_), _) => IpNumber::UDP,
        (Transport::Icmp(_), SocketAddr::V4(_)) => IpNumber::ICMP,
        (Transport::Icmp(_), SocketAddr::V6(_)) => IpNumber::IPV6_ICMP,
    };
    ip_header(ends, protocol, length, bytes);
    let start = bytes.len();
    let checksum_at = match &packet.transport {
        Transport::Tcp(segment) => {
            tcp_header(packet.src.port(), packet.dst.port(), segment, bytes);
            bytes.extend_from_slice(&segment.payload);
            TCP_CHECKSUM_AT
        }
        Transport::Udp(payload) => {
            bytes.extend_from_slice(&udp_header(packet.src, packet.dst, payload.len()));
            bytes.extend_from_slice(payload);
            UDP_CHECKSUM_AT
        }
        Transport::Icmp(error) => {
            icmp(error, bytes);
            ICMP_CHECKSUM_AT
        }
    };
    let transport = &mut bytes[start..];
    let sum = match protocol {
        // Alone among them, it covers no pseudo header.
        IpNumber::ICMP => Sum16BitWords::new(),
        protocol => pseudo_header(ends, protocol, transport.len()),
    };
    let sum = sum.add_slice(transport);
    let checksum = match protocol {
        IpNumber::UDP => sum.to_ones_complement_with_no_zero(),
        _ => sum.ones_complement(),
    };
    // The sum is of words as they lie in memory.
    transport[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_ne_bytes());
}

fn ip_header(ends: (IpAddr, IpAddr), protocol: IpNumber, length: usize, bytes: &mut Vec<u8>) {
    let hops = if ends.1.is_multicast() {
        MULTICAST_HOP_LIMIT
    } else {
        HOP_LIMIT
    };
    let length = u16::try_from(length).expect("no packet is larger than 65,535 bytes");
    match ends {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            // Nothing fragments, so no packet needs an identification (RFC 6864 §4.1).
            let mut header = Ipv4Header::new(length, hops, protocol, src.octets(), dst.octets())
                .expect("no packet is larger than 65,535 bytes");
            header.header_checksum = header.calc_header_checksum();
            bytes.extend_from_slice(&header.to_bytes());
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let header = Ipv6Header {
                payload_length: length,
                next_header: protocol,
                hop_limit: hops,
                source: src.octets(),
                destination: dst.octets(),
                ..Ipv6Header::default()
            };
            bytes.extend_from_slice(&header.to_bytes());
        }
        (src, dst) => panic!("a packet from {src} to {dst} mixes address families"),
    }
}

/// A UDP header without checksum.
pub(super) fn udp_header(src: SocketAddr, dst: SocketAddr, payload_len: usize) -> [u8; 8] {
    let header = UdpHeader {
        source_port: src.port(),
        destination_port: dst.port(),
        length: (UdpHeader::LEN + payload_len) as u16,
        checksum: 0,
    };
    header.to_bytes()
}

/// Appends a TCP header with options, without checksum.
fn tcp_header(src: u16, dst: u16, segment: &Segment, bytes: &mut Vec<u8>) {
    let flag = |flag: Flags| segment.flags.contains(flag);
    let bit = |bit: u8| segment.flags.bits() & bit != 0;
    let mut header = TcpHeader::new(src, dst, segment.seq, segment.window);
    header.acknowledgment_number = segment.ack;
    (header.fin, header.syn, header.rst) = (flag(Flags::FIN), flag(Flags::SYN), flag(Flags::RST));
    (header.psh, header.ack) = (flag(Flags::PSH), flag(Flags::ACK));
    (header.urg, header.ece, header.cwr) = (bit(0x20), bit(0x40), bit(0x80));
    header
        .set_options_raw(&options(&segment.options))
        .expect("the options of a segment fit its header");
    bytes.extend_from_slice(&header.to_bytes());
}

/// The options, filled up with no-operations to whole words.
fn options(options: &Options) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(OPTION_BYTES_MAX);
    if let Some(mss) = options.mss {
        bytes.extend_from_slice(&[OPTION_MSS, 4]);
        bytes.extend_from_slice(&mss.to_be_bytes());
    }
    if options.sack_permitted {
        bytes.extend_from_slice(&[OPTION_SACK_PERMITTED, 2]);
    }
    if let Some(shift) = options.window_scale {
        bytes.extend_from_slice(&[OPTION_WINDOW_SCALE, 3, shift]);
    }
    if !options.sack.is_empty() {
        bytes.extend_from_slice(&[OPTION_SACK, 2 + 8 * options.sack.len()]);
        for (start, end) in options.sack.iter() {
            bytes.extend_from_slice(&start.to_be_bytes());
            bytes.extend_from_slice(&end.to_be_bytes());
        }
    }
    bytes.resize(bytes.len().next_multiple_of(4), OPTION_NOP);
    bytes
}

/// Appends an ICMP error, without checksum.
fn icmp(error: &IcmpError, bytes: &mut Vec<u8>) {
    let v4 = error.quote.src.is_ipv4();
    let (kind, code, rest): (u8, u8, u32) = match (error.kind, v4) {
        (IcmpKind::PortUnreachable, true) => (3, 3, 0),
        (IcmpKind::PortUnreachable, false) => (1, 4, 0),
        // RFC 1191 §4: the lower half; RFC 4443 §3.2: all of it.
        (IcmpKind::PacketTooBig { mtu }, true) => (3, 4, mtu.into()),
        (IcmpKind::PacketTooBig { mtu }, false) => (2, 0, mtu.into()),
    };
    let mut header = [0; ICMP_HEADER_BYTES];
    (header[0], header[1]) = (kind, code);
    header[4..].copy_from_slice(&rest.to_be_bytes());
    bytes.extend_from_slice(&header);
    quote(&error.quote, bytes);
}

fn quote(quote: &Quote, bytes: &mut Vec<u8>) {
    let protocol = match quote.transport {
        QuotedTransport::Tcp { .. } => IpNumber::TCP,
        QuotedTransport::Udp { .. } => IpNumber::UDP,
    };
    let length = usize::from(quote.packet_bytes).saturating_sub(quote.ip_header_bytes());
    ip_header((quote.src.ip(), quote.dst.ip()), protocol, length, bytes);
    bytes.extend_from_slice(&quote.src.port().to_be_bytes());
    bytes.extend_from_slice(&quote.dst.port().to_be_bytes());
    match quote.transport {
        QuotedTransport::Tcp { seq } => bytes.extend_from_slice(&seq.to_be_bytes()),
        QuotedTransport::Udp { checksum } => {
            bytes.extend_from_slice(&quote.udp_length().to_be_bytes());
            bytes.extend_from_slice(&checksum.to_be_bytes());
        }
    }
}
