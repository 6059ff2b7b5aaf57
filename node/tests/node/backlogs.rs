//! Backlogs that no circuit carries whole: what comes through relays, what cannot, and what that
//! costs them.

use std::time::Duration;

use orrery_node::api::{Audience, Event, Reply};
use orrery_node::keys::Keys;
use orrery_node::op::OpId;

use crate::world::TestNode;

/// As many bytes as the text of a post may have, but for what JSON adds.
const POST_BYTES: usize = 31 * 1024;

const QUICK: &str = r#"
    "connections.idle_timeout" = "1m"
    "sync.pull_interval" = "1s"
    "dial.backoff_first" = "50ms"
"#;

async fn relay(settings: &str) -> TestNode {
    let settings = format!("{QUICK}\n\"relay.enabled\" = true\n{settings}");
    TestNode::start(1, &settings).await
}

/// A node whose card leads through the relay and nowhere else.
async fn behind(relay: &TestNode, seed: u8) -> TestNode {
    let card: orrery_node::card::Card = relay.card.parse().expect("a card");
    let at = format!("{}/p2p/{}", card.addresses[0], card.peer);
    let us = Keys::generate(Some([seed; 32])).peer();
    let settings = format!(
        r#"{QUICK}
        "bootstrap.peers" = ["{at}"]
        "listen.announce" = ["{at}/p2p-circuit/p2p/{us}"]
        "relay_client.enabled" = true
        "relay_client.gather" = "10ms""#
    );
    let node = TestNode::start(seed, &settings).await;
    node.seen
        .wait("the relay holds a place", |event| {
            matches!(event, Event::RelayReserved { .. })
        })
        .await;
    node
}

/// Posts so many that are as large as can be.
async fn posts(author: &TestNode, count: usize) -> Vec<OpId> {
    let mut names = Vec::new();
    for number in 0..count {
        let text = format!("{number}{}", "x".repeat(POST_BYTES));
        names.push(author.post(&text, Audience::Public).await);
    }
    names
}

fn circuits(relay: &TestNode) -> usize {
    relay
        .seen
        .count(|event| matches!(event, Event::CircuitOpened { .. }))
}

/// Bytes that a node sent over circuits.
fn carried(node: &TestNode) -> u64 {
    node.handle.counters()["circuit-bytes-sent"]
}

#[tokio::test]
async fn a_backlog_passes_a_relay_of_libp2ps_defaults_both_ways() {
    let relay = relay("").await;
    let [alice, bob] = [behind(&relay, 2).await, behind(&relay, 3).await];
    // Either way some 380 KiB, where a circuit carries 128 KiB for both.
    let (alices, bobs) = (posts(&alice, 12).await, posts(&bob, 12).await);
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    for name in &alices {
        bob.received(name).await;
    }
    for name in &bobs {
        alice.received(name).await;
    }
    let opened = circuits(&relay);
    assert!((6..=20).contains(&opened), "{opened} circuits");
    // What the relay carried in vain is little. Pages of both ends that set out at the same moment
    // may want the same room, so that some circuits are cut; what they lose is a page each.
    let useful = 24 * POST_BYTES as u64;
    let carried = carried(&alice) + carried(&bob);
    assert!(
        carried <= useful + useful / 2,
        "{carried} bytes for {useful}, {opened} circuits"
    );
}

#[tokio::test]
async fn a_post_that_no_circuit_can_carry_is_refused_and_not_tried_over_and_over() {
    let relay = relay("\"relay.max_circuit_bytes\" = 16384").await;
    let [alice, bob] = [behind(&relay, 2).await, behind(&relay, 3).await];
    let small = alice
        .post("a small one goes before", Audience::Public)
        .await;
    posts(&alice, 1).await;
    bob.follow(&alice).await;
    bob.received(&small).await;
    alice
        .seen
        .refusal("/orrery/feed/1", "too-large-for-relay")
        .await;
    let Ok(Reply::Pulled { items: 0, failed }) = bob.pull().await else {
        panic!("nothing that is left can come");
    };
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].1, "refused: too-large-for-relay");
    let before = carried(&alice) + carried(&bob);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = carried(&alice) + carried(&bob);
    assert!(
        after - before < 16 * 1024,
        "{} bytes in vain",
        after - before
    );
}
