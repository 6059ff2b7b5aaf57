//! What strangers may cost a node, on the loopback's TCP and QUIC, before it knows them.

use std::time::{Duration, Instant};

use orrery_node::api::{Command, Event};
use orrery_node::card::Card;
use orrery_node::real::{ControlSocket, SOCKET_NAME};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use futures::AsyncReadExt as _;
use libp2p::StreamProtocol;

use crate::hostile::Peer;
use crate::stuffed::Stuffed;
use crate::world::{PATIENCE, TestNode, address_over_tcp};

const TCP: &str = "listen.addresses = [\"/ip4/127.0.0.1/tcp/0\"]\n";
const QUIC: &str = "listen.addresses = [\"/ip4/127.0.0.1/udp/0/quic-v1\"]\n";

/// The port on which a node listens.
fn port(node: &TestNode) -> u16 {
    let card: Card = node.card.parse().expect("a card");
    let mut parts = card.addresses.iter().flat_map(libp2p::Multiaddr::iter);
    let port = parts.find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    port.expect("it listens on TCP")
}

/// Connections that say nothing.
async fn silent(node: &TestNode, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(("127.0.0.1", port(node))).await;
        streams.push(stream.expect("it listens"));
    }
    streams
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let node = TestNode::start_real(1, TCP).await;
    let friend = TestNode::start_real(2, TCP).await;
    let mut streams = silent(&node, 200).await;
    let begun = Instant::now();
    friend.follow(&node).await;
    friend.meets(&node).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    node.seen
        .wait(
            "the bound is told",
            |event| matches!(event, Event::LimitReached { limit } if limit == "pending-connections"),
        )
        .await;
    let gave_way = node.handle.counters()["pending-gave-way"];
    assert!(gave_way >= 200 - 64, "{gave_way}");
    // The oldest have been closed.
    let read = tokio::time::timeout(Duration::from_secs(4), streams[0].read(&mut [0; 64])).await;
    assert!(matches!(read, Ok(Ok(_) | Err(_))), "still open");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_soon() {
    let settings = format!("{TCP}connections.first_byte_timeout = \"200ms\"");
    let node = TestNode::start_real(1, &settings).await;
    let mut streams = silent(&node, 1).await;
    let mut bytes = Vec::new();
    let end = streams[0].read_to_end(&mut bytes);
    let ended = tokio::time::timeout(Duration::from_secs(4), end).await;
    assert!(ended.is_ok(), "still open");
    assert_eq!(node.handle.counters()["pending-silent"], 1);
}

#[tokio::test]
async fn silent_connections_over_tcp_take_no_places_of_quic() {
    let both = "listen.addresses = [\"/ip4/127.0.0.1/tcp/0\", \"/ip4/127.0.0.1/udp/0/quic-v1\"]\n";
    let node = TestNode::start_real(1, both).await;
    let friend = TestNode::start_real(2, QUIC).await;
    let _streams = silent(&node, 60).await;
    friend.follow(&node).await;
    friend.meets(&node).await;
    assert!(!node.handle.counters().contains_key("pending-gave-way"));
}

fn gone(peer: &Peer) -> impl Fn(&Event) -> bool {
    let name = peer.keys.peer();
    move |event| matches!(event, Event::Disconnected { peer, .. } if *peer == name)
}

#[tokio::test]
async fn strangers_hold_no_place_that_a_newcomer_needs() {
    let node = TestNode::start(1, "connections.max_established_incoming = 2").await;
    let idle = Peer::connect(9, &node).await;
    let proved = Peer::authenticate(8, &node).await;
    let _newcomer = Peer::authenticate(7, &node).await;
    node.seen.wait("the idle one gave way", gone(&idle)).await;
    assert_eq!(node.seen.count(gone(&proved)), 0);
    node.seen
        .wait(
            "the bound is told",
            |event| matches!(event, Event::LimitReached { limit } if limit == "connections"),
        )
        .await;
    assert_eq!(node.handle.counters()["connections-gave-way"], 1);
}

#[tokio::test]
async fn friends_get_in_where_strangers_hold_all_places() {
    let settings = "connections.max_established_incoming = 1\ndial.backoff_first = \"20ms\"";
    let node = TestNode::start(1, settings).await;
    let friend = TestNode::start(2, settings).await;
    node.follow(&friend).await;
    let stranger = Peer::authenticate(9, &node).await;
    friend.follow(&node).await;
    node.meets(&friend).await;
    assert_eq!(node.seen.count(gone(&stranger)), 0);
}

#[tokio::test]
async fn a_stranger_who_asks_for_nothing_goes() {
    let settings = "connections.stranger_timeout = \"200ms\"\nconnections.idle_timeout = \"100ms\"";
    let node = TestNode::start(1, settings).await;
    let stranger = Peer::authenticate(9, &node).await;
    node.seen
        .wait("the stranger is gone", gone(&stranger))
        .await;
}

#[tokio::test]
async fn a_control_socket_outlives_a_lack_of_files() {
    let node = TestNode::start(1, "").await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _control = ControlSocket::open(folder.path(), node.handle.clone()).expect("opens");
    let connect = UnixStream::connect(folder.path().join(SOCKET_NAME));
    let before = getrlimit(Resource::Nofile);
    // No new file has a number below this; those that are open stay.
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    let stream = connect.await.expect("it listens");
    setrlimit(Resource::Nofile, none).expect("lowered");
    let failed = async {
        while !node.handle.counters().contains_key("control-accept-failed") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, failed)
        .await
        .expect("it fails to accept");
    setrlimit(Resource::Nofile, before).expect("raised");
    let mut stream = BufReader::new(stream);
    let mut command = serde_json::to_vec(&Command::Status).expect("plain data");
    command.push(b'\n');
    stream.write_all(&command).await.expect("written");
    let mut line = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await;
    assert!(matches!(read, Ok(Ok(1..))), "no answer");
}

/// Files that this process has open.
fn open_files() -> usize {
    let files = std::fs::read_dir("/dev/fd").expect("a Unix system");
    files.count()
}

#[tokio::test]
async fn who_reads_nothing_is_gone_in_time_with_its_socket() {
    let settings = "connections.max_established_incoming = 1";
    let node = TestNode::start_also_at(1, settings, "/ip4/127.0.0.1/tcp/0").await;
    let address = address_over_tcp(&node).await;
    let files = open_files();
    let mut stuffed = Stuffed::connect(&address).await;
    stuffed.fill().await;
    assert_eq!(open_files(), files + 2, "its socket, and the node's");
    let peer = stuffed.peer;
    let gone =
        |event: &Event| matches!(event, Event::Disconnected { peer: gone, .. } if *gone == peer);
    assert_eq!(node.seen.count(gone), 0);
    // A newcomer gets its place.
    let _newcomer = Peer::authenticate(8, &node).await;
    node.seen.wait("it is gone", gone).await;
    assert_eq!(open_files(), files + 1, "the node's socket is still open");
    assert_eq!(node.handle.counters()["connections-cut-off"], 1);
}

#[tokio::test]
async fn who_is_elsewhere_is_told_no_address_of_this_machine() {
    let node = TestNode::start_also_at(1, "", "/ip4/127.0.0.1/tcp/0").await;
    node.seen
        .wait(
            "it listens on TCP",
            |event| matches!(event, Event::Listening { address } if address.contains("/tcp/")),
        )
        .await;
    let mut peer = Peer::connect(9, &node).await;
    let mut stream = peer.open(StreamProtocol::new("/ipfs/id/1.0.0")).await;
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.expect("it tells");
    let holds = |part: &[u8]| told.windows(part.len()).any(|bytes| bytes == part);
    // The codes of multiaddr: 4 for an address of IPv4, 0x0309 for one in memory.
    assert!(holds(&[0x89, 0x06]), "its addresses are told: {told:?}");
    assert!(!holds(&[4, 127, 0, 0, 1]), "{told:?}");
}
