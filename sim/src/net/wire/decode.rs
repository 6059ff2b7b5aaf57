//! From bytes to typed packets.
//!
//! Everything that a packet claims of itself is checked: lengths, checksums, and
//! that it is of a kind that [`Packet`] can say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader, TcpOptionElement, UdpHeader};

use super::pseudo_header;
use crate::net::icmp::{ICMP_HEADER_BYTES, IcmpError, IcmpKind, Quote, QuotedTransport};
use crate::net::packet::{Packet, Transport};
use crate::tcp::{Flags, Options, Segment};

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A header ends early or contradicts itself.
    #[error("the {0} header is malformed")]
    Malformed(&'static str),
    /// A length field does not fit the bytes.
    #[error("the {0} length does not fit the packet")]
    Length(&'static str),
    /// The checksum is wrong.
    #[error("the {0} checksum is wrong")]
    Checksum(&'static str),
    /// A kind of packet that the simulation does not have.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

/// The two addresses of an IP header, its payload's protocol, and the rest.
struct Ip<'a> {
    src: IpAddr,
    dst: IpAddr,
    protocol: IpNumber,
    /// Bytes of the whole packet, as the header says.
    packet_bytes: usize,
    payload: &'a [u8],
}

/// Reads one packet that fills `bytes`. TCP options that [`Options`] cannot hold
/// are skipped.
///
/// # Errors
/// As [`WireError`] says.
pub fn decode(bytes: &[u8]) -> Result<Packet, WireError> {
    let ip = ip(bytes)?;
    if ip.packet_bytes != bytes.len() {
        return Err(WireError::Length("IP"));
    }
    let v4 = ip.dst.is_ipv4();
    match ip.protocol {
        IpNumber::TCP => tcp(&ip),
        IpNumber::UDP => udp(&ip),
        IpNumber::ICMP if v4 => icmp(&ip),
        IpNumber::IPV6_ICMP if !v4 => icmp(&ip),
        _ => Err(WireError::Unsupported("the IP protocol")),
    }
}

fn ip(bytes: &[u8]) -> Result<Ip<'_>, WireError> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => ipv4(bytes),
        Some(6) => ipv6(bytes),
        _ => Err(WireError::Malformed("IP")),
    }
}

fn ipv4(bytes: &[u8]) -> Result<Ip<'_>, WireError> {
    let (header, payload) =
        Ipv4Header::from_slice(bytes).map_err(|_| WireError::Malformed("IP"))?;
    if header.header_checksum != header.calc_header_checksum() {
        return Err(WireError::Checksum("IP"));
    }
    if header.is_fragmenting_payload() {
        return Err(WireError::Unsupported("a fragment"));
    }
    if !header.options.is_empty() {
        return Err(WireError::Unsupported("an IP option"));
    }
    Ok(Ip {
        src: Ipv4Addr::from(header.source).into(),
        dst: Ipv4Addr::from(header.destination).into(),
        protocol: header.protocol,
        packet_bytes: header.total_len.into(),
        payload,
    })
}

fn ipv6(bytes: &[u8]) -> Result<Ip<'_>, WireError> {
    let (header, payload) =
        Ipv6Header::from_slice(bytes).map_err(|_| WireError::Malformed("IP"))?;
    Ok(Ip {
        src: Ipv6Addr::from(header.source).into(),
        dst: Ipv6Addr::from(header.destination).into(),
        protocol: header.next_header,
        packet_bytes: Ipv6Header::LEN + usize::from(header.payload_length),
        payload,
    })
}

impl Ip<'_> {
    /// The sum over pseudo header and payload is nought if the checksum is right.
    fn is_sound(&self) -> bool {
        let sum = match self.protocol {
            IpNumber::ICMP => Sum16BitWords::new(),
            protocol => pseudo_header((self.src, self.dst), protocol, self.payload.len()),
        };
        sum.add_slice(self.payload).ones_complement() == 0
    }

    fn packet(&self, src_port: u16, dst_port: u16, transport: Transport) -> Packet {
        Packet {
            src: SocketAddr::new(self.src, src_port),
            dst: SocketAddr::new(self.dst, dst_port),
            transport,
        }
    }
}

fn udp(ip: &Ip<'_>) -> Result<Packet, WireError> {
    let (header, payload) =
        UdpHeader::from_slice(ip.payload).map_err(|_| WireError::Malformed("UDP"))?;
    if usize::from(header.length) != ip.payload.len() {
        return Err(WireError::Length("UDP"));
    }
    // RFC 768: nought means none; RFC 8200 §8.1 forbids that.
    let absent = header.checksum == 0 && ip.dst.is_ipv4();
    if !absent && !ip.is_sound() {
        return Err(WireError::Checksum("UDP"));
    }
    let transport = Transport::Udp(Bytes::copy_from_slice(payload));
    Ok(ip.packet(header.source_port, header.destination_port, transport))
}

fn tcp(ip: &Ip<'_>) -> Result<Packet, WireError> {
    let (header, payload) =
        TcpHeader::from_slice(ip.payload).map_err(|_| WireError::Malformed("TCP"))?;
    if !ip.is_sound() {
        return Err(WireError::Checksum("TCP"));
    }
    let mut flags = Flags::default();
    for (set, flag) in [
        (header.fin, Flags::FIN),
        (header.syn, Flags::SYN),
        (header.rst, Flags::RST),
        (header.psh, Flags::PSH),
        (header.ack, Flags::ACK),
        (header.urg, Flags::from_bits(0x20)),
        (header.ece, Flags::from_bits(0x40)),
        (header.cwr, Flags::from_bits(0x80)),
    ] {
        if set {
            flags = flags | flag;
        }
    }
    let segment = Segment {
        seq: header.sequence_number,
        ack: header.acknowledgment_number,
        flags,
        window: header.window_size,
        options: options(&header),
        payload: Bytes::copy_from_slice(payload),
    };
    let transport = Transport::Tcp(segment);
    Ok(ip.packet(header.source_port, header.destination_port, transport))
}

/// The options that we know. RFC 9293 §3.1 (MUST-6): unknown ones are skipped; what
/// follows a malformed one cannot be read.
fn options(header: &TcpHeader) -> Options {
    let mut options = Options::default();
    for element in header.options_iterator().map_while(Result::ok) {
        match element {
            TcpOptionElement::MaximumSegmentSize(mss) => options.mss = Some(mss),
            TcpOptionElement::WindowScale(shift) => options.window_scale = Some(shift),
            TcpOptionElement::SelectiveAcknowledgementPermitted => options.sack_permitted = true,
            TcpOptionElement::SelectiveAcknowledgement(first, others) => {
                let blocks = std::iter::once(first).chain(others.into_iter().flatten());
                blocks.for_each(|(start, end)| options.sack.push(start, end));
            }
            TcpOptionElement::Noop | TcpOptionElement::Timestamp(..) => {}
        }
    }
    options
}

fn icmp(ip: &Ip<'_>) -> Result<Packet, WireError> {
    let (header, quoted) = ip
        .payload
        .split_first_chunk::<ICMP_HEADER_BYTES>()
        .ok_or(WireError::Malformed("ICMP"))?;
    if !ip.is_sound() {
        return Err(WireError::Checksum("ICMP"));
    }
    let mtu = u16::from_be_bytes([header[6], header[7]]);
    let kind = match (ip.dst.is_ipv4(), header[0], header[1]) {
        (true, 3, 3) | (false, 1, 4) => IcmpKind::PortUnreachable,
        (true, 3, 4) | (false, 2, 0) => IcmpKind::PacketTooBig { mtu },
        _ => return Err(WireError::Unsupported("the kind of ICMP message")),
    };
    let quote = quote(quoted)?;
    Ok(ip.packet(0, 0, Transport::Icmp(IcmpError { kind, quote })))
}

fn quote(bytes: &[u8]) -> Result<Quote, WireError> {
    let ip = ip(bytes)?;
    let header = ip
        .payload
        .first_chunk::<8>()
        .ok_or(WireError::Malformed("quoted"))?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let transport = match ip.protocol {
        IpNumber::TCP => QuotedTransport::Tcp {
            seq: u32::from(word(4)) << 16 | u32::from(word(6)),
        },
        IpNumber::UDP => QuotedTransport::Udp { checksum: word(6) },
        _ => return Err(WireError::Unsupported("the quoted protocol")),
    };
    Ok(Quote {
        src: SocketAddr::new(ip.src, word(0)),
        dst: SocketAddr::new(ip.dst, word(2)),
        packet_bytes: u16::try_from(ip.packet_bytes).unwrap_or(u16::MAX),
        transport,
    })
}
