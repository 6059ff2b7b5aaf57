//! Posts that their authors want forgotten at some time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use orrery_node::environment::Disk;
use orrery_node::keys::Keys;
use orrery_node::op::{Encryption, Header, Hlc, LogId, SignedHeader};
use orrery_node::pull::{End, Item, Lapsed, PullPage};
use orrery_node::real::FolderDisk;
use orrery_node::store::Store;
use orrery_node::sync_strategy::SyncStrategy;
use tempfile::TempDir;

use crate::world::{PATIENCE, TestNode};

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_millis() as u64
}

fn opened(folder: &TempDir, keys: &Keys) -> Store {
    let disk = FolderDisk::create(folder.path()).expect("a disk");
    Store::open(&(Arc::new(disk) as Arc<dyn Disk>), keys.clone()).expect("opens")
}

/// A public post that its author wants forgotten at `expires_ms`.
fn expiring(author: &Keys, expires_ms: u64) -> Item {
    let body = br#"{"type":"note/1","text":"for a while"}"#.to_vec();
    let header = Header {
        names_author: true,
        log: LogId([1; 16]),
        device: author.delegation().device,
        seq: 0,
        prev: None,
        hlc: Hlc::first(now_ms()),
        body_hash: blake3::hash(&body).into(),
        body_len: body.len() as u32,
        encryption: Encryption::None,
        expires_ms: Some(expires_ms),
        deps: Vec::new(),
        flags: 0,
    };
    Item {
        header: SignedHeader::sign(&header, author).expect("a key in memory signs"),
        delegation: author.delegation().encode(),
        body,
        wrap: None,
    }
}

#[tokio::test]
async fn what_expires_while_a_node_runs_is_cleared_away_without_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (reader, author) = (Keys::generate(Some([1; 32])), Keys::generate(Some([2; 32])));
    let mut store = opened(&folder, &reader);
    let card = author.card(&[]).expect("a key in memory signs");
    store.follow(&card).expect("follows");
    let request = store.pull_request(author.identity(), SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let page = PullPage {
        items: vec![expiring(&author, now_ms() + 2_000)],
        next: request.state,
        end: Some(End {
            complete: true,
            delegation: author.delegation().encode(),
            heads: Vec::new(),
        }),
        lapsed: Lapsed::default(),
    };
    let taken = store.ingest(author.identity(), &request, &page, now_ms());
    assert_eq!(taken.expect("ingests").new.len(), 1);
    drop(store);
    let node = TestNode::start_in(folder, 1, "").await;
    let forgotten = async {
        while node.handle.counters().get("items-forgotten") != Some(&1) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let forgotten = tokio::time::timeout(PATIENCE, forgotten).await;
    forgotten.expect("it is cleared away");
    let folder = node.leave().await;
    let store = opened(&folder, &reader);
    assert_eq!(store.next_expiry().expect("reads"), None);
    assert_eq!(store.readable_ops().expect("reads"), []);
}
