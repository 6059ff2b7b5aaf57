//! Who says first who it is, where a node has dialled for an end that others have chosen.

use std::time::Duration;

use futures::{AsyncWriteExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, StreamProtocol};
use orrery_node::api::{Command, Event, LookupMethod, Reply};
use orrery_node::card::Card;
use orrery_node::keys::Keys;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::hostile::Peer;
use crate::liar::{field, framed};
use crate::world::{PATIENCE, TestNode, address_over_tcp};

const AUTH: StreamProtocol = StreamProtocol::new("/orrery/auth/2");
const DIAL_REQUEST: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");

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

/// What answers a dial with bytes that nobody can read, and says how often it has.
pub async fn spoils() -> (Multiaddr, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (told, dialled) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        // One that is dropped would take back what has not been read.
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(&[0xff; 3]).await;
            open.push(stream);
            if told.send(()).is_err() {
                return;
            }
        }
    });
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    (address.parse().expect("an address"), dialled)
}

/// Has the server at the other end of `peer` dial `address`, for a hundred thousand bytes.
pub async fn has_dialled(peer: &mut Peer, address: &Multiaddr) -> libp2p::Stream {
    let mut stream = peer.open(DIAL_REQUEST).await;
    // DialRequest (1): address 1, nonce 2.
    let mut request = Vec::new();
    field(&mut request, 0x0a, &address.to_vec());
    request.extend([0x11, 1, 2, 3, 4, 5, 6, 7, 8]);
    let mut message = Vec::new();
    field(&mut message, 0x0a, &request);
    stream.write_all(&framed(&message)).await.expect("sent");
    // DialDataResponse (4): data 1.
    let mut data = Vec::new();
    field(&mut data, 0x0a, &[0; 4096]);
    let mut message = Vec::new();
    field(&mut message, 0x22, &data);
    for _ in 0..25 {
        // It asks for so much at most, and may have had enough.
        if stream.write_all(&framed(&message)).await.is_err() {
            break;
        }
    }
    let _ = stream.flush().await;
    stream
}

#[tokio::test]
async fn who_has_us_dialled_and_answers_nonsense_is_not_told_who_we_are() {
    let node = TestNode::start_also_at(1, "autonat.server = true", "/ip4/127.0.0.1/tcp/0").await;
    let address: Multiaddr = address_over_tcp(&node).await.parse().expect("an address");
    let mut stranger = Peer::connect_at(9, node.keys.peer(), address).await;
    let mut asked = stranger.control.accept(AUTH).expect("nobody else does");
    let (listener, mut dialled) = spoils().await;
    let _request = has_dialled(&mut stranger, &listener).await;
    let dial = tokio::time::timeout(PATIENCE, dialled.recv()).await;
    assert_eq!(dial, Ok(Some(())), "the server dials");
    let told = tokio::time::timeout(Duration::from_secs(3), asked.next()).await;
    assert!(told.is_err(), "the node says who it is");
}
