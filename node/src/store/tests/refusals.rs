//! Forged, replayed, misplaced and forked ops.

use super::*;
use crate::engine::PullState;
use crate::engine::after_ts::AfterTs;
use crate::engine::cursor::Cursor;
use crate::identity::IdentityId;
use crate::op::{Encryption, Header, Hlc, LogId, OP_CONTEXT, OpRefusal, SignedHeader};
use crate::pull::{End, Item, PullRequest};

/// Makes public ops of `keys` by hand, right or wrong.
fn item(keys: &Keys, seq: u64, prev: Option<OpId>, text: &str) -> Item {
    let body = note(text).to_string().into_bytes();
    let header = Header {
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

fn sign(keys: &Keys, header: &Header) -> SignedHeader {
    let bytes = header.encode();
    let signature = keys.sign_as_device(OP_CONTEXT, &bytes).expect("signs");
    SignedHeader { bytes, signature }
}

struct Scene {
    author: Keys,
    reader: Person,
    request: PullRequest,
}

impl Scene {
    fn new() -> Self {
        let author = Keys::generate(Some([1; 32]));
        let mut reader = Person::new(2);
        let card = author.card(&[]).expect("signs");
        reader.store.follow(&card).expect("follows");
        let request = reader
            .store
            .pull_request(author.identity(), Engine::Cursor, 0, 10)
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

    fn ingest(&mut self, items: Vec<Item>) -> Ingested {
        let page = PullPage {
            items,
            next: self.request.state,
            end: Some(End {
                complete: true,
                delegation: self.author.delegation().encode(),
                heads: Vec::new(),
            }),
        };
        let page = PullPage::decode(&page.encode()).expect("reads");
        let from = self.from();
        let result = self.reader.store.ingest(from, &self.request, &page);
        result.expect("the disk works")
    }

    fn refusals(&mut self, items: Vec<Item>) -> Vec<OpRefusal> {
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
fn a_replayed_op_is_a_duplicate() {
    let mut scene = Scene::new();
    let op = item(&scene.author, 0, None, "once");
    let first = scene.ingest(vec![op.clone(), op.clone()]);
    assert_eq!((first.new.len(), first.duplicates), (1, 1));
    let again = scene.ingest(vec![op]);
    assert_eq!((again.new.len(), again.duplicates), (0, 1));
}

#[test]
fn an_op_that_does_not_continue_its_log_is_refused_from_both_sides() {
    let mut scene = Scene::new();
    let first = item(&scene.author, 0, None, "0");
    let astray = item(&scene.author, 1, Some(OpId([7; 32])), "1");
    assert_eq!(
        scene.refusals(vec![first.clone(), astray]),
        [OpRefusal::Prev]
    );
    let third = item(&scene.author, 2, Some(OpId([7; 32])), "2");
    let second = item(&scene.author, 1, Some(first.id()), "1");
    assert_eq!(scene.refusals(vec![third, second]), [OpRefusal::Prev]);
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
    };
    let from = scene.from();
    assert!(matches!(
        scene.reader.store.ingest(from, &scene.request, &page),
        Err(StoreError::NoProgress)
    ));
    page.next = PullState::Cursor(Cursor {
        epoch: Some([1; 16]),
        arrival: 1,
    });
    scene.reader.store.unfollow(from).expect("unfollows");
    assert!(matches!(
        scene.reader.store.ingest(from, &scene.request, &page),
        Err(StoreError::NotFollowed(_))
    ));
    page.next = PullState::AfterTs(AfterTs::default());
    assert!(matches!(
        scene.reader.store.ingest(from, &scene.request, &page),
        Err(StoreError::OtherEngine)
    ));
}
