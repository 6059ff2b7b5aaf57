//! Captured QUIC packets are opened with nothing but what stands in the captures.

use std::path::Path;
use std::time::Duration;

use orrery_node::quic::Settings;
use orrery_sim::{Outcome, Simulation, host};
use ring::aead::quic::{CHACHA20, HeaderProtectionKey};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk};

use crate::harness::*;

const SAID: &[u8] = b"what only the two of them know";

/// Length of the connection ids that quinn gives out.
const ID_BYTES: usize = 8;

fn play(captures: Option<&Path>) -> Outcome {
    let mut simulation = Simulation::new(4);
    if let Some(folder) = captures {
        simulation = simulation.capturing(folder);
    }
    let ((), outcome) = simulation
        .run(|world| {
            let (listener, dialer) = pair();
            host::executor(listener).spawn(Node::listening(listener, Settings::default()).echo());
            host::executor(dialer).spawn(async move {
                let mut node = Node::new(dialer, Settings::default());
                let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
                let back = exchange(&mut connection, SAID.to_vec()).await;
                assert_eq!(back.expect("it answers"), SAID);
            });
            world.run_for(Duration::from_secs(20));
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    outcome
}

/// What protects the packets of one direction and level (RFC 9001 §5).
struct Protection {
    label: String,
    header: HeaderProtectionKey,
    packet: LessSafeKey,
    iv: [u8; 12],
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3.
fn expand(secret: &Prk, label: &str, length: usize) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let info: [&[u8]; 4] = [
        &[0, length as u8, label.len() as u8],
        label.as_bytes(),
        &[0],
        &[],
    ];
    let mut derived = vec![0; length];
    let expanded = secret.expand(&info, Bytes(length)).expect("it is short");
    expanded.fill(&mut derived).expect("it is as long");
    derived
}

impl Protection {
    /// From a line of a key log.
    fn read(line: &str) -> Self {
        let [label, random, secret] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a line of a key log: {line:?}");
        };
        let bytes = |hex: &str| -> Vec<u8> {
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
            (0..hex.len()).step_by(2).map(digits).collect()
        };
        assert_eq!(bytes(random).len(), 32, "{line:?}");
        let secret = Prk::new_less_safe(HKDF_SHA256, &bytes(secret));
        let key = expand(&secret, "quic key", 32);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("32 bytes");
        let header = expand(&secret, "quic hp", 32);
        Self {
            label: label.to_owned(),
            header: HeaderProtectionKey::new(&CHACHA20, &header).expect("32 bytes"),
            packet: LessSafeKey::new(key),
            iv: expand(&secret, "quic iv", 12).try_into().expect("12 bytes"),
        }
    }

    /// The content of `packet`, whose number begins at `number_at`, if this protects it.
    fn open(&self, packet: &[u8], number_at: usize) -> Option<Vec<u8>> {
        let mut packet = packet.to_vec();
        let sample = packet.get(number_at + 4..number_at + 20)?;
        let mask = self.header.new_mask(sample).expect("a sample of 16 bytes");
        let long = packet[0] & 0x80 != 0;
        packet[0] ^= mask[0] & if long { 0x0f } else { 0x1f };
        let number_bytes = usize::from(packet[0] & 3) + 1;
        let mut nonce = self.iv;
        for at in 0..number_bytes {
            packet[number_at + at] ^= mask[1 + at];
            // Numbers are small here: what stands in the packet is the whole of it.
            nonce[12 - number_bytes + at] ^= packet[number_at + at];
        }
        let (header, sealed) = packet.split_at_mut(number_at + number_bytes);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self
            .packet
            .open_in_place(nonce, Aad::from(&*header), sealed);
        opened.ok().map(|content| content.to_vec())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// A number of variable length (RFC 9000 §16) and what follows it.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let length = 1 << (bytes[0] >> 6);
    let first = usize::from(bytes[0] & 0x3f);
    let value = bytes[1..length]
        .iter()
        .fold(first, |value, &byte| value << 8 | usize::from(byte));
    (value, &bytes[length..])
}

/// What a capture holds, read from its beginning to its end as Wireshark does.
#[derive(Default)]
struct Reading {
    keys: Vec<Protection>,
    lines: String,
    /// By label of the secret that opened them.
    opened: Vec<(String, Vec<u8>)>,
    closed: usize,
}

impl Reading {
    fn of(folder: &Path, host: &str) -> Self {
        let path = folder.join(format!("capture-{host}.pcapng"));
        let file = std::fs::read(path).expect("it is there");
        let mut reading = Self::default();
        let mut rest = &file[..];
        while !rest.is_empty() {
            let length = u32_at(rest, 4);
            let body = &rest[8..length - 4];
            match u32_at(rest, 0) {
                6 => reading.datagram(&body[20..20 + u32_at(body, 12)][28..]),
                10 => {
                    assert_eq!(&body[..4], b"KSLT");
                    let lines = &body[8..8 + u32_at(body, 4)];
                    let lines = std::str::from_utf8(lines).expect("text");
                    reading.lines.push_str(lines);
                    let secrets = lines.lines().filter(|line| line.contains("TRAFFIC"));
                    reading.keys.extend(secrets.map(Protection::read));
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        reading
    }

    fn datagram(&mut self, mut rest: &[u8]) {
        while let Some(first) = rest.first() {
            if first & 0x80 == 0 {
                return self.packet(rest, 1 + ID_BYTES);
            }
            let mut after = &rest[5..];
            for _ in 0..2 {
                after = &after[1 + usize::from(after[0])..];
            }
            let initial = first & 0x30 == 0;
            if initial {
                let (token, rest) = number(after);
                after = &rest[token..];
            }
            let (length, after) = number(after);
            let number_at = rest.len() - after.len();
            if !initial {
                self.packet(&rest[..number_at + length], number_at);
            }
            rest = &rest[number_at + length..];
        }
    }

    fn packet(&mut self, packet: &[u8], number_at: usize) {
        let opened = self.keys.iter().find_map(|key| {
            let content = key.open(packet, number_at)?;
            Some((key.label.clone(), content))
        });
        match opened {
            Some(opened) => self.opened.push(opened),
            None => self.closed += 1,
        }
    }
}

#[test]
fn secrets_stand_before_the_packets_that_they_open() {
    let folder = tempfile::tempdir().unwrap();
    play(Some(folder.path()));
    for host in ["listener", "dialer"] {
        let reading = Reading::of(folder.path(), host);
        assert_eq!(reading.closed, 0, "every packet is opened in {host}");
        for label in [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
        ] {
            assert!(
                reading.opened.iter().any(|(by, _)| by == label),
                "{host}: {label} opens something"
            );
        }
        let said = reading.opened.iter().filter(|(by, content)| {
            let here = content.windows(SAID.len()).any(|part| part == SAID);
            here && by.ends_with("TRAFFIC_SECRET_0")
        });
        assert_eq!(said.count(), 2, "{host}: there and back");
        let beside = std::fs::read_to_string(folder.path().join(format!("keys-{host}.log")));
        assert_eq!(beside.unwrap(), reading.lines);
    }
}

#[test]
fn telling_secrets_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (told, untold) = (play(Some(folder.path())), play(None));
    assert_eq!(told.trace_hash, untold.trace_hash);
    assert_eq!(told.trace_events, untold.trace_events);
}
