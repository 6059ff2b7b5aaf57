//! Forged, replayed, misplaced and forked ops.

use super::*;
use crate::identity::IdentityId;
use crate::op::{Encryption, Header, Hlc, LogId, OpRefusal, SignedHeader};
use crate::pull::{End, Item, Lapsed, PullRequest};
use crate::store::record::Record;
use crate::store::tables::Derived;
use crate::sync_strategy::PullState;
use crate::sync_strategy::after_ts::AfterTs;
use crate::sync_strategy::cursor::Cursor;

/// Makes public ops of `keys` by hand, right or wrong.
pub(super) fn item(keys: &Keys, seq: u64, prev: Option<OpId>, text: &str) -> Item {
    let body = note(text).to_string().into_bytes();
    let header = Header {
        names_author: true,
        log: LogId([9; 16]),
        device: keys.delegation().device,
        seq,
        prev,
        hlc: Hlc::first(1_000 + seq),
        body_hash: blake3::hash(&body).into(),
        body_len: body.len() as u32,
        encryption: Encryption::None,
        expires_ms: None,
        deps: Vec::new(),
        flags: 0,
    };
    Item {
        header: sign(keys, &header),
        delegation: keys.delegation().encode(),
        body,
        wrap: None,
    }
}

pub(super) fn sign(keys: &Keys, header: &Header) -> SignedHeader {
    SignedHeader::sign(header, keys).expect("signs")
}

pub(super) struct Scene {
    pub(super) author: Keys,
    pub(super) reader: Person,
    request: PullRequest,
}

impl Scene {
    pub(super) fn new() -> Self {
        let author = Keys::generate(Some([1; 32]));
        let mut reader = Person::new(2);
        let card = author.card(&[]).expect("signs");
        reader.store.follow(&card).expect("follows");
        let request = reader
            .store
            .pull_request(author.identity(), SyncStrategy::Cursor, 0, 10)
            .expect("reads");
        Self {
            author,
            reader,
            request,
        }
    }

    fn from(&self) -> IdentityId {
        self.author.identity()
    }

    pub(super) fn ingest(&mut self, items: Vec<Item>) -> Ingested {
        self.ingest_with_heads(items, Vec::new())
    }

    /// As [`Scene::ingest`], with a page that ends with these `heads`.
    pub(super) fn ingest_with_heads(
        &mut self,
        items: Vec<Item>,
        heads: Vec<SignedHeader>,
    ) -> Ingested {
        let page = PullPage {
            items,
            next: self.request.state,
            end: Some(End {
                complete: true,
                delegation: self.author.delegation().encode(),
                heads,
            }),
            lapsed: Lapsed::default(),
        };
        let page = PullPage::decode(&page.encode()).expect("reads");
        let from = self.from();
        let result = self.reader.store.ingest(from, &self.request, &page, NOW_MS);
        result.expect("the disk works")
    }

    pub(super) fn refusals(&mut self, items: Vec<Item>) -> Vec<OpRefusal> {
        let refused = self.ingest(items).refused;
        refused.into_iter().map(|(_, refusal)| refusal).collect()
    }
}

#[test]
fn forged_ops_are_refused_by_kind_and_do_not_hold_up_the_rest() {
    let mut scene = Scene::new();
    let other = Keys::generate(Some([5; 32]));
    let right = item(&scene.author, 0, None, "right");
    let mut signature = item(&scene.author, 1, Some(right.id()), "forged");
    signature.header.signature[0] ^= 1;
    let mut body = item(&scene.author, 1, Some(right.id()), "text");
    body.body = note("tex2").to_string().into_bytes();
    let author = item(&other, 0, None, "somebody else's");
    let mut device = item(&other, 0, None, "an uncertified device's");
    device.delegation = scene.author.delegation().encode();
    let mut sealed = Header::decode(&right.header.bytes).expect("reads");
    sealed.log = LogId([8; 16]);
    sealed.encryption = Encryption::ContentKey;
    let unreadable = Item {
        header: sign(&scene.author, &sealed),
        ..right.clone()
    };
    let kinds = scene.refusals(vec![
        signature,
        body,
        author,
        device,
        unreadable,
        right.clone(),
    ]);
    assert_eq!(
        kinds,
        [
            OpRefusal::Signature,
            OpRefusal::BodyHash,
            OpRefusal::Author,
            OpRefusal::Device,
            OpRefusal::Unreadable,
        ]
    );
    assert_eq!(scene.reader.texts(), ["right"]);
}

#[test]
fn a_body_without_a_type_is_refused() {
    let mut scene = Scene::new();
    let mut wrong = item(&scene.author, 0, None, "");
    wrong.body = b"[]".to_vec();
    let mut header = Header::decode(&wrong.header.bytes).expect("reads");
    header.body_hash = blake3::hash(&wrong.body).into();
    header.body_len = 2;
    wrong.header = sign(&scene.author, &header);
    assert!(matches!(
        scene.refusals(vec![wrong]).as_slice(),
        [OpRefusal::Format(_)]
    ));
}

#[test]
fn an_op_that_is_held_as_another_authors_is_refused() {
    // Two identities that agree on one device have the same op under two names.
    let mut scene = Scene::new();
    let (first, second) = (scene.author.clone(), Keys::generate(Some([6; 32])));
    let shared = first.certifying_as(&second);
    scene
        .reader
        .store
        .follow(&second.card(&[]).expect("signs"))
        .expect("follows");
    let op = item(&first, 0, None, "twice");
    let again = item(&shared, 0, None, "twice");
    assert_eq!(op.id(), again.id());
    assert_eq!(scene.ingest(vec![op]).new.len(), 1);
    scene.author = shared;
    assert_eq!(
        scene.refusals(vec![again]),
        [OpRefusal::Taken(first.identity())]
    );
}

#[test]
fn a_deep_body_is_refused_and_one_held_before_hides_no_other() {
    let mut scene = Scene::new();
    let deep = (0..120).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let deep = serde_json::json!({"type": "note/1", "deep": deep});
    let body = deep.to_string().into_bytes();
    let mut wrong = item(&scene.author, 0, None, "");
    let mut header = Header::decode(&wrong.header.bytes).expect("reads");
    header.body_hash = blake3::hash(&body).into();
    header.body_len = body.len() as u32;
    wrong.header = sign(&scene.author, &header);
    wrong.body = body;
    assert!(matches!(
        scene.refusals(vec![wrong.clone()]).as_slice(),
        [OpRefusal::Format(_)]
    ));
    let posted = scene.reader.store.post(deep, &Audience::Public, NOW_MS);
    assert!(matches!(posted, Err(StoreError::Body(_))));
    // As a version without the bound took it in.
    let author = scene.from();
    let record = Record {
        item: wrong,
        author,
        kind: "note/1".to_owned(),
        content_key: None,
        received_ms: None,
    };
    let entered = scene
        .reader
        .store
        .write(|txn, _| Derived::open(txn)?.enter(&record, &header, None));
    entered.expect("enters");
    scene.reader.post("beside it", &Audience::Public, NOW_MS);
    assert_eq!(scene.reader.texts(), ["beside it"]);
}

#[test]
fn a_stamp_far_ahead_stands_where_it_arrived_and_the_blocked_are_hidden() {
    let mut scene = Scene::new();
    let mut future = item(&scene.author, 0, None, "from 2076");
    let mut header = Header::decode(&future.header.bytes).expect("reads");
    header.hlc = Hlc::first(3_345_000_000_000);
    future.header = sign(&scene.author, &header);
    assert_eq!(scene.ingest(vec![future]).new.len(), 1);
    let reader = &mut scene.reader;
    reader.post("before", &Audience::Public, NOW_MS - 1);
    reader.post("after", &Audience::Public, NOW_MS + 1);
    assert_eq!(reader.texts(), ["after", "from 2076", "before"]);
    let posts = reader.store.timeline(10, None).expect("reads");
    let marked: Vec<bool> = posts.iter().map(|post| post.stamp_ahead).collect();
    assert_eq!(marked, [false, true, false]);
    reader.store.reindex().expect("reindexes");
    assert_eq!(reader.texts(), ["after", "from 2076", "before"]);
    reader.store.block(scene.author.identity()).expect("blocks");
    assert_eq!(reader.texts(), ["after", "before"]);
    assert_eq!(reader.store.timeline(1, None).expect("reads").len(), 1);
}

#[test]
fn a_replayed_op_is_a_duplicate() {
    let mut scene = Scene::new();
    let op = item(&scene.author, 0, None, "once");
    let first = scene.ingest(vec![op.clone(), op.clone()]);
    assert_eq!((first.new.len(), first.duplicates), (1, 1));
    let again = scene.ingest(vec![op]);
    assert_eq!((again.new.len(), again.duplicates), (0, 1));
}

#[test]
fn an_op_that_does_not_continue_its_log_proves_a_fork_from_both_sides() {
    let mut scene = Scene::new();
    let first = item(&scene.author, 0, None, "0");
    let astray = item(&scene.author, 1, Some(OpId([7; 32])), "1");
    let result = scene.ingest(vec![first.clone(), astray.clone()]);
    assert_eq!(result.refused, [(1, OpRefusal::Fork { seq: 0 })]);
    assert_eq!(result.forks, [0]);
    let forks = scene.reader.store.forks().expect("reads");
    assert_eq!(forks[0].proof, [first.header.clone(), astray.header]);
    let mut scene = Scene::new();
    let third = item(&scene.author, 2, Some(OpId([7; 32])), "2");
    let second = item(&scene.author, 1, Some(first.id()), "1");
    let result = scene.ingest(vec![third, second]);
    assert_eq!(result.refused, [(1, OpRefusal::Fork { seq: 1 })]);
    assert_eq!(result.forks, [1]);
}

#[test]
fn a_gap_is_no_reason_to_refuse() {
    let mut scene = Scene::new();
    let first = item(&scene.author, 0, None, "0");
    let second = item(&scene.author, 1, Some(first.id()), "1");
    let third = item(&scene.author, 2, Some(second.id()), "2");
    assert_eq!(scene.ingest(vec![third, first, second]).new.len(), 3);
}

#[test]
fn a_fork_freezes_the_log_there_and_keeps_both_headers() {
    let mut scene = Scene::new();
    let first = item(&scene.author, 0, None, "0");
    let second = item(&scene.author, 1, Some(first.id()), "1");
    let twin = item(&scene.author, 1, Some(first.id()), "another 1");
    let third = item(&scene.author, 2, Some(second.id()), "2");
    let result = scene.ingest(vec![first, second.clone(), twin.clone(), third]);
    assert_eq!(result.new.len(), 2);
    assert_eq!(result.forks, [1]);
    let fork = OpRefusal::Fork { seq: 1 };
    assert_eq!(result.refused, [(2, fork.clone()), (3, fork)]);
    let forks = scene.reader.store.forks().expect("reads");
    assert_eq!(forks.len(), 1);
    assert_eq!(forks[0].seq, 1);
    assert_eq!(forks[0].proof, [second.header, twin.header]);
    // A log of the same device that is not forked goes on.
    let mut other = item(&scene.author, 0, None, "other log");
    let mut header = Header::decode(&other.header.bytes).expect("reads");
    header.log = LogId([4; 16]);
    other.header = sign(&scene.author, &header);
    assert_eq!(scene.ingest(vec![other]).new.len(), 1);
    // What is known of forks outlives a reindex.
    scene.reader.store.reindex().expect("reindexes");
    assert_eq!(scene.reader.store.forks().expect("reads"), forks);
}

#[test]
fn pages_that_lead_nowhere_or_were_not_asked_for_are_refused() {
    let mut scene = Scene::new();
    let mut page = PullPage {
        items: vec![item(&scene.author, 0, None, "x")],
        next: scene.request.state,
        end: None,
        lapsed: Lapsed::default(),
    };
    let from = scene.from();
    assert!(matches!(
        scene
            .reader
            .store
            .ingest(from, &scene.request, &page, NOW_MS),
        Err(StoreError::NoProgress)
    ));
    page.next = PullState::Cursor(Cursor {
        epoch: Some([1; 16]),
        arrival: 1,
    });
    scene.reader.store.unfollow(from).expect("unfollows");
    assert!(matches!(
        scene
            .reader
            .store
            .ingest(from, &scene.request, &page, NOW_MS),
        Err(StoreError::NotFollowed(_))
    ));
    page.next = PullState::AfterTs(AfterTs::default());
    assert!(matches!(
        scene
            .reader
            .store
            .ingest(from, &scene.request, &page, NOW_MS),
        Err(StoreError::OtherEngine)
    ));
}

impl Scene {
    /// The page that `items` make, up to `to` by the cursor.
    pub(super) fn page_of(&self, items: Vec<Item>, to: u64) -> PullPage {
        PullPage {
            items,
            next: PullState::Cursor(Cursor {
                epoch: Some([1; 16]),
                arrival: to,
            }),
            lapsed: Lapsed::default(),
            end: Some(End {
                complete: true,
                delegation: self.author.delegation().encode(),
                heads: Vec::new(),
            }),
        }
    }

    /// Asks as the store would, and takes `page` for the answer.
    pub(super) fn pulled(&mut self, page: &PullPage) -> (PullState, Ingested) {
        let from = self.from();
        let store = &mut self.reader.store;
        let request = store.pull_request(from, SyncStrategy::Cursor, 0, 10);
        let request = request.expect("reads");
        let result = store.ingest(from, &request, page, NOW_MS);
        (request.state, result.expect("the disk works"))
    }
}

#[test]
fn the_cursor_does_not_pass_what_was_refused() {
    let mut scene = Scene::new();
    let good = item(&scene.author, 0, None, "0");
    let mut bad = item(&scene.author, 1, Some(good.id()), "1");
    bad.body = b"?".to_vec();
    let page = scene.page_of(vec![good.clone(), bad], 2);
    let (start, result) = scene.pulled(&page);
    assert_eq!((result.new.len(), result.refused.len()), (1, 1));
    // A page after it moves nothing either.
    let from = scene.from();
    let request = PullRequest {
        state: page.next,
        ..scene.request.clone()
    };
    let later = scene.page_of(vec![], 3);
    let later = scene.reader.store.ingest(from, &request, &later, NOW_MS);
    assert!(later.expect("the disk works").refused.is_empty());
    // What comes whole the next time is taken, and passed.
    let whole = item(&scene.author, 1, Some(good.id()), "1");
    let page = scene.page_of(vec![good, whole], 2);
    let (state, result) = scene.pulled(&page);
    assert_eq!(state, start);
    assert_eq!((result.new.len(), result.duplicates), (1, 1));
    let (state, _) = scene.pulled(&page);
    assert_eq!(state, page.next);
}

#[test]
fn what_is_refused_for_ever_is_passed_after_a_bounded_number_of_pulls_and_told() {
    let mut scene = Scene::new();
    let mut bad = item(&scene.author, 0, None, "0");
    bad.body = b"?".to_vec();
    let page = scene.page_of(vec![bad], 1);
    let (start, _) = scene.pulled(&page);
    for _ in 1..16 {
        let (state, result) = scene.pulled(&page);
        assert_eq!((state, result.given_up), (start, 0));
    }
    let (state, result) = scene.pulled(&page);
    assert_eq!((state, result.given_up), (start, 1));
    assert_eq!(scene.pulled(&page).0, page.next);
}

#[test]
fn of_more_forked_logs_than_are_kept_nothing_is_taken_and_it_is_told() {
    use crate::store::proof_file::FORKS_PER_AUTHOR_MAX;
    let mut scene = Scene::new();
    let in_log = |scene: &Scene, log: u8, text: &str| {
        let mut item = item(&scene.author, 0, None, text);
        let mut header = Header::decode(&item.header.bytes).expect("reads");
        header.log = LogId([log; 16]);
        item.header = sign(&scene.author, &header);
        item
    };
    let logs = 0..=FORKS_PER_AUTHOR_MAX as u8;
    let first: Vec<_> = logs.clone().map(|log| in_log(&scene, log, "a")).collect();
    let other: Vec<_> = logs.map(|log| in_log(&scene, log, "b")).collect();
    assert_eq!(scene.ingest(first).new.len(), FORKS_PER_AUTHOR_MAX + 1);
    let result = scene.ingest(other);
    assert_eq!(result.refused.len(), FORKS_PER_AUTHOR_MAX + 1);
    assert_eq!(result.forks.len(), FORKS_PER_AUTHOR_MAX);
    assert_eq!(result.forks_left_out, 1);
    let kept = scene.reader.store.forks().expect("reads");
    assert_eq!(kept.len(), FORKS_PER_AUTHOR_MAX);
}
