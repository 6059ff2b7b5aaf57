//! The index can be rebuilt from files, and is then the same.

use super::*;

/// An author with posts of all kinds, and one received from a friend.
fn busy() -> Person {
    let (mut author, mut a, mut b) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut a);
    author.post("public", &Audience::Public, 3_000);
    let old = author.post("to a", &Audience::Friends, 1_000);
    author.befriend(&mut b);
    author.post("to both", &Audience::Friends, 2_000);
    author
        .store
        .grant(old.op, b.store.keys().identity())
        .expect("grants");
    author.post("public again", &Audience::Public, 500);
    a.post("from a", &Audience::Friends, 1_500);
    author.pull(&a, SyncStrategy::Cursor);
    author
}

#[test]
fn reindexing_changes_nothing() {
    let mut author = busy();
    let before = author.store.state_hash().expect("hashes");
    let reindexed = author.store.reindex().expect("reindexes");
    assert_eq!(reindexed.before, before);
    assert_eq!(reindexed.after, before);
    assert_eq!(reindexed.ops, 5);
    assert_eq!(author.store.state_hash().expect("hashes"), before);
}

#[test]
fn files_alone_restore_own_posts() {
    let author = busy();
    let owned = author.store.owned_ops().expect("reads");
    let own = author.store.keys().identity();
    let posts = author.store.timeline(10, Some(own)).expect("reads");
    let disk = author.disk.clone();
    drop(author);
    disk.disk().remove("index.redb").expect("removes");
    let author = Person::on(disk, 1).expect("opens");
    assert_eq!(author.store.owned_ops().expect("reads"), owned);
    assert_eq!(author.store.timeline(10, Some(own)).expect("reads"), posts);
}

#[test]
fn an_altered_file_is_named_and_the_rest_is_entered() {
    let mut author = busy();
    let owned = author.store.owned_ops().expect("reads").len();
    let disk = author.disk.disk();
    let logs = format!("identities/{}/logs", author.store.keys().identity());
    let log = disk.list(&logs).expect("lists").remove(0);
    let path = format!("{logs}/{log}/00000000.json");
    let file = disk.open(&path, false).expect("opens");
    let text = br#"{"type":"note/1","text":"altered"}"#;
    file.set_len(0).expect("cuts");
    file.write_at(0, text).expect("writes");
    author.store.reindex().expect("reindexes");
    let told = author.store.opened().set_aside;
    assert_eq!(told.len(), 1);
    assert!(told[0].reason.contains(&path[..90]), "{told:?}");
    let left = author.store.owned_ops().expect("reads");
    assert_eq!(left.len(), owned - 1);
}

#[test]
fn the_text_of_a_post_is_a_readable_file() {
    let mut author = Person::new(1);
    author.post("hello", &Audience::Friends, 1_000);
    let disk = author.disk.disk();
    let logs = format!("identities/{}/logs", author.store.keys().identity());
    let log = disk.list(&logs).expect("lists").remove(0);
    let file = disk.open(&format!("{logs}/{log}/00000000.json"), false);
    let file = file.expect("opens");
    let mut text = vec![0; file.len().expect("reads") as usize];
    file.read_at(0, &mut text).expect("reads");
    let value: Value = serde_json::from_slice(&text).expect("is JSON");
    assert_eq!(value, note("hello"));
}
