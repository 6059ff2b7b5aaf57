//! Captures as other programs read them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use futures::{AsyncReadExt, AsyncWriteExt};
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, HostTraffic, TcpListener, TcpStream, address, wire};
use orrery_sim::time::SimTime;
use orrery_sim::units::Ratio;
use orrery_sim::{HostSpec, Outcome, Simulation, SimulationError, World, host};

/// Simulated time of the exchange.
const END: SimTime = SimTime::from_secs(30);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("orrery-captures-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two hosts exchange a little of everything over links that lose packets.
fn exchange(world: &mut World, amount: usize) -> [HostTraffic; 2] {
    let link = LinkSpec {
        delay: Duration::from_millis(10),
        loss: Ratio::from_percent(3),
        ..LinkSpec::default()
    };
    let hosts = ["home[0]", "home[1]"].map(|name| {
        host::add(HostSpec {
            access: Access {
                up: link.clone(),
                down: link.clone(),
            },
            ..HostSpec::named(name)
        })
    });
    let [a, b] = hosts;
    let lan = host::add_lan(LanSpec::default());
    for host in hosts {
        host::join_lan(host, lan);
    }
    for (ip, port) in [(address::v4(b).into(), 80), (address::v6(b).into(), 81)] {
        host::executor(b).spawn(async move {
            let listener = TcpListener::bind(b, port).expect("it is free");
            let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.expect("it is closed");
            assert_eq!(heard.len(), amount);
        });
        host::executor(a).spawn(async move {
            futures_timer::Delay::new(Duration::from_secs(1)).await;
            let remote = std::net::SocketAddr::new(ip, port);
            let connecting = TcpStream::connect(a, remote, None).await;
            let mut stream = connecting.expect("it listens");
            stream
                .write_all(&vec![1; amount])
                .await
                .expect("it is open");
            stream.close().await.expect("it is open");
        });
    }
    world.run_for(Duration::from_millis(100));
    let group = "224.0.0.251".parse().expect("an address");
    let ours = UdpSocket::bind(a, 7_777).expect("it is free");
    let theirs = UdpSocket::bind(b, 7_777).expect("it is free");
    theirs.join(group).expect("it is a group");
    let data = Bytes::from_static(b"datagram");
    for to in [(group, 7_777), (address::v4(b).into(), 7_777)] {
        ours.send_to(to.into(), data.clone()).expect("it fits");
    }
    for ip in [address::v4(b).into(), address::v6(b).into()] {
        // Nothing listens there.
        let to = std::net::SocketAddr::new(ip, 9);
        ours.send_to(to, data.clone()).expect("it fits");
    }
    world.run_for(Duration::from_millis(100));
    // From here on over the links that lose.
    for host in hosts {
        host::leave_lan(host);
    }
    world.run_until(END);
    hosts.map(net::traffic)
}

fn play(captures: Option<&Path>) -> ([HostTraffic; 2], Outcome) {
    let mut simulation = Simulation::new(3);
    if let Some(folder) = captures {
        simulation = simulation.capturing(folder);
    }
    let played = simulation.run(|world| exchange(world, 200_000));
    let (traffic, outcome) = played.expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    (traffic, outcome)
}

/// A captured packet.
struct Captured {
    nanos: u64,
    outbound: bool,
    comment: String,
    bytes: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The options from `at` on, by code.
fn options(body: &[u8], mut at: usize) -> BTreeMap<u16, Vec<u8>> {
    let mut found = BTreeMap::new();
    while at < body.len() {
        let [code, length] = [at, at + 2].map(|at| u16::from_le_bytes([body[at], body[at + 1]]));
        if code == 0 {
            assert_eq!(
                (length, at + 4),
                (0, body.len()),
                "the last option ends the block"
            );
            return found;
        }
        let end = at + 4 + usize::from(length);
        found.insert(code, body[at + 4..end].to_vec());
        at = end.next_multiple_of(4);
    }
    assert!(found.is_empty(), "options end without saying so");
    found
}

/// Reads a capture strictly: every length, the order of blocks, and their options.
fn read(folder: &Path, host: &str) -> Vec<Captured> {
    let file = std::fs::read(folder.join(format!("capture-{host}.pcapng"))).expect("it is there");
    let mut rest = &file[..];
    let mut kinds = Vec::new();
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let length = u32_at(rest, 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(
            u32_at(rest, length - 4) as usize,
            length,
            "both lengths agree"
        );
        let (kind, body) = (u32_at(rest, 0), &rest[8..length - 4]);
        match kind {
            0x0a0d_0d0a => assert_eq!(u32_at(body, 0), 0x1a2b_3c4d),
            1 => {
                assert_eq!(body[..2], [101, 0], "raw IP");
                let options = options(body, 8);
                assert_eq!(options[&2], host.as_bytes());
                assert!(String::from_utf8_lossy(&options[&3]).contains(host));
                assert_eq!(options[&9], [9], "nanoseconds");
            }
            6 => {
                let (high, low) = (u32_at(body, 4), u32_at(body, 8));
                let (kept, length) = (u32_at(body, 12) as usize, u32_at(body, 16) as usize);
                assert_eq!(kept, length);
                let options = options(body, 20 + kept.next_multiple_of(4));
                packets.push(Captured {
                    nanos: u64::from(high) << 32 | u64::from(low),
                    outbound: match u32_at(&options[&2], 0) & 3 {
                        1 => false,
                        2 => true,
                        flags => panic!("flags {flags} tell no direction"),
                    },
                    comment: String::from_utf8(options[&1].clone()).expect("UTF-8"),
                    bytes: body[20..20 + kept].to_vec(),
                });
            }
            kind => panic!("a block of kind {kind}"),
        }
        kinds.push(kind);
        rest = &rest[length..];
    }
    assert_eq!(kinds[..2], [0x0a0d_0d0a, 1]);
    assert!(kinds[2..].iter().all(|&kind| kind == 6));
    packets
}

#[test]
fn every_packet_is_sound_and_counted_once_each_way() {
    let folder = Folder::new("sound");
    let (traffic, _) = play(Some(&folder.0));
    for (number, traffic) in traffic.iter().enumerate() {
        let packets = read(&folder.0, &format!("home[{number}]"));
        let outbound = packets.iter().filter(|packet| packet.outbound).count() as u64;
        assert_eq!(outbound, traffic.sent_packets);
        assert_eq!(packets.len() as u64 - outbound, traffic.received_packets);
        assert!(packets.is_sorted_by_key(|packet| packet.nanos));
        assert!(packets.iter().all(|packet| packet.nanos < END.as_nanos()));
        for packet in &packets {
            // Lengths and checksums, by our reader and, without checksums, by another.
            wire::decode(&packet.bytes).expect("the packet is sound");
            SlicedPacket::from_ip(&packet.bytes).expect("the packet is sound");
        }
    }
    assert!(
        traffic[0].sent_packets > traffic[1].received_packets,
        "something was lost"
    );
}

#[test]
fn comments_name_both_hosts_and_all_kinds_are_there() {
    let folder = Folder::new("kinds");
    play(Some(&folder.0));
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for packet in read(&folder.0, "home[0]") {
        let sliced = SlicedPacket::from_ip(&packet.bytes).expect("the packet is sound");
        let family = match sliced.net {
            Some(NetSlice::Ipv4(_)) => 4,
            _ => 6,
        };
        let kind = match sliced.transport {
            Some(TransportSlice::Tcp(_)) => "TCP",
            Some(TransportSlice::Udp(_)) => "UDP",
            Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_)) => "ICMP",
            _ => "other",
        };
        let way = if packet.outbound { "out" } else { "in" };
        *kinds
            .entry(format!("{kind}{family} {way} {}", packet.comment))
            .or_default() += 1;
    }
    let found: Vec<&str> = kinds.keys().map(String::as_str).collect();
    let expected = [
        "ICMP4 in home[1] → home[0]",
        "ICMP6 in home[1] → home[0]",
        "TCP4 in home[1] → home[0]",
        "TCP4 out home[0] → home[1]",
        "TCP6 in home[1] → home[0]",
        "TCP6 out home[0] → home[1]",
        "UDP4 out home[0] → 224.0.0.251",
        "UDP4 out home[0] → home[1]",
        "UDP6 out home[0] → home[1]",
    ];
    assert_eq!(found, expected);
}

#[test]
fn capturing_changes_nothing() {
    let folder = Folder::new("hash");
    let captured = play(Some(&folder.0));
    let plain = play(None);
    assert_eq!(captured.0, plain.0);
    assert_eq!(captured.1.trace_hash, plain.1.trace_hash);
    assert_eq!(captured.1.trace_events, plain.1.trace_events);
}

#[test]
fn equal_seeds_give_equal_captures() {
    let folders = [Folder::new("first"), Folder::new("second")];
    let [first, second] = folders.each_ref().map(|folder| {
        play(Some(&folder.0));
        ["home[0]", "home[1]"].map(|host| {
            let path = folder.0.join(format!("capture-{host}.pcapng"));
            std::fs::read(path).expect("it is there")
        })
    });
    assert!(first == second);
}

#[test]
fn a_capture_that_cannot_be_written_ends_the_simulation() {
    let folder = Folder::new("unwritable");
    // No file can be written where a folder is.
    let taken = folder.0.join("capture-home[1].pcapng");
    std::fs::create_dir_all(&taken).expect("it is ours");
    let mut reached = SimTime::ZERO;
    let played = Simulation::new(3).capturing(&folder.0).run(|world| {
        exchange(world, 200_000);
        reached = orrery_sim::kernel::now();
        assert!(world.failure().is_some());
    });
    let error = played.expect_err("it cannot be written");
    assert!(matches!(error, SimulationError::Capture(_)), "{error:?}");
    let expected = format!("cannot write the capture {}", taken.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(reached < END, "it went on until {reached}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_before_anything_is_simulated() {
    let folder = Folder::new("taken");
    let taken = folder.0.join("file");
    std::fs::write(&taken, "mine").expect("it is ours");
    let played = Simulation::new(3)
        .capturing(&taken)
        .run(|_| panic!("it was simulated"));
    assert!(matches!(played, Err(SimulationError::Capture(_))));
}
