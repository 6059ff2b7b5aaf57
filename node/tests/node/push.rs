//! Friends who are connected are told of posts at once.

use orrery_node::api::{Audience, Event};

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
