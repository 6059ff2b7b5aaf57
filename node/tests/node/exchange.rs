//! Nodes that behave exchange what they should, and nothing else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use orrery_node::CommandError;
use orrery_node::api::{Audience, Command, Event, Reply};
use orrery_node::op::OpId;

use crate::world::TestNode;

const QUICK: &str = "sync.pull_interval = \"100ms\"\ndial.backoff_first = \"50ms\"";

#[tokio::test]
async fn friends_receive_public_and_personal_posts_and_strangers_only_public_ones() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    let carol = TestNode::start(3, QUICK).await;
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    carol.follow(&alice).await;
    let public = alice.post("to all", Audience::Public).await;
    let personal = alice.post("to friends", Audience::Friends).await;
    let last = alice.post("the last to all", Audience::Public).await;
    for post in [&public, &personal, &last] {
        bob.received(post).await;
    }
    carol.received(&public).await;
    carol.received(&last).await;
    assert_eq!(
        bob.texts().await,
        ["the last to all", "to all", "to friends"]
    );
    assert_eq!(carol.texts().await, ["the last to all", "to all"]);
}

#[tokio::test]
async fn an_earlier_post_comes_once_it_is_granted() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    let carol = TestNode::start(3, QUICK).await;
    alice.follow(&bob).await;
    let post = alice.post("for bob", Audience::Friends).await;
    alice.follow(&carol).await;
    carol.follow(&alice).await;
    carol.meets(&alice).await;
    assert_eq!(
        carol.pull().await,
        Ok(Reply::Pulled {
            items: 0,
            failed: vec![]
        })
    );
    let grant = Command::Grant {
        op: post,
        reader: carol.identity(),
    };
    assert_eq!(alice.handle.command(grant).await, Ok(Reply::Done));
    carol.received(&post).await;
}

#[tokio::test]
async fn two_that_dial_at_once_keep_one_connection() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    let post = alice.post("hello", Audience::Public).await;
    bob.received(&post).await;
    for node in [&alice, &bob] {
        node.pull().await.expect("pulled");
        let count = |fits: fn(&Event) -> bool| node.seen.count(fits);
        let open = || {
            count(|event| matches!(event, Event::Connected { .. }))
                - count(|event| matches!(event, Event::Disconnected { .. }))
        };
        // The other one may still be closing.
        for _ in 0..100 {
            if open() == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(open(), 1);
    }
}

#[tokio::test]
async fn a_blocked_peer_is_cut_off_and_comes_back_when_unblocked() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    alice.follow(&bob).await;
    bob.follow(&alice).await;
    let first = alice.post("before", Audience::Public).await;
    bob.received(&first).await;
    let identity = bob.identity();
    let block = Command::Block { identity };
    assert_eq!(alice.handle.command(block).await, Ok(Reply::Done));
    let second = alice.post("while blocked", Audience::Public).await;
    alice.seen.refusal("connection", "blocked").await;
    assert_eq!(bob.texts().await, ["before"]);
    let unblock = Command::Unblock { identity };
    assert_eq!(alice.handle.command(unblock).await, Ok(Reply::Done));
    bob.received(&second).await;
}

#[tokio::test]
async fn a_block_outlives_a_restart_even_of_a_stranger() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    let block = Command::Block {
        identity: bob.identity(),
    };
    assert_eq!(alice.handle.command(block).await, Ok(Reply::Done));
    let alice = alice.restart(1, QUICK).await;
    bob.follow(&alice).await;
    alice.seen.refusal("/orrery/auth/2", "blocked").await;
    alice.seen.refusal("connection", "blocked").await;
}

#[tokio::test]
async fn a_block_holds_where_the_feed_is_off() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    alice.follow(&bob).await;
    let block = Command::Block {
        identity: bob.identity(),
    };
    assert_eq!(alice.handle.command(block).await, Ok(Reply::Done));
    let alice = alice.restart(1, "feed.enabled = false").await;
    bob.follow(&alice).await;
    alice.seen.refusal("connection", "blocked").await;
}

#[tokio::test]
async fn a_restarted_node_has_its_posts_and_finds_its_friends() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    bob.follow(&alice).await;
    let post = alice.post("kept", Audience::Public).await;
    bob.received(&post).await;
    let bob = bob.restart(2, QUICK).await;
    assert_eq!(bob.texts().await, ["kept"]);
    let next = alice.post("next", Audience::Public).await;
    bob.received(&next).await;
    let reindexed = alice.handle.command(Command::Reindex).await;
    let Ok(Reply::Reindexed {
        before,
        after,
        ops: 2,
    }) = reindexed
    else {
        panic!("{reindexed:?}");
    };
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_pull_from_an_absent_friend_fails_with_the_reason() {
    let alice = TestNode::start(1, QUICK).await;
    let bob = TestNode::start(2, QUICK).await;
    bob.follow(&alice).await;
    bob.meets(&alice).await;
    alice.handle.stop().await;
    let reply = bob.pull().await;
    let Ok(Reply::Pulled { items: 0, failed }) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, alice.identity());
    let stopped = alice.handle.command(Command::Status).await;
    assert_eq!(stopped, Err(CommandError::Stopped));
}

#[tokio::test]
async fn commands_that_make_no_sense_are_refused() {
    let alice = TestNode::start(1, QUICK).await;
    let card = alice.card.clone();
    let stranger = TestNode::start(2, QUICK).await.identity();
    for command in [
        Command::follow(card),
        Command::follow("orrery1".to_owned()),
        Command::Unfollow { identity: stranger },
        Command::Unblock { identity: stranger },
        Command::Pull {
            from: Some(stranger),
        },
        Command::Grant {
            op: OpId([1; 32]),
            reader: stranger,
        },
        Command::Post {
            body: serde_json::json!("no object"),
            to: Audience::Public,
        },
        Command::Post {
            body: serde_json::json!({"type": "note/1", "text": "x"}),
            to: Audience::Only(vec![stranger]),
        },
    ] {
        let result = alice.handle.command(command.clone()).await;
        assert!(
            matches!(result, Err(CommandError::Invalid { .. })),
            "{command:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_disk_that_fails_is_told_of_and_used_again_once_it_works() {
    let alice = TestNode::start(1, QUICK).await;
    let before = alice.post("before", Audience::Public).await;
    alice.disk_broken.store(true, Ordering::SeqCst);
    let post = Command::Post {
        body: serde_json::json!({"type": "note/1", "text": "while broken"}),
        to: Audience::Public,
    };
    for _ in 0..2 {
        let result = alice.handle.command(post.clone()).await;
        assert!(
            matches!(result, Err(CommandError::Storage { .. })),
            "{result:?}"
        );
    }
    alice
        .seen
        .wait(
            "the failure is told",
            |event| matches!(event, Event::StorageFailed { doing, .. } if doing == "posting"),
        )
        .await;
    alice.disk_broken.store(false, Ordering::SeqCst);
    let after = alice.post("after", Audience::Public).await;
    let posts = alice.timeline().await;
    for name in [before, after] {
        assert!(posts.iter().any(|post| post.op == name), "{posts:?}");
    }
}
