//! Who says first who it is, where a node has dialled for an end that others have chosen.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use orrery_node::api::{Command, Event, LookupMethod, Reply};
use orrery_node::card::Card;
use orrery_node::keys::Keys;

use crate::world::TestNode;

const KAD: &str = "kad.enabled = true\n";
const WALK: &str = "kad.enabled = true\nkad.walk = true\n";

/// A node that knows `other` and dials it.
fn knows(other: &TestNode) -> String {
    let card: Card = other.card.parse().expect("a card");
    let address = card.addresses[0].clone().with(Protocol::P2p(card.peer));
    format!("bootstrap.peers = [\"{address}\"]\n")
}

/// Has `node` look for somebody in Kademlia's tables, for which it dials whom others name.
async fn walks(node: &TestNode) {
    let command = Command::Lookup {
        identity: Keys::generate(None).identity(),
        peer: None,
        by: vec![LookupMethod::Kad],
        wait: false,
    };
    let begun = node.handle.command(command).await;
    assert_eq!(begun, Ok(Reply::Done));
}

async fn dials(node: &TestNode, other: &TestNode) {
    let name = other.keys.peer();
    let dialled =
        |event: &Event| matches!(event, Event::Connected { peer, dialer: true } if *peer == name);
    node.seen.wait("the other is dialled", dialled).await;
}

fn is_told_of(other: &TestNode) -> impl Fn(&Event) -> bool {
    let name = other.identity();
    move |event| matches!(event, Event::Authenticated { identity, .. } if *identity == name)
}

#[tokio::test]
async fn whom_others_have_us_dial_is_not_told_who_we_are() {
    let between = TestNode::start(1, WALK).await;
    let stranger = TestNode::start(2, &format!("{KAD}{}", knows(&between))).await;
    stranger.meets(&between).await;
    let node = TestNode::start(3, &format!("{WALK}{}", knows(&between))).await;
    node.meets(&between).await;
    walks(&node).await;
    dials(&node, &stranger).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stranger.seen.count(is_told_of(&node)), 0);
    assert_eq!(node.seen.count(is_told_of(&stranger)), 0);
    // Once it is wanted, it is told, and says who it is.
    node.follow(&stranger).await;
    node.meets(&stranger).await;
    stranger.meets(&node).await;
}

#[tokio::test]
async fn who_is_dialled_for_something_else_may_prove_first_and_is_told_then() {
    const SOON: &str = "auth.timeout = \"600ms\"\n";
    let between = TestNode::start(1, WALK).await;
    let reader = TestNode::start(2, &format!("{KAD}{SOON}{}", knows(&between))).await;
    reader.meets(&between).await;
    // Without an address: it cannot dial.
    let keys = Keys::generate(Some([3; 32]));
    let card = keys.card(&[]).expect("signs").to_string();
    let done = reader.handle.command(Command::follow(card)).await;
    assert_eq!(done, Ok(Reply::Done));
    let node = TestNode::start(3, &format!("{WALK}{}", knows(&between))).await;
    assert_eq!(node.keys.peer(), keys.peer());
    node.meets(&between).await;
    walks(&node).await;
    dials(&node, &reader).await;
    reader.meets(&node).await;
    node.meets(&reader).await;
}
