//! Two nodes that dial each other at once: whatever becomes of their two connections, each hears
//! all that the other says.

use futures::future::join;
use orrery_node::CommandError;
use orrery_node::api::{Command, Event, Payload, Reply};
use orrery_node::card::Card;

use crate::world::{PATIENCE, TestNode};

const GROUPS: &str = r#"
    "gossip.enabled" = true
    "gossip.topics" = ["lunch"]
    "connections.idle_timeout" = "1m"
"#;

async fn dial(node: &TestNode, other: &TestNode) {
    let card: Card = other.card.parse().expect("a card");
    let address = card.addresses[0].clone().with_p2p(card.peer);
    let address = address.expect("its own").to_string();
    let done = node.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
}

/// Has `from` say something until somebody is there to hear it, and waits until `to` does.
async fn hears(from: &TestNode, to: &TestNode, text: &str) {
    let data = Payload(text.as_bytes().to_vec());
    let said = async {
        loop {
            let publish = Command::Publish {
                topic: "lunch".parse().expect("it is short"),
                data: data.clone(),
            };
            match from.handle.command(publish).await {
                Ok(_) => return,
                Err(CommandError::Invalid { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    let said = tokio::time::timeout(PATIENCE, said).await;
    said.expect("somebody is there");
    let comes =
        |event: &Event| matches!(event, Event::GossipReceived { data: d, .. } if *d == data);
    to.seen.wait("it is heard", comes).await;
}

async fn check(settings: &str) {
    let settings = format!("{GROUPS}\n{settings}");
    let alice = TestNode::start(1, &settings).await;
    let bob = TestNode::start(2, &settings).await;
    join(dial(&alice, &bob), dial(&bob, &alice)).await;
    join(hears(&alice, &bob, "a"), hears(&bob, &alice, "b")).await;
    for node in [&alice, &bob] {
        let up = |event: &Event| matches!(event, Event::Connected { .. });
        node.seen.wait("they are connected", up).await;
    }
    for node in [&alice, &bob] {
        let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
        node.seen.wait("one of two connections ends", gone).await;
        assert_eq!(node.handle.counters()["crossing-dials"], 1);
    }
    join(
        hears(&alice, &bob, "after a"),
        hears(&bob, &alice, "after b"),
    )
    .await;
    for node in [&alice, &bob] {
        let Ok(Reply::Status { connections, .. }) = node.handle.command(Command::Status).await
        else {
            panic!("no status");
        };
        assert_eq!(connections.len(), 1);
    }
}

#[tokio::test]
async fn each_hears_the_other_before_and_after_one_connection_ends() {
    check("\"feed.enabled\" = false").await;
}

#[tokio::test]
async fn nodes_with_feeds_prove_their_identities_and_hear_each_other() {
    check("").await;
}

#[tokio::test]
async fn nodes_that_test_addresses_for_each_other_do_not_take_both_dials_for_tests() {
    check("\"autonat.enabled\" = true\n\"autonat.server\" = true").await;
}
