//! An author whose folder was restored from a copy, and readers who hold more than it does.

use std::fs;
use std::path::Path;

use orrery_node::api::{Audience, Command, Event, Reply};
use orrery_node::keys::{Keys, Rotation};
use tempfile::TempDir;

use crate::world::TestNode;

const QUICK: &str = "sync.pull_interval = \"100ms\"\ndial.backoff_first = \"50ms\"";

/// A copy of everything below `folder`.
fn copy(folder: &TempDir) -> TempDir {
    fn into(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).expect("lists") {
            let entry = entry.expect("lists");
            let to = to.join(entry.file_name());
            if entry.file_type().expect("known").is_dir() {
                fs::create_dir(&to).expect("makes it");
                into(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), &to).expect("copies");
            }
        }
    }
    let copy = tempfile::tempdir().expect("a temporary folder");
    into(folder.path(), copy.path());
    copy
}

fn ended(event: &Event, why: &str) -> bool {
    matches!(event, Event::OwnLogEnded { reason, .. } if reason == why)
}

/// Alice with one post more than her copy has, and Bob, who holds it. Alice's node runs on the
/// copy. Only if `mutual` she follows him.
async fn restored(mutual: bool) -> (TestNode, TestNode) {
    let bob = TestNode::start(2, QUICK).await;
    let alice = TestNode::start(1, QUICK).await;
    if mutual {
        alice.follow(&bob).await;
    }
    alice.post("first", Audience::Public).await;
    let folder = alice.leave().await;
    let backup = copy(&folder);
    let alice = TestNode::start_in(folder, 1, QUICK).await;
    let second = alice.post("second", Audience::Public).await;
    bob.follow(&alice).await;
    bob.received(&second).await;
    alice.leave().await;
    (TestNode::start_in(backup, 1, QUICK).await, bob)
}

#[tokio::test]
async fn a_restored_author_is_told_by_a_friend_and_goes_on_in_a_new_log() {
    let (alice, bob) = restored(true).await;
    alice
        .seen
        .wait("the log ends", |event| ended(event, "others-hold-more"))
        .await;
    let third = alice.post("third", Audience::Public).await;
    bob.follow(&alice).await;
    bob.received(&third).await;
    assert_eq!(bob.texts().await, ["first", "second", "third"]);
    let forked = |event: &Event| matches!(event, Event::Forked { .. });
    assert_eq!(bob.seen.count(forked), 0);
}

#[tokio::test]
async fn an_author_whose_log_a_reader_froze_is_told_by_whoever_pulls() {
    let (alice, bob) = restored(false).await;
    // Nobody has told her yet: this is another second post.
    let lost = alice.post("second again", Audience::Public).await;
    bob.follow(&alice).await;
    bob.seen
        .wait("the fork is found", |event| {
            matches!(event, Event::Forked { seq: 1, .. })
        })
        .await;
    alice
        .seen
        .wait("the log ends", |event| ended(event, "forked"))
        .await;
    let third = alice.post("third", Audience::Public).await;
    assert_ne!(third, lost);
    bob.received(&third).await;
    assert_eq!(bob.texts().await, ["first", "second", "third"]);
}

#[tokio::test]
async fn an_author_can_begin_new_logs_by_a_command() {
    let (alice, bob) = restored(false).await;
    let done = alice.handle.command(Command::BeginLogs).await;
    assert_eq!(done, Ok(Reply::Done));
    alice
        .seen
        .wait("the log ends", |event| ended(event, "asked"))
        .await;
    let third = alice.post("third", Audience::Public).await;
    bob.follow(&alice).await;
    bob.received(&third).await;
    assert_eq!(bob.texts().await, ["first", "second", "third"]);
}

#[tokio::test]
async fn a_copy_from_before_a_rotation_goes_on_in_new_logs_once_a_friend_was_heard() {
    let bob = TestNode::start(2, QUICK).await;
    let alice = TestNode::start(1, QUICK).await;
    alice.follow(&bob).await;
    let first = alice.post("first", Audience::Public).await;
    bob.follow(&alice).await;
    bob.received(&first).await;
    let folder = alice.leave().await;
    let backup = copy(&folder);
    let keys = Keys::generate(Some([1; 32])).rotated(Rotation::BOTH, None);
    let alice = TestNode::start_as(folder, keys.expect("there is room"), QUICK).await;
    let second = alice.post("second", Audience::Public).await;
    bob.follow(&alice).await;
    bob.received(&second).await;
    alice.leave().await;
    // All that is held of the old device's log the copy has; what came after it, it cannot know.
    let alice = TestNode::start_in(backup, 1, QUICK).await;
    alice
        .seen
        .wait("the log ends", |event| ended(event, "old-copy"))
        .await;
    let old = |event: &Event| matches!(event, Event::KeysAreOld { .. });
    assert_eq!(alice.seen.count(old), 1);
}
