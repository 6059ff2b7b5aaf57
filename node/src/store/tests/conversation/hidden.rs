//! What a friend's clock, an end in the past or damage does to the rest of a conversation: nothing.

use super::*;
use crate::body::Body;
use crate::chat::Message;
use crate::op::{Header, SignedHeader};
use crate::pull::{End, Item, Lapsed};
use crate::seal::{self, Wrap};
use crate::store::record::wrap_binding;

/// A message of `bob`'s as a program writes it that gives messages an end.
fn say_until(bob: &mut Person, to: &Person, text: &str, expires_ms: u64, wall_ms: u64) -> Item {
    let sent = bob.store.chat_send(to.me(), text.to_owned(), None, wall_ms);
    let said = Said::Message(Message {
        text: text.to_owned(),
        reply_to: None,
    });
    until(bob, to, sent.expect("sends").op, &said, expires_ms)
}

/// The op `like` of `bob`'s with this end, saying this, in a log of its own.
pub(super) fn until(
    bob: &mut Person,
    to: &Person,
    like: OpId,
    said: &Said,
    expires_ms: u64,
) -> Item {
    let txn = bob.store.read().expect("reads");
    let ops = txn.open_table(crate::store::tables::OPS).expect("there");
    let record = ops.get(&like.0).expect("reads").expect("held");
    let record = crate::store::record::Record::decode(record.value()).expect("whole");
    let mut item = record.item;
    let keys = bob.store.keys().clone();
    let mut header = Header::decode(&item.header.bytes).expect("reads");
    header.expires_ms = Some(expires_ms);
    header.log = LogId(*like.0.first_chunk().expect("32 bytes"));
    (header.seq, header.prev) = (0, None);
    let body = Body::encode(said.to_body()).expect("a body");
    let key = seal::fresh_content_key();
    header.body_len = (body.text.len() + seal::SEAL_OVERHEAD_BYTES) as u32;
    item.body = seal::seal_body(&key, &header.binding(), &body.text);
    header.body_hash = blake3::hash(&item.body).into();
    item.header = SignedHeader::sign(&header, &keys).expect("signs");
    let binding = wrap_binding(item.id(), to.me());
    let reader = to.store.keys().delegation().encryption;
    item.wrap = Some(Wrap::seal(&key, &reader, &binding).expect("seals"));
    item
}

/// Has `reader` take in these items of `author`.
pub(super) fn takes(reader: &mut Person, author: &Person, items: Vec<Item>) -> usize {
    let request = reader
        .store
        .pull_request(author.me(), SyncStrategy::Cursor, 0, 256)
        .expect("reads");
    let page = PullPage {
        items,
        next: request.state,
        end: Some(End {
            complete: true,
            delegation: author.store.keys().delegation().encode(),
            heads: Vec::new(),
        }),
        lapsed: Lapsed::default(),
    };
    let kept = reader.store.ingest(author.me(), &request, &page, NOW_MS);
    kept.expect("ingests").new.len()
}

#[test]
fn no_clock_of_a_friend_hides_what_we_say_ourselves() {
    let [mut alice, mut bob] = friends();
    // Bob's clock stood far ahead once; it never goes back.
    let ahead = bob
        .store
        .chat_send(alice.me(), "0 bob's".to_owned(), None, u64::MAX / 2);
    ahead.expect("sends");
    alice.hears(&bob);
    for at in 1..40 {
        let sent = alice
            .store
            .chat_send(bob.me(), format!("{at} ours"), None, NOW_MS + at);
        sent.expect("sends");
        for _ in 0..3 {
            bob.say(&alice, &format!("{at} bob's"));
        }
        let request = alice
            .store
            .pull_request(bob.me(), SyncStrategy::Cursor, 0, 100)
            .expect("reads");
        let page = bob.store.answer(alice.me(), &request).expect("answers");
        let kept = alice.store.ingest(bob.me(), &request, &page, NOW_MS + at);
        assert_eq!(kept.expect("ingests").new.len(), 3);
    }
    let shown = alice
        .store
        .conversation(bob.me(), 8, NOW_MS)
        .expect("reads");
    let texts: Vec<_> = shown.shown.iter().map(|it| it.text.as_str()).collect();
    let one = |at: u64| {
        [format!("{at} ours")]
            .into_iter()
            .chain(vec![format!("{at} bob's"); 3])
    };
    let expected: Vec<_> = one(38).chain(one(39)).collect();
    assert_eq!(texts, expected);
    let listed = alice.store.conversations(NOW_MS).expect("reads").shown;
    assert_eq!(listed[0].newest.text, "39 bob's");
    let before = alice.store.state_hash().expect("hashes");
    assert_eq!(alice.store.reindex().expect("reindexes").after, before);
}

#[test]
fn what_has_expired_hides_no_message_and_is_in_no_conversation() {
    let [mut alice, mut bob] = friends();
    let ours = alice
        .store
        .chat_send(bob.me(), "ours".to_owned(), None, NOW_MS - 5);
    ours.expect("sends");
    bob.say(&alice, "bob's");
    alice.hears(&bob);
    // What had expired when it came, with a clock that would stand before all others.
    let gone: Vec<_> = (0..200)
        .map(|at| say_until(&mut bob, &alice, "gone", NOW_MS - 1, u64::MAX / 2 + at))
        .collect();
    assert_eq!(takes(&mut alice, &bob, gone), 200);
    let listed = |alice: &Person, wall_ms| {
        let listed = alice.store.conversations(wall_ms).expect("reads");
        assert_eq!((listed.unreadable, listed.is_cut), (0, false));
        let shown = alice.store.conversation(bob_of(alice), 2, wall_ms);
        let texts: Vec<_> = shown
            .expect("reads")
            .shown
            .into_iter()
            .map(|it| it.text)
            .collect();
        (listed.shown.len(), texts)
    };
    let expected = (1, vec!["ours".to_owned(), "bob's".to_owned()]);
    assert_eq!(listed(&alice, NOW_MS), expected);
    // What expires later, before and after it is cleared away.
    let late: Vec<_> = (0..150)
        .map(|at| {
            say_until(
                &mut bob,
                &alice,
                "late",
                NOW_MS + 5,
                u64::MAX / 2 + 500 + at,
            )
        })
        .collect();
    assert_eq!(takes(&mut alice, &bob, late), 150);
    assert_eq!(listed(&alice, NOW_MS).1, ["late"; 2]);
    assert_eq!(listed(&alice, NOW_MS + 6), expected);
    while alice.store.forget_expired(NOW_MS + 6).expect("writes") > 0 {}
    assert_eq!(
        listed(&alice, NOW_MS),
        expected,
        "also when the clock is set back"
    );
    let before = alice.store.state_hash().expect("hashes");
    assert_eq!(alice.store.reindex().expect("reindexes").after, before);
}

/// The only friend of `person`.
fn bob_of(person: &Person) -> IdentityId {
    let listed = person.store.conversations(NOW_MS).expect("reads").shown;
    listed[0].with
}

#[test]
fn an_index_with_conversations_of_before_is_brought_up_to_date() {
    use crate::store::tables::{CHATS, FORMAT, RECEIPTS_MADE, RUNS};
    let [mut alice, mut bob] = friends();
    alice.say(&bob, "ours");
    let ahead = bob
        .store
        .chat_send(alice.me(), "ahead".to_owned(), None, u64::MAX / 2);
    let ahead = ahead.expect("sends");
    alice.hears(&bob);
    alice.acknowledges(&bob, false);
    let expected = (alice.said(&bob), alice.store.state_hash().expect("hashes"));
    // As the version before had it: at the clock of its author, and without a table of runs.
    let txn = alice.store.index.begin_write().expect("writes");
    {
        let mut chats = txn.open_table(CHATS).expect("there");
        chats
            .retain(|key, ()| *key.3 != ahead.op.0)
            .expect("writes");
        let clock = (u64::MAX / 2, 0);
        let place = (&bob.me().0, clock.0, clock.1, &ahead.op.0);
        chats.insert(place, ()).expect("writes");
        let mut formats = txn.open_table(FORMAT).expect("there");
        formats.insert((), 5).expect("writes");
    }
    txn.delete_table(RUNS).expect("was there");
    txn.delete_table(RECEIPTS_MADE).expect("was there");
    txn.commit().expect("writes");
    let disk = alice.disk.clone();
    drop(alice);
    let alice = Person::on(disk, 1).expect("opens");
    let found = (alice.said(&bob), alice.store.state_hash().expect("hashes"));
    assert_eq!(found, expected);
}

#[test]
fn a_message_that_the_index_cannot_read_is_told_of_and_comes_back() {
    use crate::store::error::Cure;
    use crate::store::tables::OPS;
    use redb::ReadableTable;
    let [mut alice, mut bob] = friends();
    let ours = alice
        .store
        .chat_send(bob.me(), "ours".to_owned(), None, NOW_MS - 5);
    let ours = ours.expect("sends");
    bob.say(&alice, "bob's");
    bob.hears(&alice);
    let receipt = bob.store.acknowledge(alice.me(), false, NOW_MS);
    let receipt = receipt.expect("acknowledges").receipt.expect("was due");
    alice.hears(&bob);
    let expected = alice.said(&bob);
    assert_eq!(expected[0].1, Delivered);
    // A bit of the body of what we said, and of what bob says of it, which no checksum of the index tells.
    let txn = alice.store.index.begin_write().expect("writes");
    {
        let mut ops = txn.open_table(OPS).expect("there");
        for op in [ours.op, receipt] {
            let record = ops
                .get(&op.0)
                .expect("reads")
                .expect("held")
                .value()
                .to_vec();
            let mut record = crate::store::record::Record::decode(&record).expect("whole");
            record.item.body[0] ^= 1;
            let bytes = record.encode();
            ops.insert(&op.0, bytes.as_slice()).expect("writes");
        }
    }
    txn.commit().expect("writes");
    let talk = alice
        .store
        .conversation(bob.me(), 10, NOW_MS)
        .expect("reads");
    assert_eq!((talk.shown.len(), talk.unreadable), (1, 1));
    assert_eq!(talk.damaged.expect("told").cure(), Cure::Reindex);
    let list = alice.store.conversations(NOW_MS).expect("reads");
    assert_eq!((list.shown.len(), list.unreadable), (1, 1));
    // The file has ours, and bob has his.
    alice.store.reindex().expect("reindexes");
    assert_eq!(alice.hears(&bob).1, []);
    assert_eq!(alice.said(&bob), expected);
}

#[test]
fn a_certificate_that_the_index_cannot_read_is_there_again_after_a_reindex() {
    use crate::keys::Rotation;
    use crate::store::tables::CERTIFICATES;
    let [mut alice, bob] = friends();
    let rotated = bob.store.keys().rotated(Rotation::BOTH, None);
    let bob = bob.with_keys(rotated.expect("there is room"));
    alice.hears(&bob);
    let newest = alice.store.certificate_of(bob.me()).expect("reads");
    assert_eq!(newest.as_ref(), Some(bob.store.keys().delegation()));
    let txn = alice.store.index.begin_write().expect("writes");
    let mut table = txn.open_table(CERTIFICATES).expect("there");
    table.insert(&bob.me().0, &b"?"[..]).expect("writes");
    drop(table);
    txn.commit().expect("writes");
    let posted = alice.store.post(note("x"), &Audience::Friends, NOW_MS);
    assert!(matches!(posted, Err(StoreError::DamagedEntry(_))));
    alice.store.reindex().expect("reindexes");
    assert_eq!(alice.store.certificate_of(bob.me()).expect("reads"), newest);
    alice.post("x", &Audience::Friends, NOW_MS);
}
