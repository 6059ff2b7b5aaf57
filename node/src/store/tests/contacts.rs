//! Contacts outlive the index, whatever befell it, and nobody who was blocked is served.

use super::crash::{LUCK, luck};
use super::*;
use crate::pull::Refusal;
use crate::store::contact_file;
use crate::store::tables::{BLOCKS, CONTACTS_MARK, FOLLOWS};

/// An author with a post, who follows one and blocks another whom they follow, too.
fn author() -> (Person, Person, Person) {
    let (mut author, mut friend, mut foe) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut friend);
    author.befriend(&mut foe);
    author.post("to all", &Audience::Public, 1_000);
    let name = foe.store.keys().identity();
    author.store.block(name).expect("blocks");
    (author, friend, foe)
}

fn without_index(author: Person) -> Result<Person, StoreError> {
    let disk = author.disk.clone();
    drop(author);
    disk.disk().remove("index.redb").expect("removes");
    Person::on(disk, 1)
}

fn check_contacts(author: &Person, friend: &Person, foe: &Person) {
    let following = author.store.following().expect("reads");
    assert!(following.contains(&friend.card()) && following.contains(&foe.card()));
    let name = foe.store.keys().identity();
    assert_eq!(author.store.blocked().expect("reads"), [name]);
    let from = author.store.keys().identity();
    let request = foe.store.pull_request(from, SyncStrategy::Cursor, 0, 10);
    let answer = author.store.answer(name, &request.expect("reads"));
    assert_eq!(answer, Err(Refusal::Blocked));
}

#[test]
fn contacts_outlive_the_index_and_the_loss_is_told() {
    let (mut author, friend, foe) = author();
    assert_eq!(author.store.opened().rebuilt, None);
    let mut author = without_index(author).expect("opens");
    check_contacts(&author, &friend, &foe);
    let rebuilt = author.store.opened().rebuilt.expect("told");
    assert_eq!((rebuilt.contacts, rebuilt.blocked), (2, 1));
    assert!(rebuilt.posts);
    assert_eq!(author.store.opened().rebuilt, None, "once");
    author.store.reindex().expect("reindexes");
    check_contacts(&author, &friend, &foe);
}

#[test]
fn posts_without_index_and_contacts_are_not_opened_until_that_is_accepted() {
    let (author, friend, foe) = author();
    let own = author.store.keys().identity();
    let disk = author.disk.clone();
    disk.disk()
        .remove(&contact_file::path(own))
        .expect("removes");
    let refused = without_index(author).map(|_| ());
    let Err(error @ StoreError::ContactsLost { .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("reindex --forget-contacts"));
    assert!(Store::forget_contacts(&disk.disk(), own).expect("writes"));
    assert!(!Store::forget_contacts(&disk.disk(), own).expect("reads"));
    let author = Person::on(disk, 1).expect("opens");
    assert_eq!(author.store.owned_ops().expect("reads").len(), 1);
    assert_eq!(author.store.blocked().expect("reads"), []);
    drop((friend, foe));
}

#[test]
fn a_damaged_file_of_contacts_is_written_anew_from_the_index_or_refused_without() {
    let (author, friend, foe) = author();
    let path = contact_file::path(author.store.keys().identity());
    let disk = author.disk.clone();
    drop(author);
    let damage = || {
        let file = disk.disk().open(&path, false).expect("opens");
        file.write_at(40, b"?").expect("writes");
    };
    damage();
    let author = Person::on(disk.clone(), 1).expect("opens");
    check_contacts(&author, &friend, &foe);
    let author = without_index(author).expect("opens");
    check_contacts(&author, &friend, &foe);
    damage();
    let refused = without_index(author).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged { path: named, .. }) if named == path));
    // It is a way out, and what was damaged stays to be looked at.
    let own = Keys::generate(Some([1; 32])).identity();
    assert!(Store::forget_contacts(&disk.disk(), own).expect("sets it aside"));
    let aside = format!("{path}.damaged");
    assert!(disk.disk().open(&aside, false).is_ok());
    let author = Person::on(disk.clone(), 1).expect("opens");
    assert_eq!(author.store.blocked().expect("reads"), []);
    // A file that is too long to be read is damaged as well: an index that has all of it counts.
    disk.damage(&path, |bytes| bytes.resize(300_000_000, 0));
    drop(author);
    drop(Person::on(disk, 1).expect("opens"));
}

#[test]
fn a_store_without_the_file_gets_one_and_what_an_older_program_changed_is_kept() {
    let (mut author, friend, foe) = author();
    let path = contact_file::path(author.store.keys().identity());
    let name = foe.store.keys().identity();
    // As the version before left it.
    let forget = |txn: &redb::WriteTransaction, _: &Keys| Ok(txn.delete_table(CONTACTS_MARK)?);
    author.store.write(forget).expect("writes");
    let disk = author.disk.clone();
    disk.disk().remove(&path).expect("removes");
    drop(author);
    let mut author = Person::on(disk.clone(), 1).expect("opens");
    check_contacts(&author, &friend, &foe);
    // The version before runs once more, and unblocks. That does not undo a block of today's, for a
    // damaged index looks the same; what it changes beside that is kept.
    let unblock = |txn: &redb::WriteTransaction, _: &Keys| {
        txn.open_table(BLOCKS)?.remove(&name.0)?;
        let friend = friend.store.keys().identity();
        txn.open_table(FOLLOWS)?.remove(&friend.0)?;
        Ok(())
    };
    author.store.write(unblock).expect("writes");
    drop(author);
    let author = Person::on(disk, 1).expect("opens");
    assert_eq!(author.store.blocked().expect("reads"), [name]);
    let author = without_index(author).expect("opens");
    assert_eq!(author.store.blocked().expect("reads"), [name]);
    assert_eq!(author.store.following().expect("reads"), [foe.card()]);
}

#[test]
fn an_acknowledged_block_holds_after_a_cut_at_any_call_and_the_loss_of_the_index() {
    let foe = Person::new(3);
    let name = foe.store.keys().identity();
    for calls in 0.. {
        let mut author = Person::new(1);
        author.post("to all", &Audience::Public, 1_000);
        author.store.follow(&foe.card()).expect("follows");
        author.disk.cut_power_after(calls);
        let acknowledged = author.store.block(name).is_ok();
        for bits in LUCK {
            let disk = author.disk.after_power_cut(luck(bits));
            let after = Person::on(disk.clone(), 1).expect("opens");
            let blocked = after.store.is_blocked(name).expect("reads");
            assert!(blocked || !acknowledged, "cut after {calls} calls");
            let again = without_index(after).expect("opens");
            assert_eq!(again.store.is_blocked(name).expect("reads"), blocked);
            assert_eq!(again.store.following().expect("reads"), [foe.card()]);
        }
        if acknowledged {
            return;
        }
    }
}
