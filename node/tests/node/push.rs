//! Friends who are connected are told of posts at once.

use futures::AsyncWriteExt;
use orrery_node::api::{Audience, Event};
use orrery_node::protocol::frame::read_frame;
use orrery_node::push::PROTOCOL;

use crate::discovery::false_friend;
use crate::hostile::Peer;
use crate::world::TestNode;

/// Without push nothing would come before the test gives up.
const SELDOM: &str = "sync.pull_interval = \"1h\"\ndial.backoff_first = \"50ms\"\n";

fn pushing() -> String {
    format!("{SELDOM}push.enabled = true")
}

#[tokio::test]
async fn a_friend_who_is_told_has_a_post_long_before_the_next_pull() {
    let alice = TestNode::start(1, &pushing()).await;
    let bob = TestNode::start(2, &pushing()).await;
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    bob.meets(&alice).await;
    bob.pull().await.expect("pulled");
    let public = alice.post("to all", Audience::Public).await;
    bob.received(&public).await;
    let personal = alice.post("to friends", Audience::Friends).await;
    bob.received(&personal).await;
    let to = bob.identity();
    let told = alice.seen.count(|event| *event == Event::Pushed { to });
    assert_eq!(told, 2);
}

#[tokio::test]
async fn who_does_not_follow_is_not_had_to_pull() {
    let alice = TestNode::start(1, &pushing()).await;
    let bob = TestNode::start(2, &pushing()).await;
    alice.follow(&bob).await;
    alice.meets(&bob).await;
    alice.post("to all", Audience::Public).await;
    bob.seen.refusal("/orrery/push/1", "stranger").await;
    let pulled =
        |event: &Event| matches!(event, Event::PullEnded { .. } | Event::PullFailed { .. });
    assert_eq!(bob.seen.count(pulled), 0);
}

/// Opens one substream after the other and writes `bytes` to each, until the connection is closed; how many
/// it came to.
async fn flood(node: &TestNode, peer: &mut Peer, bytes: &[u8]) -> usize {
    let mut opened = 0;
    while opened < 1_000 {
        let Some(mut stream) = peer.opens(PROTOCOL).await else {
            break;
        };
        opened += 1;
        if stream.write_all(bytes).await.is_err() || stream.flush().await.is_err() {
            break;
        }
        // An answer, or an end where the frame is none.
        let _ = read_frame(&mut stream, 1).await;
    }
    let told =
        |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "push-refused");
    node.seen.wait("the bound is told", told).await;
    opened
}

#[tokio::test]
async fn who_floods_push_with_what_is_refused_loses_the_connection() {
    // An empty frame, as it should be; one that is longer than any may be.
    for bytes in [&[0][..], &[5, 1, 2, 3, 4, 5]] {
        let node = TestNode::start(1, &pushing()).await;
        let mut stranger = Peer::connect(9, &node).await;
        let opened = flood(&node, &mut stranger, bytes).await;
        assert!((250..=310).contains(&opened), "{bytes:?}: {opened}");
    }
}

#[tokio::test]
async fn a_friend_who_tells_too_often_loses_the_connection_too() {
    let settings = format!("{}\npush.max_per_minute = 2", pushing());
    let (node, mut friend) = false_friend(&settings).await;
    let opened = flood(&node, &mut friend, &[0]).await;
    assert!((250..=312).contains(&opened), "{opened}");
    node.seen.refusal(PROTOCOL.as_ref(), "busy").await;
}
