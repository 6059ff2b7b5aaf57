//! Panics of the storage and of the loop: the node goes on, or ends and says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::transport::MemoryTransport;
use libp2p::{Multiaddr, Transport};
use orrery_node::api::{Audience, Command, Event};
use orrery_node::config::Config;
use orrery_node::environment::{ByteStream, Environment, Observer, Wire};
use orrery_node::keys::Keys;
use orrery_node::op::OpId;
use orrery_node::real::{FolderDisk, StorageThread, TokioExecutor};
use orrery_node::{CommandError, Ending, Node};
use serde_json::json;

use crate::world::TestNode;

fn post(text: &str) -> Command {
    Command::Post {
        body: json!({"type": "note/1", "text": text}),
        to: Audience::Public,
    }
}

#[tokio::test]
async fn a_job_that_panics_fails_alone_and_the_store_is_opened_anew() {
    let alice = TestNode::start(1, "").await;
    let bob = TestNode::start(2, "").await;
    let before = alice.post("before", Audience::Public).await;
    let block = Command::Block {
        identity: bob.identity(),
    };
    alice.handle.command(block).await.expect("blocks");
    for panics in 1..=2 {
        alice.disk_panics.store(panics, Ordering::SeqCst);
        let failed = alice.handle.command(post("unlucky")).await;
        assert!(
            matches!(failed, Err(CommandError::Storage { .. })),
            "{failed:?}"
        );
        alice.disk_panics.store(0, Ordering::SeqCst);
        let after = alice.post("after", Audience::Public).await;
        let posts = alice.timeline().await;
        for name in [&before, &after] {
            assert!(posts.iter().any(|post| post.op == *name), "{posts:?}");
        }
    }
    let told = |event: &Event| matches!(event, Event::StorageFailed { .. });
    assert!(alice.seen.count(told) >= 2);
}

#[tokio::test]
async fn a_node_whose_storage_panics_whatever_is_tried_ends_and_says_so() {
    let alice = TestNode::start(1, "").await;
    alice.disk_panics.store(u32::MAX, Ordering::SeqCst);
    let ended = async {
        loop {
            if alice.handle.command(post("unlucky")).await == Err(CommandError::Stopped) {
                return;
            }
        }
    };
    let patience = crate::world::PATIENCE;
    tokio::time::timeout(patience, ended).await.expect("ends");
    assert_eq!(alice.handle.ended().await, Ending::StorageLost);
}

/// Panics on the loop's task when a post is told of.
struct Panicking;

impl Observer for Panicking {
    fn event(&self, event: &Event) {
        assert!(!matches!(event, Event::Posted { .. }), "the test wants it");
    }
}

#[tokio::test]
async fn a_loop_that_panics_ends_the_node_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = FolderDisk::create(folder.path()).expect("a disk");
    let environment = Environment {
        wires: Vec::new(),
        executor: Arc::new(TokioExecutor::current()),
        storage: Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread")),
        local: None,
        upnp: false,
        observer: Arc::new(Panicking),
    };
    let mut config = Config::default();
    config.listen.addresses.clear();
    let keys = Keys::generate(Some([1; 32]));
    let handle = Node::start(config, keys, environment)
        .await
        .expect("starts");
    let failed = handle.command(post("the last")).await;
    assert_eq!(failed, Err(CommandError::Stopped));
    assert_eq!(handle.ended().await, Ending::Broken);
    handle.stop().await;
}

/// A byte stream that panics as soon as it is read from.
struct Bomb;

impl AsyncRead for Bomb {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        panic!("the test wants it")
    }
}

impl AsyncWrite for Bomb {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_connection_that_panics_ends_the_node_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = FolderDisk::create(folder.path()).expect("a disk");
    let memory = MemoryTransport::default();
    let memory = memory.map(|_, _| -> ByteStream { Box::pin(Bomb) });
    let environment = Environment {
        wires: vec![Wire::Stream(memory.boxed())],
        executor: Arc::new(TokioExecutor::current()),
        storage: Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread")),
        local: None,
        upnp: false,
        observer: Arc::new(Panicking),
    };
    let mut config = Config::default();
    let address: Multiaddr = "/memory/800000001".parse().expect("an address");
    config.listen.addresses = vec![address.clone()];
    let keys = Keys::generate(Some([1; 32]));
    let handle = Node::start(config, keys, environment)
        .await
        .expect("starts");
    let other = TestNode::start(2, "").await;
    let address = address.to_string();
    let dialled = other.handle.command(Command::dial(address)).await;
    assert!(dialled.is_ok(), "{dialled:?}");
    let ended = tokio::time::timeout(crate::world::PATIENCE, handle.ended()).await;
    assert_eq!(ended, Ok(Ending::Broken));
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_has_stopped() {
    let alice = TestNode::start(1, "").await;
    alice.handle.stop().await;
    assert_eq!(alice.handle.ended().await, Ending::Stopped);
}

/// Puts what cannot be read in the place of an own post in the index below `folder`.
fn damage_entry(folder: &std::path::Path, op: &OpId) {
    let ops = redb::TableDefinition::<&[u8; 32], &[u8]>::new("ops");
    let index = redb::Database::create(folder.join("index.redb")).expect("opens");
    let txn = index.begin_write().expect("begins");
    let mut table = txn.open_table(ops).expect("is there");
    assert!(table.insert(&op.0, &b"?"[..]).expect("writes").is_some());
    drop(table);
    txn.commit().expect("commits");
}

#[tokio::test]
async fn an_own_post_that_the_index_cannot_read_is_told_of_and_served_from_its_files() {
    let alice = TestNode::start(1, "").await;
    let first = alice.post("first", Audience::Public).await;
    let second = alice.post("second", Audience::Public).await;
    let folder = alice.leave().await;
    damage_entry(folder.path(), &first);
    let alice = TestNode::start_in(folder, 1, "").await;
    let bob = TestNode::start(2, "sync.pull_interval = \"100ms\"").await;
    bob.follow(&alice).await;
    bob.received(&first).await;
    bob.received(&second).await;
    let told = |event: &Event| matches!(event, Event::StorageFailed { doing, .. } if doing == "answering a pull");
    assert!(alice.seen.count(told) >= 1);
}
