//! What is kept of others, how much of it, and for how long.

use super::refusals::{Scene, item, sign};
use super::*;
use crate::api;
use crate::body::BODY_VALUES_MAX;
use crate::op::{Header, OpRefusal};
use crate::pull::Item;
use crate::store::tables::OPS;

/// A post at place `seq` that its author asks to forget at `expires_ms`.
fn expiring(scene: &Scene, seq: u64, prev: Option<OpId>, expires_ms: u64) -> Item {
    let mut item = item(&scene.author, seq, prev, "for a while");
    let mut header = Header::decode(&item.header.bytes).expect("reads");
    header.expires_ms = Some(expires_ms);
    item.header = sign(&scene.author, &header);
    item
}

#[test]
fn what_has_expired_is_not_shown_and_is_cleared_away() {
    let mut scene = Scene::new();
    let gone = expiring(&scene, 0, None, 5_000);
    let there = expiring(&scene, 1, Some(gone.id()), 20_000);
    assert_eq!(scene.ingest(vec![gone.clone(), there]).new.len(), 2);
    let store = &mut scene.reader.store;
    let shown = |store: &Store, at| {
        let shown = store.timeline_at(10, None, at).expect("reads");
        shown.posts.len()
    };
    // What had expired when it came is not listed, whatever the clock shows later.
    assert_eq!((shown(store, 4_000), shown(store, NOW_MS)), (1, 1));
    assert_eq!(store.next_expiry().expect("reads"), Some(5_000));
    assert_eq!(store.forget_expired(4_000).expect("writes"), 0);
    assert_eq!(store.forget_expired(NOW_MS).expect("writes"), 1);
    assert_eq!(store.forget_expired(NOW_MS).expect("writes"), 0);
    assert_eq!(store.next_expiry().expect("reads"), Some(20_000));
    assert_eq!(shown(store, NOW_MS), 1);
    assert_eq!(shown(store, 4_000), 1, "also when the clock is set back");
    assert!(
        store
            .timeline_at(10, None, 4_000)
            .expect("reads")
            .damaged
            .is_none()
    );
    assert_eq!(store.readable_ops().expect("reads").len(), 1);
    // It stays in its log, so that it is not taken for missing, and is not taken in again.
    assert!(store.holds(gone.id()).expect("reads"));
    let before = store.state_hash().expect("hashes");
    assert_eq!(store.reindex().expect("reindexes").after, before);
    assert_eq!(scene.ingest(vec![gone]).duplicates, 1);
}

#[test]
fn no_more_of_one_author_is_kept_than_the_owner_wants() {
    let mut scene = Scene::new();
    let first = item(&scene.author, 0, None, "0");
    let bytes = first.weight_bytes() as u64;
    scene.reader.store.set_author_bytes_max(bytes * 5 / 2);
    let second = item(&scene.author, 1, Some(first.id()), "1");
    let third = item(&scene.author, 2, Some(second.id()), "2");
    let refused = scene.refusals(vec![first, second, third.clone()]);
    assert_eq!(refused, [OpRefusal::Quota]);
    assert_eq!(scene.reader.texts(), ["1", "0"]);
    // Reindexing counts the same; with more room it is taken.
    scene.reader.store.reindex().expect("reindexes");
    assert_eq!(scene.refusals(vec![third.clone()]), [OpRefusal::Quota]);
    scene.reader.store.set_author_bytes_max(bytes * 7 / 2);
    assert_eq!(scene.ingest(vec![third]).new.len(), 1);
    scene
        .reader
        .post("own posts have no quota", &Audience::Public, 1_000);
}

#[test]
fn an_entry_that_cannot_be_read_is_dropped_by_a_reindex_and_pulled_again() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let first = author.post("first", &Audience::Public, 1_000);
    author.post("second", &Audience::Public, 2_000);
    reader.pull(&author, SyncStrategy::Cursor);
    let damage = |txn: &redb::WriteTransaction, _: &Keys| {
        txn.open_table(OPS)?.insert(&first.op.0, &b"?"[..])?;
        Ok(())
    };
    reader.store.write(damage).expect("writes");
    assert_eq!(reader.store.reindex().expect("reindexes").ops, 1);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), [first.op]);
    assert_eq!(reader.texts(), ["second", "first"]);
}

#[test]
fn a_body_of_too_many_values_is_neither_posted_nor_taken_in() {
    let list = |entries: usize| json!({"type": "note/1", "text": "", "list": vec![0; entries]});
    let mut scene = Scene::new();
    let (most, more) = (BODY_VALUES_MAX - 4, BODY_VALUES_MAX - 3);
    let posted = scene
        .reader
        .store
        .post(list(more), &Audience::Public, 1_000);
    assert!(matches!(posted, Err(StoreError::Body(_))), "{posted:?}");
    let posted = scene
        .reader
        .store
        .post(list(most), &Audience::Public, 1_000);
    posted.expect("at the bound");
    let mut large = item(&scene.author, 0, None, "");
    large.body = list(more).to_string().into_bytes();
    let mut header = Header::decode(&large.header.bytes).expect("reads");
    header.body_hash = blake3::hash(&large.body).into();
    header.body_len = large.body.len() as u32;
    large.header = sign(&scene.author, &header);
    let refused = scene.refusals(vec![large]);
    assert!(matches!(refused[..], [OpRefusal::Format(_)]), "{refused:?}");
}

/// A body that takes a MiB in memory.
fn heavy() -> serde_json::Value {
    json!({"type": "note/1", "list": vec![0; BODY_VALUES_MAX - 3]})
}

#[test]
fn a_timeline_shows_what_is_beyond_its_memory_without_bodies() {
    let mut author = Person::new(1);
    for number in 0..70 {
        let posted = author.store.post(heavy(), &Audience::Public, number);
        posted.expect("posts");
    }
    author.post("short, and the newest", &Audience::Public, 70);
    // Each takes 64 bytes a value, and its text: half of 64 MiB, since all are one author's.
    let shown = author.store.timeline(1_000, None).expect("reads");
    assert_eq!(shown.len(), 71);
    let left_out = |post: &api::Post| post.body_left_out;
    assert_eq!(shown.iter().position(left_out), Some(32));
    assert!(shown[32..].iter().all(|post| post.body.is_null()));
}

#[test]
fn no_authors_heavy_posts_hide_those_of_others() {
    let (mut liar, mut author, mut reader) = (Person::new(1), Person::new(2), Person::new(3));
    liar.befriend(&mut reader);
    author.befriend(&mut reader);
    for number in 0..80 {
        let posted = liar.store.post(heavy(), &Audience::Public, 5_000 + number);
        posted.expect("posts");
    }
    for number in 0..50 {
        author.post("hello", &Audience::Public, 1_000 + number);
    }
    reader.pull(&liar, SyncStrategy::Cursor);
    reader.pull(&author, SyncStrategy::Cursor);
    let shown = reader.store.timeline(1_000, None).expect("reads");
    assert_eq!(shown.len(), 130);
    let of_author = |post: &&api::Post| post.author == author.store.keys().identity();
    assert_eq!(shown.iter().filter(of_author).count(), 50);
    assert!(
        shown
            .iter()
            .filter(of_author)
            .all(|post| !post.body_left_out)
    );
    let left_out = shown.iter().filter(|post| post.body_left_out);
    assert_eq!(left_out.count(), 49);
}

#[test]
fn an_entry_that_cannot_be_read_is_told_of_and_hides_no_other() {
    let mut author = Person::new(1);
    let first = author.post("first", &Audience::Public, 1_000);
    author.post("second", &Audience::Public, 2_000);
    let damage = |txn: &redb::WriteTransaction, _: &Keys| {
        txn.open_table(OPS)?.insert(&first.op.0, &b"?"[..])?;
        Ok(())
    };
    author.store.write(damage).expect("writes");
    let shown = author.store.timeline_at(10, None, NOW_MS).expect("reads");
    assert_eq!(shown.posts.len(), 1);
    let damaged = shown.damaged.expect("is told");
    assert_eq!(damaged.cure(), crate::store::Cure::Reindex);
    author.store.reindex().expect("reindexes");
    assert_eq!(author.texts(), ["second", "first"]);
}

#[test]
fn what_has_expired_hides_nothing_and_costs_no_timeline() {
    let mut scene = Scene::new();
    let mut friend = Person::new(3);
    friend.befriend(&mut scene.reader);
    friend.post("a friend's", &Audience::Public, 500);
    scene.reader.pull(&friend, SyncStrategy::Cursor);
    let timeline = |store: &Store| {
        let txn = store.read().expect("reads");
        let table = txn.open_table(crate::store::tables::TIMELINE);
        redb::ReadableTableMetadata::len(&table.expect("is there")).expect("reads")
    };
    // What came too late is not even listed.
    let mut prev = None;
    let mut gone = Vec::new();
    for seq in 0..300 {
        let item = expiring(&scene, seq, prev, 5_000);
        prev = Some(item.id());
        gone.push(item);
    }
    for page in gone.chunks(100) {
        assert_eq!(scene.ingest(page.to_vec()).new.len(), 100);
    }
    assert_eq!(timeline(&scene.reader.store), 1);
    // What expires later hides the rest no longer than it is there.
    let late: Vec<_> = (300..700)
        .map(|seq| {
            let item = expiring(&scene, seq, prev, NOW_MS + 1);
            prev = Some(item.id());
            item
        })
        .collect();
    for page in late.chunks(100) {
        assert_eq!(scene.ingest(page.to_vec()).new.len(), 100);
    }
    let store = &mut scene.reader.store;
    assert_eq!(timeline(store), 401);
    let at = |store: &Store, author| store.timeline_at(20, author, NOW_MS + 2).expect("reads");
    let shown = at(store, None);
    assert_eq!(shown.posts.len(), 1, "the friend's comes first");
    assert!(shown.is_cut);
    let alone = at(store, Some(scene.author.identity()));
    assert_eq!((alone.posts.len(), alone.is_cut), (0, false));
    while store.forget_expired(NOW_MS + 2).expect("writes") > 0 {}
    assert_eq!(timeline(store), 1);
    let shown = at(store, None);
    assert_eq!((shown.posts.len(), shown.is_cut), (1, false));
    let before = store.state_hash().expect("hashes");
    assert_eq!(store.reindex().expect("reindexes").after, before);
    assert_eq!(timeline(store), 1);
}

#[test]
fn what_is_passed_by_of_blocked_and_spent_authors_is_bounded() {
    use crate::store::timeline::Walk;
    let (mut foe, mut friend, mut reader) = (Person::new(1), Person::new(2), Person::new(3));
    foe.befriend(&mut reader);
    friend.befriend(&mut reader);
    friend.post("a friend's", &Audience::Public, 500);
    for number in 0..300 {
        foe.post("again", &Audience::Public, 1_000 + number);
    }
    reader.pull(&foe, SyncStrategy::Cursor);
    reader.pull(&friend, SyncStrategy::Cursor);
    reader
        .store
        .block(foe.store.keys().identity())
        .expect("blocks");
    let walk = |passed_by_limit| Walk {
        passed_by_limit,
        ..Walk::default()
    };
    let shown = |walk| {
        let shown = reader.store.timeline_within(20, None, NOW_MS, walk);
        let shown = shown.expect("reads");
        (shown.posts.len(), shown.is_cut)
    };
    assert_eq!(shown(walk(301)), (1, false));
    assert_eq!(shown(walk(100)), (0, true), "the owner is told");
    assert_eq!(shown(Walk::default()), (1, false));
}

#[test]
fn of_one_author_so_many_posts_are_looked_at_in_vain() {
    use crate::store::timeline::Walk;
    let mut scene = Scene::new();
    let (mut prev, mut page) = (None, Vec::new());
    for seq in 0..60 {
        // What expires later is listed until it is cleared away.
        let item = expiring(&scene, seq, prev, NOW_MS + 1);
        prev = Some(item.id());
        page.push(item);
    }
    assert_eq!(scene.ingest(page).new.len(), 60);
    let walk = Walk {
        unshown: 10,
        unshown_alone: 20,
        passed_by_limit: 30,
    };
    let store = &scene.reader.store;
    let cut = |author, walk| {
        let shown = store.timeline_within(5, author, NOW_MS + 2, walk);
        shown.expect("reads").is_cut
    };
    let alone = Some(scene.author.identity());
    assert!(cut(None, walk) && cut(alone, walk));
    let wide = Walk {
        unshown: 100,
        unshown_alone: 100,
        ..walk
    };
    assert!(!cut(None, wide) && !cut(alone, wide));
}
