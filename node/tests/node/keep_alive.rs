//! Connections with known nodes stay, those with others end when nobody uses them.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use orrery_node::api::{Command, Event, Reply};
use orrery_node::card::Card;
use orrery_node::keep_alive::PROTOCOL;

use crate::hostile::Peer;
use crate::world::{PATIENCE, TestNode};

/// Nothing between the nodes that would keep a connection, and little patience with it.
const IDLE: &str = "feed.enabled = false\nconnections.idle_timeout = \"100ms\"\n";

/// Several times as long as an idle connection lasts.
const LONG: Duration = Duration::from_secs(1);

fn address(node: &TestNode) -> String {
    let card: Card = node.card.parse().expect("a card");
    format!("{}/p2p/{}", card.addresses[0], card.peer)
}

fn is_connected(event: &Event) -> bool {
    matches!(event, Event::Connected { .. })
}

fn is_disconnected(event: &Event) -> bool {
    matches!(event, Event::Disconnected { .. })
}

#[tokio::test]
async fn a_connection_stays_for_who_knows_the_node_and_ends_for_who_does_not() {
    let known = TestNode::start(1, IDLE).await;
    let settings = format!("{IDLE}bootstrap.peers = [\"{}\"]", address(&known));
    let keeps = TestNode::start(2, &settings).await;
    keeps.seen.wait("it is connected", is_connected).await;
    let passes = TestNode::start(3, IDLE).await;
    let address = address(&known);
    let done = passes.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
    passes.seen.wait("it is let go", is_disconnected).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(keeps.seen.count(is_disconnected), 0);
    assert_eq!(keeps.seen.count(is_connected), 1);
    assert_eq!(known.seen.count(is_disconnected), 1);
}

#[tokio::test]
async fn who_is_known_may_dial_and_is_held_too() {
    let dials = TestNode::start(1, IDLE).await;
    let card: Card = dials.card.parse().expect("a card");
    // Nobody is there: only the other's dial can succeed.
    let nowhere = format!("/memory/999999997/p2p/{}", card.peer);
    let settings = format!("{IDLE}bootstrap.peers = [\"{nowhere}\"]");
    let keeps = TestNode::start(2, &settings).await;
    let address = address(&keeps);
    let done = dials.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
    keeps.seen.wait("it is connected", is_connected).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(dials.seen.count(is_disconnected), 0);
}

#[tokio::test]
async fn who_has_no_feeds_is_no_less_known() {
    let feeds = "connections.idle_timeout = \"100ms\"\nauth.timeout = \"100ms\"\n";
    for [theirs, ours] in [[IDLE, feeds], [feeds, IDLE]] {
        let known = TestNode::start(1, theirs).await;
        let settings = format!("{ours}bootstrap.peers = [\"{}\"]", address(&known));
        let keeps = TestNode::start(2, &settings).await;
        keeps.seen.wait("it is connected", is_connected).await;
        tokio::time::sleep(LONG).await;
        for node in [&known, &keeps] {
            assert_eq!(node.seen.count(is_disconnected), 0);
        }
    }
}

/// Whether the node has ended a substream.
async fn is_ended(stream: &mut Stream) {
    let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
}

#[tokio::test]
async fn a_stranger_keeps_a_connection_by_one_silent_substream() {
    let node = TestNode::start(1, IDLE).await;
    let mut peer = Peer::connect(9, &node).await;
    let mut first = peer.open(PROTOCOL).await;
    let second = peer.open(PROTOCOL).await;
    is_ended(&mut first).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(node.seen.count(is_disconnected), 0);
    drop(second);
    node.seen
        .wait("neither end keeps it", is_disconnected)
        .await;
}

#[tokio::test]
async fn who_has_its_connection_kept_gives_way_like_any_stranger() {
    let settings = "connections.idle_timeout = \"100ms\"\nauth.timeout = \"100ms\"\n\
        connections.max_established_incoming = 2";
    let node = TestNode::start(1, settings).await;
    let mut kept = Peer::connect(9, &node).await;
    let _stream = kept.open(PROTOCOL).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(node.seen.count(is_disconnected), 0);
    let name = kept.keys.peer();
    let proved = Peer::authenticate(8, &node).await;
    let _newcomer = Peer::authenticate(7, &node).await;
    let gone = |event: &Event| matches!(event, Event::Disconnected { peer, .. } if *peer == name);
    node.seen.wait("it gives way", gone).await;
    assert_eq!(
        node.seen.count(is_disconnected),
        1,
        "{}",
        proved.keys.peer()
    );
}

#[tokio::test]
async fn a_peer_that_sends_something_keeps_nothing() {
    let node = TestNode::start(1, IDLE).await;
    let mut peer = Peer::connect(9, &node).await;
    let mut stream = peer.open(PROTOCOL).await;
    stream.write_all(&[0]).await.expect("there is room");
    stream.flush().await.expect("sent");
    is_ended(&mut stream).await;
    node.seen
        .wait("neither end keeps it", is_disconnected)
        .await;
}
