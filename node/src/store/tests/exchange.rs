//! Posts to audiences, grants, blocks, and what readers see of them.

use super::*;
use crate::pull::Refusal;
use crate::store::Granted;

#[test]
fn a_personal_post_is_readable_by_its_readers_only() {
    let mut author = Person::new(1);
    let (mut friend, mut stranger) = (Person::new(2), Person::new(3));
    author.befriend(&mut friend);
    stranger.store.follow(&author.card()).expect("follows");
    author.post("for friends", &Audience::Friends, 1_000);
    author.post("for all", &Audience::Public, 2_000);
    friend.pull(&author, SyncStrategy::Cursor);
    stranger.pull(&author, SyncStrategy::Cursor);
    assert_eq!(friend.texts(), ["for all", "for friends"]);
    assert_eq!(stranger.texts(), ["for all"]);
    assert_eq!(author.texts(), ["for all", "for friends"]);
}

#[test]
fn each_distinct_audience_has_a_log_of_its_own() {
    let mut author = Person::new(1);
    let (mut a, mut b) = (Person::new(2), Person::new(3));
    author.befriend(&mut a);
    author.befriend(&mut b);
    let places: Vec<_> = [
        Audience::Public,
        Audience::Friends,
        only(&[&a]),
        only(&[&a, &b]),
        Audience::Public,
    ]
    .iter()
    .map(|to| author.post("text", to, 1_000).seq)
    .collect();
    // The friends are a and b, so naming both is the same audience.
    assert_eq!(places, [0, 0, 0, 1, 1]);
    a.pull(&author, SyncStrategy::Cursor);
    b.pull(&author, SyncStrategy::Cursor);
    assert_eq!(a.texts().len(), 5);
    assert_eq!(b.texts().len(), 4);
}

#[test]
fn a_grant_opens_one_post_once() {
    let mut author = Person::new(1);
    let (mut friend, mut late) = (Person::new(2), Person::new(3));
    author.befriend(&mut friend);
    let old = author.post("early", &Audience::Friends, 1_000);
    let other = author.post("also early", &Audience::Friends, 1_001);
    author.befriend(&mut late);
    let name = late.store.keys().identity();
    assert_eq!(
        author.store.grant(old.op, name).expect("grants"),
        Granted::New
    );
    assert_eq!(
        author.store.grant(old.op, name).expect("grants"),
        Granted::Already
    );
    assert_eq!(late.pull(&author, SyncStrategy::Cursor), [old.op]);
    assert!(!late.store.holds(other.op).expect("reads"));
}

#[test]
fn a_blocked_viewer_is_refused_and_left_out() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let name = reader.store.keys().identity();
    let from = author.store.keys().identity();
    assert!(author.store.block(name).expect("blocks"));
    assert!(!author.store.block(name).expect("blocks"));
    let post = author.post("without them", &Audience::Friends, 1_000);
    assert_eq!(post.readers, []);
    let request = reader
        .store
        .pull_request(from, SyncStrategy::Cursor, 0, 10)
        .expect("reads");
    assert_eq!(author.store.answer(name, &request), Err(Refusal::Blocked));
    assert!(matches!(
        author.store.grant(post.op, name),
        Err(StoreError::Blocked(_))
    ));
    assert!(matches!(
        author.store.post(note("x"), &only(&[&reader]), 1_000),
        Err(StoreError::Blocked(_))
    ));
    assert!(author.store.unblock(name).expect("unblocks"));
    assert!(author.store.answer(name, &request).is_ok());
}

#[test]
fn a_request_in_a_wrong_name_or_for_another_feed_is_refused() {
    let (author, reader) = (Person::new(1), Person::new(2));
    let [me, from] = [&reader, &author].map(|person| person.store.keys().identity());
    let request = reader.store.pull_request(from, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    assert_eq!(author.store.answer(from, &request), Err(Refusal::Viewer));
    assert_eq!(reader.store.answer(me, &request), Err(Refusal::Scope));
}

#[test]
fn contacts_survive_reopening() {
    let (mut a, b) = (Person::new(1), Person::new(2));
    assert!(a.store.follow(&b.card()).expect("follows"));
    assert!(!a.store.follow(&b.card()).expect("follows"));
    let name = b.store.keys().identity();
    a.store.block(name).expect("blocks");
    let disk = a.disk.after_power_cut(|| false);
    let mut a = Person::on(disk, 1).expect("opens");
    assert_eq!(a.store.following().expect("reads"), [b.card()]);
    assert_eq!(a.store.blocked().expect("reads"), [name]);
    assert!(a.store.unfollow(name).expect("unfollows"));
    assert_eq!(a.store.following().expect("reads"), []);
    assert_eq!(a.store.card_of(name).expect("reads"), Some(b.card()));
}

#[test]
fn one_cannot_follow_oneself_or_post_to_the_unknown() {
    let (mut a, b) = (Person::new(1), Person::new(2));
    let own = a.card();
    assert!(matches!(a.store.follow(&own), Err(StoreError::OwnCard)));
    assert!(matches!(
        a.store.post(note("x"), &only(&[&b]), 1_000),
        Err(StoreError::UnknownReader(_))
    ));
    assert!(matches!(
        a.store.grant(OpId([0; 32]), b.store.keys().identity()),
        Err(StoreError::UnknownOp(_))
    ));
}

#[test]
fn bounds_of_a_post_fire() {
    let mut a = Person::new(1);
    let long = "x".repeat(crate::body::BODY_BYTES_MAX);
    assert!(matches!(
        a.store.post(note(&long), &Audience::Public, 1_000),
        Err(StoreError::Body(_))
    ));
    let many = (0..=crate::audience::READERS_MAX as u64).map(|n| {
        let mut name = [0xee; 32];
        name[..8].copy_from_slice(&n.to_le_bytes());
        crate::identity::IdentityId(name)
    });
    assert!(matches!(
        a.store
            .post(note("x"), &Audience::Only(many.collect()), 1_000),
        Err(StoreError::TooManyReaders { .. })
    ));
    assert_eq!(a.store.owned_ops().expect("reads"), []);
}

#[test]
fn keys_read_back_from_their_file() {
    let disk = MemoryDisk::default();
    assert!(Keys::load(&disk.disk()).expect("reads").is_none());
    let keys = Keys::generate(None);
    keys.save(&disk.disk()).expect("saves");
    let disk = disk.after_power_cut(|| false);
    let loaded = Keys::load(&disk.disk()).expect("reads").expect("is there");
    assert_eq!(loaded.delegation(), keys.delegation());
    assert_eq!(loaded.peer(), keys.peer());
}
