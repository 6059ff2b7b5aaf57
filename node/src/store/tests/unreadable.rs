//! Own posts that the files cannot give back: they keep nothing else shut.

use super::*;
use crate::api::Event;
use crate::keys::Rotation;
use crate::services::fake;
use crate::store::tables::OPS;
use crate::store_handle::StoreHandleError;

/// The folder of the only log of an own identity.
fn log_of(person: &Person) -> String {
    let own = person.store.keys().identity();
    let logs = format!("identities/{own}/logs");
    let names = person.disk.disk().list(&logs).expect("lists");
    assert_eq!(names.len(), 1);
    format!("{logs}/{}", names[0])
}

/// What is done to a log of three posts, at one place: a typo is corrected, or a bit changes.
fn harmed(ending: &str, place: u64) -> (Person, Person) {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    for number in 0..3 {
        author.post(&format!("{number}"), &Audience::Friends, 1_000 + number);
    }
    reader.pull(&author, SyncStrategy::Cursor);
    let path = format!("{}/{place:08}.{ending}", log_of(&author));
    author.disk.damage(&path, |bytes| {
        // Of the signed file the header, of the text beside it the type.
        let at = if ending == "op" { 20 } else { bytes.len() - 3 };
        bytes[at] ^= 1;
    });
    (author, reader)
}

/// That all posts but that at `place` are there, and no place is signed twice.
fn goes_on(mut author: Person, mut reader: Person, place: u64) {
    let left = (0..3).rev().filter(|other| *other != place);
    let left: Vec<_> = left.map(|other| other.to_string()).collect();
    assert_eq!(author.texts(), left, "place {place}");
    let before = author.store.state_hash().expect("hashes");
    assert_eq!(author.store.reindex().expect("reindexes").after, before);
    assert_eq!(author.store.opened(), crate::store::Opened::default());
    let after = author.post("after", &Audience::Friends, 2_000);
    assert_eq!(after.seq, 0, "place {place}");
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(reader.texts(), ["after", "2", "1", "0"]);
    assert_eq!(reader.store.forks().expect("reads"), []);
    // Who reads it for the first time gets what there is, and misses nothing.
    let mut late = Person::new(2);
    late.store.follow(&author.card()).expect("follows");
    let pages = late.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(
        (pages[0].new.len(), pages[0].missing),
        (3, 0),
        "place {place}"
    );
}

#[test]
fn a_post_that_is_not_as_written_is_set_aside_wherever_it_stands() {
    for place in 0..3 {
        for ending in ["json", "op"] {
            // Where the index is made anew of the files.
            let (mut author, reader) = harmed(ending, place);
            author.store.reindex().expect("reindexes");
            let told = author.store.opened().set_aside;
            assert_eq!(told.len(), 1, "{ending} {place}");
            assert_eq!(told[0].seq, place);
            goes_on(author, reader, place);
            // And where it is lost.
            let (author, reader) = harmed(ending, place);
            let disk = author.disk.clone();
            drop(author);
            disk.disk().remove("index.redb").expect("removes");
            let mut author = Person::on(disk, 1).expect("opens");
            assert_eq!(author.store.opened().set_aside.len(), 1);
            goes_on(author, reader, place);
        }
    }
}

#[test]
fn a_grant_that_is_not_as_written_is_set_aside_and_shuts_nothing() {
    for lost in [true, false] {
        let (mut author, mut reader, late) = (Person::new(1), Person::new(2), Person::new(3));
        author.befriend(&mut reader);
        author.post("0", &Audience::Friends, 1_000);
        let opened = author.post("1", &Audience::Friends, 1_001);
        author.store.follow(&late.card()).expect("follows");
        let to = late.store.keys().identity();
        author.store.grant(opened.op, to).expect("grants");
        reader.pull(&author, SyncStrategy::Cursor);
        let path = format!("{}/00000001.grant-00000002", log_of(&author));
        author.disk.damage(&path, |bytes| bytes[0] ^= 1);
        let disk = author.disk.clone();
        drop(author);
        if lost {
            disk.disk().remove("index.redb").expect("removes");
        }
        let mut author = Person::on(disk.clone(), 1).expect("opens");
        author.store.reindex().expect("reindexes");
        let told = author.store.opened();
        assert_eq!((told.set_aside.len(), told.grants_set_aside.len()), (0, 1));
        assert_eq!(told.grants_set_aside[0].seq, 1);
        let tells = |event: &Event| matches!(event, Event::GrantSetAside { .. });
        assert!(told.events().iter().any(tells));
        let before = author.store.state_hash().expect("hashes");
        assert_eq!(author.store.reindex().expect("reindexes").after, before);
        assert_eq!(author.store.opened(), crate::store::Opened::default());
        // The log goes on, and all others are sent what they were.
        assert_eq!(
            author.post("2", &Audience::Friends, 2_000).seq,
            0,
            "to more"
        );
        reader.pull(&author, SyncStrategy::Cursor);
        assert_eq!(reader.texts(), ["2", "1", "0"]);
        assert_eq!(reader.store.forks().expect("reads"), []);
        let granted = author.store.grant(opened.op, to).expect("grants");
        assert_eq!(granted, crate::store::Granted::New);
        drop(author);
        let mut again = Person::on(disk, 1).expect("opens");
        assert_eq!(again.store.opened(), crate::store::Opened::default());
    }
}

#[test]
fn a_post_whose_key_is_gone_is_kept_as_the_text_that_it_is() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let old = author.store.keys().clone();
    author.post("0", &Audience::Friends, 1_000);
    let lost = old.rotated(Rotation::BOTH, None).expect("there is room");
    let mut author = author.with_keys(lost);
    let sealed = author.post("1", &Audience::Friends, 1_001);
    author.post("2", &Audience::Friends, 1_002);
    reader.pull(&author, SyncStrategy::Cursor);
    // The key file of before is put back, and what `keys-are-old` says is done.
    let again = old.rotated(Rotation::BOTH, None).expect("there is room");
    let mut author = author.with_keys(again.clone());
    assert_eq!(author.texts(), ["2", "1", "0"]);
    // As long as the index has the keys, nothing is lost.
    author.store.reindex().expect("reindexes");
    assert_eq!(author.store.opened(), crate::store::Opened::default());
    assert_eq!(author.texts(), ["2", "1", "0"]);
    let disk = author.disk.clone();
    drop(author);
    disk.disk().remove("index.redb").expect("removes");
    let store = Store::open(&disk.disk(), again).expect("opens");
    let mut author = Person { disk, store };
    assert_eq!(author.store.opened().keyless, 2);
    assert_eq!(author.texts(), ["2", "1", "0"]);
    let before = author.store.state_hash().expect("hashes");
    assert_eq!(author.store.reindex().expect("reindexes").after, before);
    let opened = author.store.opened();
    assert_eq!((opened.keyless, opened.set_aside.len()), (2, 0));
    assert_eq!(author.store.readable_ops().expect("reads").len(), 3);
    let granted = author.store.grant(sealed.op, reader.card().identity());
    assert!(
        matches!(granted, Err(StoreError::KeyGone(_))),
        "{granted:?}"
    );
    assert_eq!(author.post("after", &Audience::Friends, 2_000).seq, 0);
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(reader.texts(), ["after", "2", "1", "0"]);
    // Who reads it for the first time is served what can be, and misses nothing.
    let mut late = Person::new(2);
    late.store.follow(&author.card()).expect("follows");
    let pages = late.pull_pages(&author, SyncStrategy::Cursor, 100);
    let page = &pages[0];
    assert_eq!(
        (page.new.len(), page.refused.len(), page.missing),
        (2, 0, 0)
    );
}

#[tokio::test]
async fn no_job_destroys_what_a_damaged_index_has_of_others() {
    let (mut author, mut friend) = (Person::new(1), Person::new(2));
    author.befriend(&mut friend);
    for number in 0..3 {
        author.post(&format!("{number}"), &Audience::Friends, 1_000 + number);
    }
    let theirs = friend.post("from a friend", &Audience::Friends, 1_500);
    author.pull(&friend, SyncStrategy::Cursor);
    // One file is not as written, and one entry cannot be read.
    let path = format!("{}/00000001.json", log_of(&author));
    author.disk.damage(&path, |text| text[12] ^= 1);
    let first = author.store.owned_ops().expect("reads")[0].0;
    let damage = |txn: &redb::WriteTransaction, _: &Keys| {
        txn.open_table(OPS)?.insert(&first.0, &b"?"[..])?;
        Ok(())
    };
    author.store.write(damage).expect("writes");
    let (disk, keys) = (author.disk.clone(), author.store.keys().clone());
    drop(author);
    let (handle, told) = fake::store(&disk, keys);
    for _ in 0..10 {
        let shown = handle
            .with(|store| store.timeline_at(10, None, NOW_MS))
            .await;
        let shown = shown.expect("opens").expect("reads");
        if let Some(error) = shown.damaged {
            handle.close(error.cure()).await.expect("closes");
        }
    }
    let shown = handle
        .with(|store| store.timeline_at(10, None, NOW_MS))
        .await;
    let posts = shown.expect("opens").expect("reads").posts;
    assert_eq!(posts.len(), 3, "{posts:?}");
    let holds = handle.with(move |store| store.holds(theirs.op)).await;
    assert!(
        holds.expect("opens").expect("reads"),
        "others' posts are there"
    );
    let set_aside = told.take().into_iter();
    let set_aside = set_aside.filter(|event| matches!(event, Event::PostSetAside { .. }));
    assert_eq!(set_aside.count(), 1);
}

#[tokio::test]
async fn an_index_is_put_aside_only_for_another_that_is_whole_and_over_none() {
    let mut author = Person::new(1);
    author.post("kept", &Audience::Public, 1_000);
    let (disk, keys) = (author.disk.clone(), author.store.keys().clone());
    let contacts = format!("identities/{}/contacts", keys.identity());
    drop(author);
    let names = |disk: &MemoryDisk| disk.disk().list("").expect("lists");
    let index = |disk: &MemoryDisk, name: &str| {
        let mut found = Vec::new();
        disk.damage(name, |bytes| found.clone_from(bytes));
        found
    };
    // Nothing takes its place while the contacts are gone as well.
    disk.damage("index.redb", |bytes| bytes[..64].fill(0xa5));
    let first = index(&disk, "index.redb");
    let kept = disk.copy();
    disk.disk().remove(&contacts).expect("removes");
    let (handle, _) = fake::store(&disk, keys.clone());
    for _ in 0..3 {
        let failed = handle.with(|_| ()).await;
        assert!(
            matches!(failed, Err(StoreHandleError::Open(_))),
            "{failed:?}"
        );
        assert_eq!(index(&disk, "index.redb"), first);
    }
    // Each that is replaced stays.
    let disk = kept;
    for round in 0..3 {
        let (handle, told) = fake::store(&disk, keys.clone());
        handle.with(|_| ()).await.expect("opens");
        let rebuilt = told.take().into_iter();
        let rebuilt = rebuilt.filter(|event| matches!(event, Event::IndexRebuilt { .. }));
        assert_eq!(rebuilt.count(), 1, "round {round}");
        drop(handle);
        disk.damage("index.redb", |bytes| bytes[..64].fill(round));
    }
    assert_eq!(index(&disk, "index.redb.damaged"), first);
    let aside = |disk: &MemoryDisk| {
        let names = names(disk);
        let aside = names.iter().filter(|name| name.contains(".damaged"));
        aside.count()
    };
    assert_eq!(aside(&disk), 3);
    // Of more than are kept the last gives way, and the first never.
    for round in 3..12 {
        let (handle, _) = fake::store(&disk, keys.clone());
        handle.with(|_| ()).await.expect("opens");
        drop(handle);
        disk.damage("index.redb", |bytes| bytes[..64].fill(round));
    }
    assert_eq!(aside(&disk), 8);
    assert_eq!(index(&disk, "index.redb.damaged"), first);
    let last = index(&disk, "index.redb.damaged-8");
    assert_eq!(last[..64], [10; 64]);
}
