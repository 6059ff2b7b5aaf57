//! Relays that babble, hang up, flood or lie cost their clients little, and so do clients that
//! flood a relay.

use std::future::ready;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;
use libp2p::relay::{HOP_PROTOCOL_NAME, STOP_PROTOCOL_NAME};
use orrery_node::api::{Command, Event, Reply};
use orrery_node::card::Card;

use crate::liar::{Asked, Liar, answers, field, framed, number};
use crate::world::TestNode;

/// How a hostile relay answers a request.
#[derive(Clone, Copy)]
enum Answer {
    /// With bytes that are no message.
    Garbage,
    /// By closing the stream.
    Nothing,
    /// By granting for so many seconds from then on.
    Granted(u64),
}

/// A peer that says that it relays.
fn relay(answer: Answer) -> Liar {
    Liar::start(HOP_PROTOCOL_NAME, move |asked| {
        ready(Some(reply(answer, &asked)))
    })
}

fn reply(answer: Answer, asked: &Asked) -> Vec<u8> {
    match answer {
        Answer::Garbage => vec![0x7f; 300],
        Answer::Nothing => vec![],
        Answer::Granted(seconds) => {
            let mut reservation = Vec::new();
            number(&mut reservation, 0x08, now_s().saturating_add(seconds));
            field(&mut reservation, 0x12, &asked.address.to_vec());
            // HopMessage: type 1 = STATUS (2), reservation 3, status 5 = OK (100).
            let mut message = vec![0x08, 2];
            field(&mut message, 0x1a, &reservation);
            message.extend([0x28, 100]);
            framed(&message)
        }
    }
}

/// A node that knows `relay` and wants to hold a place on it.
async fn client(relay: &Liar) -> TestNode {
    let settings = format!(
        r#"
        "feed.enabled" = false
        "connections.idle_timeout" = "1m"
        "relay_client.enabled" = true
        "relay_client.gather" = "10ms"
        "bootstrap.peers" = ["{}"]
        "#,
        relay.address
    );
    TestNode::start(3, &settings).await
}

async fn fails(node: &TestNode, why: &str) {
    node.seen
        .wait(
            "the reservation fails",
            |event| matches!(event, Event::RelayReservationFailed { reason, .. } if reason.name() == why),
        )
        .await;
}

#[tokio::test]
async fn a_relay_that_babbles_is_asked_once() {
    let liar = relay(Answer::Garbage);
    let node = client(&liar).await;
    fails(&node, "malformed").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(liar.asked(), 1);
    answers(&node).await;
}

#[tokio::test]
async fn a_relay_that_hangs_up_is_asked_at_longer_and_longer_intervals() {
    let liar = relay(Answer::Nothing);
    let node = client(&liar).await;
    fails(&node, "connection-closed").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Pauses of at least 0.5, 1 and 2 s lie between.
    let asked = liar.asked();
    assert!((2..=3).contains(&asked), "asked {asked} times");
    answers(&node).await;
}

#[tokio::test]
async fn a_relay_whose_places_expire_at_once_is_given_up() {
    let liar = relay(Answer::Granted(1));
    let node = client(&liar).await;
    node.seen
        .wait("the relay is given up", |event| {
            matches!(event, Event::RelayReservationLost { reason, .. }
                if reason.name() == "renewed-too-often")
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = liar.asked();
    assert!((2..=4).contains(&asked), "asked {asked} times");
    answers(&node).await;
}

#[tokio::test]
async fn a_place_for_ever_is_no_harm() {
    let liar = relay(Answer::Granted(u64::MAX));
    let node = client(&liar).await;
    node.seen
        .wait("the place is granted", |event| {
            matches!(event, Event::RelayReserved { .. })
        })
        .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(liar.asked(), 1);
    answers(&node).await;
}

#[tokio::test]
async fn a_relay_that_announces_circuits_without_end_opens_none() {
    let liar = relay(Answer::Granted(3600));
    let node = client(&liar).await;
    node.seen
        .wait("the place is granted", |event| {
            matches!(event, Event::RelayReserved { .. })
        })
        .await;
    let mut control = liar.control.clone();
    let target = node.keys.peer();
    for _ in 0..200 {
        let Ok(mut stream) = control.open_stream(target, STOP_PROTOCOL_NAME).await else {
            break;
        };
        // StopMessage: type 1 = CONNECT (0), peer 2 with its id 1.
        let mut peer = Vec::new();
        field(&mut peer, 0x0a, &PeerId::random().to_bytes());
        let mut message = vec![0x08, 0];
        field(&mut message, 0x12, &peer);
        let _ = stream.write_all(&framed(&message)).await;
        if stream.close().await.is_err() {
            break;
        }
    }
    answers(&node).await;
    let opened = |event: &Event| matches!(event, Event::CircuitOpened { .. });
    assert_eq!(node.seen.count(opened), 0);
    assert!(node.handle.counters()["incoming-failed"] > 0);
}

#[tokio::test]
async fn a_client_that_floods_a_relay_is_refused_with_the_reason() {
    let liar = relay(Answer::Nothing);
    let relay = TestNode::start(1, "\"feed.enabled\" = false\n\"relay.enabled\" = true").await;
    let card: Card = relay.card.parse().expect("a card");
    let address = liar.address.to_string();
    let dialled = relay.handle.command(Command::dial(address)).await;
    assert_eq!(dialled, Ok(Reply::Done));
    relay
        .seen
        .wait("they are connected", |event| {
            matches!(event, Event::Connected { .. })
        })
        .await;
    let mut control = liar.control.clone();
    for _ in 0..40 {
        let opened = control.open_stream(card.peer, HOP_PROTOCOL_NAME).await;
        let mut stream = opened.expect("the relay takes it");
        // HopMessage: type 1 = RESERVE (0).
        stream.write_all(&framed(&[0x08, 0])).await.expect("sent");
        stream.close().await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        assert!(!answer.is_empty());
    }
    let granted = |event: &Event| matches!(event, Event::RelayGranted { .. });
    let refused = |event: &Event| matches!(event, Event::RelayRefused { reason, .. } if reason == "peer-rate");
    relay.seen.wait("the flood is refused", refused).await;
    assert_eq!(relay.seen.count(granted), 30);
    answers(&relay).await;
}

#[tokio::test]
async fn a_client_that_answers_nobody_is_asked_for_so_many_circuits_at_once() {
    let client = Liar::start(STOP_PROTOCOL_NAME, |_| ready(None));
    let source = relay(Answer::Nothing);
    let settings = r#"
        "feed.enabled" = false
        "connections.idle_timeout" = "1m"
        "relay.enabled" = true
        "relay.max_circuits" = 100
        "relay.max_circuits_per_peer" = 100
        "#;
    let relay = TestNode::start(1, settings).await;
    let peer = relay.keys.peer();
    for liar in [&client, &source] {
        let dial = Command::dial(liar.address.to_string());
        assert_eq!(relay.handle.command(dial).await, Ok(Reply::Done));
    }
    let mut control = client.control.clone();
    let opened = control.open_stream(peer, HOP_PROTOCOL_NAME).await;
    let mut stream = opened.expect("the relay takes it");
    // HopMessage: type 1 = RESERVE (0).
    stream.write_all(&framed(&[0x08, 0])).await.expect("sent");
    let granted = |event: &Event| matches!(event, Event::RelayGranted { .. });
    relay.seen.wait("the place is granted", granted).await;
    // HopMessage: type 1 = CONNECT (1), peer 2 with its id 1.
    let mut named = Vec::new();
    field(&mut named, 0x0a, &client.peer.to_bytes());
    let mut message = vec![0x08, 1];
    field(&mut message, 0x12, &named);
    let mut control = source.control.clone();
    let mut held = Vec::new();
    for asked in 1..=10 {
        let opened = control.open_stream(peer, HOP_PROTOCOL_NAME).await;
        let mut stream = opened.expect("the relay takes it");
        stream.write_all(&framed(&message)).await.expect("sent");
        held.push(stream);
        while client.asked() < asked {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let opened = control.open_stream(peer, HOP_PROTOCOL_NAME).await;
    let mut stream = opened.expect("the relay takes it");
    stream.write_all(&framed(&message)).await.expect("sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    read.expect("an answer in time").expect("an answer");
    // Its status, 5: CONNECTION_FAILED (203).
    assert!(answer.ends_with(&[0x28, 203, 1]), "{answer:?}");
    assert_eq!(client.asked(), 10);
    answers(&relay).await;
}

fn now_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}
