//! Bytes against an independent reader, and there and back again.

use std::net::SocketAddr;

use bytes::Bytes;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;
use crate::net::icmp::{IcmpError, IcmpKind};
use crate::net::packet::Packet;
use crate::tcp::{Flags, Options, SackBlocks, Segment};

fn ends(v6: bool, ports: (u16, u16)) -> (SocketAddr, SocketAddr) {
    let text = if v6 {
        ["2600:b00::1", "2600:b00::2"]
    } else {
        ["11.0.0.1", "11.0.0.2"]
    };
    let at = |text: &str, port| SocketAddr::new(text.parse().expect("an address"), port);
    (at(text[0], ports.0), at(text[1], ports.1))
}

fn options() -> impl Strategy<Value = Options> {
    let blocks = prop::collection::vec(any::<(u32, u32)>(), 0..=4);
    let handshake = (
        any::<Option<u16>>(),
        prop::option::of(0..=14_u8),
        any::<bool>(),
    );
    // As senders do: the handshake's options or blocks, together they do not fit.
    prop_oneof![
        handshake.prop_map(|(mss, window_scale, sack_permitted)| Options {
            mss,
            window_scale,
            sack_permitted,
            sack: SackBlocks::default(),
        }),
        blocks.prop_map(|blocks| {
            let mut options = Options::default();
            blocks
                .iter()
                .for_each(|&(start, end)| options.sack.push(start, end));
            options
        }),
    ]
}

prop_compose! {
    fn segment()(
        seq: u32, ack: u32, flags: u8, window: u16,
        options in options(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) -> Segment {
        Segment {
            seq, ack, window, options,
            flags: Flags::from_bits(flags),
            payload: payload.into(),
        }
    }
}

fn packet() -> impl Strategy<Value = Packet> {
    let data = prop::collection::vec(any::<u8>(), 0..100);
    let plain = prop_oneof![
        (any::<bool>(), any::<(u16, u16)>(), data).prop_map(|(v6, ports, payload)| {
            let (src, dst) = ends(v6, ports);
            Packet::udp(src, dst, payload.into())
        }),
        (any::<bool>(), any::<(u16, u16)>(), segment()).prop_map(|(v6, ports, segment)| {
            let (src, dst) = ends(v6, ports);
            Packet::tcp(src, dst, segment)
        }),
    ];
    (plain, any::<Option<Option<u16>>>()).prop_map(|(packet, error)| {
        let kind = match error {
            None => return packet,
            Some(None) => IcmpKind::PortUnreachable,
            Some(Some(mtu)) => IcmpKind::PacketTooBig { mtu },
        };
        let error = IcmpError::about(kind, &packet).expect("it is no error itself");
        let (mut src, mut dst) = (packet.src, packet.dst);
        (src.set_port(0), dst.set_port(0));
        Packet::icmp(dst, src, error)
    })
}

proptest! {
    #[test]
    fn packets_survive_the_way_there_and_back(packet in packet()) {
        let bytes = encode(&packet);
        prop_assert_eq!(bytes.len(), packet.wire_len());
        prop_assert_eq!(decode(&bytes), Ok(packet));
    }

    #[test]
    fn a_flipped_bit_is_noticed(packet in packet(), place: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = encode(&packet);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        // IPv6 has no checksum over its hop limit, traffic class and flow label,
        // which a typed packet does not have; and the quotation of an error is a
        // packet of its own, whose header may become one of an unknown kind.
        let decoded = decode(&bytes);
        prop_assert!(decoded.is_err() || decoded == Ok(packet), "byte {}", place);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }
}

/// What another reader of packets finds in `packet`'s bytes.
fn sliced<T>(packet: &Packet, read: impl FnOnce(&NetSlice<'_>, &TransportSlice<'_>) -> T) -> T {
    let bytes = encode(packet);
    let sliced = SlicedPacket::from_ip(&bytes).expect("the packet is well-formed");
    let net = sliced.net.expect("it has an IP header");
    read(&net, &sliced.transport.expect("it has a transport header"))
}

fn handshake() -> Segment {
    let options = Options {
        mss: Some(1_460),
        window_scale: Some(7),
        sack_permitted: true,
        sack: SackBlocks::default(),
    };
    Segment {
        seq: 0xdead_beef,
        ack: 0,
        flags: Flags::SYN,
        window: 65_535,
        options,
        payload: Bytes::new(),
    }
}

#[test]
fn a_known_packet_has_the_known_bytes() {
    let (src, dst) = ends(false, (7, 9));
    let bytes = encode(&Packet::udp(src, dst, Bytes::from_static(b"hi")));
    // Checksums added up by hand: the words of the IP header without its own make
    // 0xdb32, those of pseudo header, UDP header and payload 0x7ea1.
    let expected = [
        0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0x24, 0xcd, 11, 0, 0, 1, 11, 0, 0, 2, //
        0, 7, 0, 9, 0, 10, 0x81, 0x5e, b'h', b'i',
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn others_read_the_same_header_and_checksums() {
    for v6 in [false, true] {
        let (src, dst) = ends(v6, (4_001, 4_002));
        sliced(&Packet::tcp(src, dst, handshake()), |net, transport| {
            let TransportSlice::Tcp(tcp) = transport else {
                panic!("{transport:?} is no TCP");
            };
            assert_eq!((tcp.source_port(), tcp.destination_port()), (4_001, 4_002));
            assert_eq!(tcp.sequence_number(), 0xdead_beef);
            assert!(tcp.syn() && !tcp.ack());
            let elements: Result<Vec<_>, _> = tcp.options_iterator().collect();
            let named = format!("{:?}", elements.expect("the options are well-formed"));
            assert_eq!(
                named,
                "[MaximumSegmentSize(1460), SelectiveAcknowledgementPermitted, \
                 WindowScale(7), Noop, Noop, Noop]"
            );
            let expected = match net {
                NetSlice::Ipv4(ip) => {
                    assert!(ip.header().dont_fragment());
                    assert_eq!(
                        ip.header().header_checksum(),
                        ip.header().to_header().calc_header_checksum()
                    );
                    tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination())
                }
                NetSlice::Ipv6(ip) => {
                    tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination())
                }
                NetSlice::Arp(_) => panic!("there is no ARP"),
            };
            assert_eq!(Ok(tcp.checksum()), expected);
        });
    }
}

#[test]
fn a_datagram_never_has_the_checksum_nought() {
    // Payloads that run through all sums, so that one of them adds up to nought.
    let (src, dst) = ends(false, (1, 2));
    let mut noughts = 0;
    for word in 0..=u16::MAX {
        let payload = Bytes::copy_from_slice(&word.to_be_bytes());
        let checksum = udp_checksum(src, dst, &payload);
        assert_ne!(checksum, 0);
        noughts += u32::from(checksum == 0xffff);
        if word % 4_096 == 0 {
            let bytes = encode(&Packet::udp(src, dst, payload));
            assert_eq!(bytes[26..28], checksum.to_be_bytes());
        }
    }
    assert!(noughts >= 1, "no sum was nought");
}

#[test]
fn what_is_not_ours_is_refused_by_name() {
    let (src, dst) = ends(false, (1, 2));
    let good = encode(&Packet::udp(src, dst, Bytes::from_static(b"data")));
    let check = |change: &dyn Fn(&mut Vec<u8>), expected: WireError| {
        let mut bytes = good.clone();
        change(&mut bytes);
        // The header's checksum is right again, so that it is not what fails.
        if let Ok((mut header, _)) = etherparse::Ipv4Header::from_slice(&bytes) {
            header.header_checksum = header.calc_header_checksum();
            bytes[10..12].copy_from_slice(&header.header_checksum.to_be_bytes());
        }
        assert_eq!(decode(&bytes), Err(expected));
    };
    check(&|bytes| bytes.truncate(0), WireError::Malformed("IP"));
    check(&|bytes| bytes.push(0), WireError::Length("IP"));
    check(
        &|bytes| bytes[6] = 0x20,
        WireError::Unsupported("a fragment"),
    );
    check(
        &|bytes| bytes[9] = 132,
        WireError::Unsupported("the IP protocol"),
    );
    check(&|bytes| bytes[25] += 1, WireError::Length("UDP"));
    check(&|bytes| bytes[26] ^= 1, WireError::Checksum("UDP"));
}

#[test]
fn packets_to_a_group_live_for_one_hop() {
    let from = "11.0.0.1:5353".parse().expect("an address");
    let group = "224.0.0.251:5353".parse().expect("an address");
    let hops = |to| encode(&Packet::udp(from, to, Bytes::new()))[8];
    assert_eq!(hops(group), MULTICAST_HOP_LIMIT);
    assert_eq!(
        hops("11.0.0.2:5353".parse().expect("an address")),
        HOP_LIMIT
    );
}
