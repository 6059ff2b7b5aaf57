//! The packets of local discovery, as libp2p-mdns writes and reads them.
//!
//! A question asks for pointers of `_p2p._udp.local`. An answer has one pointer to a name
//! that means nothing, and for that name a text `dnsaddr=…/p2p/…` for each address.
//! <https://github.com/libp2p/specs/blob/master/discovery/mdns.md>

use std::collections::BTreeSet;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

const SERVICE: &str = "_p2p._udp.local.";
const META: &str = "_services._dns-sd._udp.local.";
const PREFIX: &str = "dnsaddr=";

/// Longest string of a text record (RFC 1035 §3.3).
const TEXT_BYTES_MAX: usize = 255;
/// Addresses of one answer that are told, and taken; it fits into 1,500 bytes if they
/// are as long as usual.
pub const ADDRESSES_MAX: usize = 16;

const POINTER: u16 = 12;
const TEXT: u16 = 16;
const INTERNET: u16 = 1;
/// What is asked is unique to the sender: caches forget the rest (RFC 6762 §10.2).
const FLUSH: u16 = 0x8000;
/// An answer, and an authoritative one (RFC 6762 §18).
const ANSWER: u16 = 0x8400;

/// What a packet says to this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Who is there?
    Question {
        /// Repeated in the answer.
        id: u16,
    },
    /// Which services are there?
    ServiceQuestion {
        /// Repeated in the answer.
        id: u16,
    },
    /// These peers are there.
    Answer(Vec<Neighbour>),
    /// It is about something else.
    Other,
}

/// A peer of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Who.
    pub peer: PeerId,
    /// Where it says that it listens, without its name; at most [`ADDRESSES_MAX`].
    pub addresses: Vec<Multiaddr>,
    /// How long the answer holds, in seconds.
    pub ttl_s: u32,
}

impl Packet {
    /// Reads a packet; nothing if it is not DNS.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message = Message::from_vec(bytes).ok()?;
        let asks = |name: &str| {
            let mut names = message.queries.iter().map(|query| query.name().to_utf8());
            names.any(|asked| asked == name)
        };
        let id = message.metadata.id;
        Some(if message.queries.is_empty() {
            Self::Answer(neighbours(&message))
        } else if asks(SERVICE) {
            Self::Question { id }
        } else if asks(META) {
            Self::ServiceQuestion { id }
        } else {
            Self::Other
        })
    }
}

fn neighbours(message: &Message) -> Vec<Neighbour> {
    let mut named = BTreeSet::new();
    let pointers = message.answers.iter().filter_map(|record| {
        let RData::PTR(name) = &record.data else {
            return None;
        };
        (record.name.to_utf8() == SERVICE).then_some((&name.0, record.ttl))
    });
    pointers
        // libp2p's answers have one.
        .take(ADDRESSES_MAX)
        // Its texts are read once, however many pointers lead to them.
        .filter(|(name, _)| named.insert(*name))
        .filter_map(|(name, ttl_s)| neighbour(message, name, ttl_s))
        .collect()
}

/// Whom the texts for `name` tell of: the first peer among them.
fn neighbour(message: &Message, name: &Name, ttl_s: u32) -> Option<Neighbour> {
    let texts = message.additionals.iter().filter_map(|record| {
        let RData::TXT(text) = &record.data else {
            return None;
        };
        (record.name == *name).then_some(text)
    });
    let texts = texts.flat_map(|text| text.txt_data.iter());
    let mut told = texts.filter_map(|text| {
        let text = str::from_utf8(text).ok()?;
        let mut address: Multiaddr = unquoted(text).strip_prefix(PREFIX)?.parse().ok()?;
        match address.pop() {
            Some(Protocol::P2p(peer)) => Some((peer, address)),
            _ => None,
        }
    });
    let (peer, first) = told.next()?;
    let more = told
        .filter(|(other, _)| *other == peer)
        .map(|(_, address)| address);
    Some(Neighbour {
        peer,
        addresses: [first]
            .into_iter()
            .chain(more)
            .take(ADDRESSES_MAX)
            .collect(),
        ttl_s,
    })
}

/// libp2p-mdns puts a text with a space in it into quotation marks.
fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// The question who is there. `id` means nothing.
pub fn question(id: u16) -> Vec<u8> {
    let mut out = header(id, 0, [1, 0, 0]);
    put_name(&mut out, SERVICE);
    put(&mut out, [POINTER, INTERNET]);
    out
}

/// The answer that `peer` listens on `addresses`, under a `name` of at most 63 letters.
/// Addresses that are too long or too many are left out.
pub fn answer(id: u16, name: &str, peer: PeerId, addresses: &[Multiaddr], ttl_s: u32) -> Vec<u8> {
    let texts: Vec<String> = addresses
        .iter()
        .map(|address| format!("{PREFIX}{address}/p2p/{peer}"))
        .filter(|text| text.len() <= TEXT_BYTES_MAX)
        .take(ADDRESSES_MAX)
        .collect();
    let mut out = header(id, ANSWER, [0, 1, texts.len() as u16]);
    let mut pointed = Vec::new();
    put_name(&mut pointed, name);
    put_record(&mut out, SERVICE, (POINTER, INTERNET), ttl_s, &pointed);
    for text in texts {
        let mut data = vec![text.len() as u8];
        data.extend_from_slice(text.as_bytes());
        put_record(&mut out, name, (TEXT, INTERNET | FLUSH), ttl_s, &data);
    }
    out
}

/// The answer that nodes of libp2p are a service of this network.
pub fn service_answer(id: u16, ttl_s: u32) -> Vec<u8> {
    let mut out = header(id, ANSWER, [0, 1, 0]);
    let mut pointed = Vec::new();
    put_name(&mut pointed, SERVICE);
    put_record(&mut out, META, (POINTER, INTERNET | FLUSH), ttl_s, &pointed);
    out
}

/// A header with so many questions, answers and further records (RFC 1035 §4.1.1).
fn header(id: u16, flags: u16, [questions, answers, further]: [u16; 3]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    put(&mut out, [id, flags, questions, answers, 0, further]);
    out
}

fn put<const N: usize>(out: &mut Vec<u8>, numbers: [u16; N]) {
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Labels with their lengths, the empty one last (RFC 1035 §3.1).
fn put_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn put_record(out: &mut Vec<u8>, name: &str, (kind, class): (u16, u16), ttl_s: u32, data: &[u8]) {
    put_name(out, name);
    put(out, [kind, class]);
    out.extend_from_slice(&ttl_s.to_be_bytes());
    put(out, [data.len() as u16]);
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: usize) -> Multiaddr {
        let text = format!("/ip4/192.0.2.1/udp/{port}/quic-v1");
        text.parse().expect("an address")
    }

    #[test]
    fn an_answer_reads_back_as_dns() {
        let peer = PeerId::random();
        let addresses = [address(1), address(2)];
        let packet = Packet::read(&answer(7, "name", peer, &addresses, 360));
        let neighbour = Neighbour {
            peer,
            addresses: addresses.to_vec(),
            ttl_s: 360,
        };
        assert_eq!(packet, Some(Packet::Answer(vec![neighbour])));
        assert_eq!(Packet::read(&question(7)), Some(Packet::Question { id: 7 }));
    }

    #[test]
    fn a_question_is_the_one_of_libp2p_mdns_byte_by_byte() {
        // Taken from libp2p-mdns 0.49 (`build_query`).
        let mut expected = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        expected.extend_from_slice(b"\x04_p2p\x04_udp\x05local\x00\x00\x0c\x00\x01");
        assert_eq!(question(7), expected);
    }

    #[test]
    fn an_answer_has_the_layout_of_libp2p_mdns() {
        // Taken from libp2p-mdns 0.49 (`query_response_packet`, `append_txt_record`).
        let peer = PeerId::random();
        let text = format!("dnsaddr={}/p2p/{peer}", address(1));
        let mut expected = vec![0, 7, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1];
        expected.extend_from_slice(b"\x04_p2p\x04_udp\x05local\x00\x00\x0c\x00\x01");
        expected.extend_from_slice(b"\x00\x00\x01\x68\x00\x03\x01n\x00");
        expected.extend_from_slice(b"\x01n\x00\x00\x10\x80\x01\x00\x00\x01\x68");
        expected.extend_from_slice(&[0, text.len() as u8 + 1, text.len() as u8]);
        expected.extend_from_slice(text.as_bytes());
        assert_eq!(answer(7, "n", peer, &[address(1)], 360), expected);
    }

    #[test]
    fn what_services_there_are_is_answered() {
        let asked = {
            let mut out = header(3, 0, [1, 0, 0]);
            put_name(&mut out, META);
            put(&mut out, [POINTER, INTERNET]);
            out
        };
        assert_eq!(
            Packet::read(&asked),
            Some(Packet::ServiceQuestion { id: 3 })
        );
        // To whoever finds peers it is an answer without any.
        assert_eq!(
            Packet::read(&service_answer(3, 1)),
            Some(Packet::Answer(Vec::new()))
        );
    }

    #[test]
    fn an_answer_tells_and_takes_so_many_addresses_and_no_more() {
        let addresses: Vec<_> = (1..100).map(address).collect();
        let packet = answer(1, "n", PeerId::random(), &addresses, 1);
        let Some(Packet::Answer(told)) = Packet::read(&packet) else {
            panic!("it is an answer");
        };
        assert_eq!(told[0].addresses.len(), ADDRESSES_MAX);
        let mut crowd = answer(1, "n", PeerId::random(), &[], 1);
        crowd.truncate(12);
        crowd[7] = 100;
        for port in 1..=100 {
            let one = answer(1, &format!("n{port}"), PeerId::random(), &[], 1);
            crowd.extend_from_slice(&one[12..]);
        }
        assert_eq!(Packet::read(&crowd), Some(Packet::Answer(Vec::new())));
    }

    #[test]
    fn many_pointers_to_one_name_are_one() {
        let peer = PeerId::random();
        let packet = answer(1, "n", peer, &[address(1)], 1);
        let mut pointers = answer(1, "n", peer, &[], 1);
        let pointer = pointers.split_off(12);
        let mut crowd = packet[..12].to_vec();
        crowd[7] = 3;
        for _ in 0..3 {
            crowd.extend_from_slice(&pointer);
        }
        crowd.extend_from_slice(&packet[12 + pointer.len()..]);
        let Some(Packet::Answer(told)) = Packet::read(&crowd) else {
            panic!("it is an answer");
        };
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].peer, told[0].addresses.len()), (peer, 1));
    }

    #[test]
    fn an_answer_about_two_peers_is_about_the_first() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let mut packet = answer(1, "n", peer, &[address(1)], 1);
        let more = answer(1, "n", other, &[address(2)], 1);
        let text_at = 12 + SERVICE.len() + 1 + 10 + 3;
        packet.extend_from_slice(&more[text_at..]);
        packet[11] = 2;
        let Some(Packet::Answer(told)) = Packet::read(&packet) else {
            panic!("it is an answer");
        };
        assert_eq!((told[0].peer, told[0].addresses.len()), (peer, 1));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(0_u8.., 0..600)) {
            let _ = Packet::read(&bytes);
        }
    }
}
