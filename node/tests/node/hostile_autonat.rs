//! AutoNAT servers that babble, lie or keep silent: what the node believes of its own addresses,
//! and how often it asks.

use std::future::ready;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use orrery_node::api::{Command, Event, Reply};
use orrery_node::card::Card;
use tokio::sync::{mpsc, oneshot};

use crate::hostile::Peer;
use crate::liar::{Liar, answers, field, framed, number};
use crate::world::TestNode;

const DIAL_REQUEST: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");
const DIAL_BACK: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-back");

/// DialStatus.
const DIAL_ERROR: u64 = 100;
const DIALLED: u64 = 200;

/// Message: dialResponse 2: status 1 = OK (200), addrIdx 2, dialStatus 3.
fn response(dial_status: u64) -> Vec<u8> {
    let mut body = Vec::new();
    number(&mut body, 0x08, 200);
    number(&mut body, 0x10, 0);
    number(&mut body, 0x18, dial_status);
    let mut message = Vec::new();
    field(&mut message, 0x12, &body);
    framed(&message)
}

/// Message: dialDataRequest 3: addrIdx 1, numBytes 2.
fn wants_data(bytes: u64) -> Vec<u8> {
    let mut body = Vec::new();
    number(&mut body, 0x08, 0);
    number(&mut body, 0x10, bytes);
    let mut message = Vec::new();
    field(&mut message, 0x1a, &body);
    framed(&message)
}

/// A server that answers each request with the same bytes, or never.
fn server(answer: Option<Vec<u8>>) -> Liar {
    Liar::start(DIAL_REQUEST, move |_| ready(answer.clone()))
}

/// A node that has the address tested at which the server sees it, as often as it may.
async fn client(server: &Liar) -> TestNode {
    let settings = format!(
        r#"
        "feed.enabled" = false
        "connections.idle_timeout" = "1m"
        "autonat.enabled" = true
        "autonat.probe_interval" = "100ms"
        "bootstrap.peers" = ["{}"]
        "#,
        server.address
    );
    TestNode::start(3, &settings).await
}

async fn is_asked(server: &Liar) {
    let asked = async {
        while server.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let asked = tokio::time::timeout(crate::world::PATIENCE, asked).await;
    asked.expect("the server is asked");
}

async fn addresses(node: &TestNode) -> usize {
    let Ok(Reply::Card { card }) = node.handle.command(Command::Card).await else {
        panic!("no card");
    };
    let card: Card = card.parse().expect("a card");
    card.addresses.len()
}

/// Nothing has been tested, and the node says that it is where it listens, and nowhere else.
async fn believes_nothing(node: &TestNode) {
    let tested = |event: &Event| matches!(event, Event::AddressTested { .. });
    assert_eq!(node.seen.count(tested), 0);
    assert_eq!(addresses(node).await, 1);
    answers(node).await;
}

async fn is_tested(node: &TestNode, expected: bool) {
    let fits = |event: &Event| matches!(event, Event::AddressTested { reachable, .. } if *reachable == expected);
    node.seen.wait("the address is tested", fits).await;
}

#[tokio::test]
async fn an_address_that_nobody_dialled_is_not_confirmed_by_saying_so() {
    let server = server(Some(response(DIALLED)));
    let node = client(&server).await;
    is_asked(&server).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.asked(), 1);
    believes_nothing(&node).await;
}

/// A request to a server, and where its answer goes.
type Request = (Vec<u8>, oneshot::Sender<Vec<u8>>);

/// A server whose answers the test gives.
fn server_by_hand() -> (Liar, mpsc::UnboundedReceiver<Request>) {
    let (asked, requests) = mpsc::unbounded_channel();
    let server = Liar::start(DIAL_REQUEST, move |request| {
        let (answer, answered) = oneshot::channel();
        asked
            .send((request.request, answer))
            .expect("it is waited for");
        async move { answered.await.ok() }
    });
    (server, requests)
}

/// Brings the nonce of a request to the node, and has the server say so.
async fn is_reached(node: &TestNode, (request, answer): Request) {
    // DialRequest: nonce 2, eight bytes at the end, and so is DialBack: nonce 1.
    let nonce = &request[request.len() - 8..];
    let mut peer = Peer::connect(9, node).await;
    let mut stream = peer.open(DIAL_BACK).await;
    let message = [[0x09].as_slice(), nonce].concat();
    stream.write_all(&framed(&message)).await.expect("written");
    stream.flush().await.expect("flushed");
    let mut thanks = Vec::new();
    stream.read_to_end(&mut thanks).await.expect("an answer");
    answer.send(response(DIALLED)).expect("it is waited for");
    is_tested(node, true).await;
    assert_eq!(addresses(node).await, 2);
}

#[tokio::test]
async fn an_address_is_confirmed_once_the_nonce_has_come_to_it() {
    let (server, mut requests) = server_by_hand();
    let node = client(&server).await;
    let request = requests.recv().await.expect("the server is asked");
    is_reached(&node, request).await;
}

#[tokio::test]
async fn one_who_says_that_an_address_is_out_of_reach_does_not_have_the_last_word() {
    let (server, mut requests) = server_by_hand();
    let node = client(&server).await;
    let (_, answer) = requests.recv().await.expect("the server is asked");
    answer.send(response(DIAL_ERROR)).expect("it is waited for");
    is_tested(&node, false).await;
    let request = requests.recv().await.expect("it is asked once more");
    is_reached(&node, request).await;
    let tested = |event: &Event| matches!(event, Event::AddressTested { .. });
    assert_eq!(node.seen.count(tested), 2);
}

#[tokio::test]
async fn what_was_out_of_reach_is_tested_anew_when_the_server_comes_back() {
    let (server, mut requests) = server_by_hand();
    let node = client(&server).await;
    for _ in 0..2 {
        let (_, answer) = requests.recv().await.expect("the server is asked");
        answer.send(response(DIAL_ERROR)).expect("it is waited for");
    }
    let tested = |event: &Event| matches!(event, Event::AddressTested { .. });
    let both = async {
        while node.seen.count(tested) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let both = tokio::time::timeout(crate::world::PATIENCE, both).await;
    both.expect("both tests end");
    server.hang_up(node.keys.peer());
    let request = requests.recv().await.expect("it is asked anew");
    is_reached(&node, request).await;
}

#[tokio::test]
async fn a_stranger_that_serves_is_not_asked_whether_others_reach_us() {
    let known = Liar::start(StreamProtocol::new("/test/nothing/1"), |_| ready(None));
    let node = client(&known).await;
    let stranger = server(Some(response(DIALLED)));
    let address = stranger.address.to_string();
    let done = node.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
    let name = stranger.peer;
    let meets = |event: &Event| matches!(event, Event::Connected { peer, .. } if *peer == name);
    node.seen.wait("the stranger is connected", meets).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stranger.asked(), 0);
    believes_nothing(&node).await;
}

#[tokio::test]
async fn an_address_that_is_said_to_be_out_of_reach_is_tested_twice() {
    let server = server(Some(response(DIAL_ERROR)));
    let node = client(&server).await;
    is_tested(&node, false).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.asked(), 2);
    assert_eq!(addresses(&node).await, 1);
    answers(&node).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_asked_once_in_that_time() {
    let server = server(None);
    let node = client(&server).await;
    is_asked(&server).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.asked(), 1);
    believes_nothing(&node).await;
}

#[tokio::test]
async fn a_server_that_babbles_is_asked_once_in_each_round() {
    let a_gigabyte = wants_data(1_000_000_000);
    for answer in [vec![], vec![0x7f; 300], vec![0xff; 300], a_gigabyte] {
        let server = server(Some(answer));
        let node = client(&server).await;
        is_asked(&server).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = server.asked();
        assert!((2..=11).contains(&asked), "asked {asked} times");
        believes_nothing(&node).await;
    }
}

#[tokio::test]
async fn of_fifty_connections_that_may_test_an_address_two_stay_beside_the_first() {
    const CROWD: u64 = 50;
    let server = server(None);
    let settings = format!(
        r#"
        "feed.enabled" = false
        "connections.idle_timeout" = "1m"
        "connections.max_per_peer" = 100
        "autonat.enabled" = true
        "bootstrap.peers" = ["{}"]
        "#,
        server.address
    );
    let node = TestNode::start(3, &settings).await;
    let connected = |event: &Event| matches!(event, Event::Connected { dialer: true, .. });
    node.seen.wait("it has dialled", connected).await;
    let card: Card = node.card.parse().expect("a card");
    for _ in 0..CROWD {
        server.dial(card.peer, card.addresses[0].clone());
    }
    let ended = async {
        let surplus = || node.handle.counters().get("dial-backs-surplus").copied();
        while surplus() != Some(CROWD - 2) || server.connections() > 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Before those that stay have had their time.
    let ended = tokio::time::timeout(Duration::from_secs(4), ended).await;
    let counts = (node.handle.counters(), server.connections());
    assert!(ended.is_ok(), "{counts:?}");
    answers(&node).await;
}

#[tokio::test]
async fn where_a_stranger_says_to_see_us_is_tested_a_few_times_alone() {
    const PUSH: StreamProtocol = StreamProtocol::new("/ipfs/id/push/1.0.0");
    let server = server(Some(response(DIAL_ERROR)));
    let node = client(&server).await;
    is_tested(&node, false).await;
    let mut stranger = Liar::start(StreamProtocol::new("/test/nothing/1"), |_| ready(None));
    let address = stranger.address.to_string();
    let done = node.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
    let name = stranger.peer;
    let meets = |event: &Event| matches!(event, Event::Connected { peer, .. } if *peer == name);
    node.seen.wait("the stranger is connected", meets).await;
    let pushes = async {
        for number in 0_u64.. {
            // Identify: observedAddr 4, here IPv4 (4) and TCP (6).
            let [.., high, low] = number.to_be_bytes();
            let mut message = Vec::new();
            field(&mut message, 0x22, &[4, 198, 51, high, low, 6, 16, 54]);
            let stream = stranger.control.open_stream(node.keys.peer(), PUSH).await;
            let mut stream = stream.expect("it listens to pushes");
            let _ = stream.write_all(&framed(&message)).await;
            let _ = stream.close().await;
            if node.handle.counters().contains_key("identify-left-out") {
                return;
            }
        }
    };
    let pushed = tokio::time::timeout(crate::world::PATIENCE, pushes).await;
    pushed.expect("it does not listen to all of it");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let of_stranger = |event: &Event| matches!(event, Event::AddressTested { address, .. } if address.starts_with("/ip4/198.51."));
    let tested = node.seen.count(of_stranger);
    // Four addresses, each once more.
    assert!((1..=8).contains(&tested), "{tested} tests are made");
}
