//! An index of which one page is damaged: nothing of it is served, and all that files hold is
//! there again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::Trust;

const PAGE_BYTES: usize = 4_096;

/// Opens the store as its handle does that meets panics: with less trust each time.
fn opened(disk: &MemoryDisk) -> Option<Person> {
    for trust in [Trust::Whole, Trust::Checked, Trust::Nothing] {
        let attempt = || {
            let keys = Keys::generate(Some([1; 32]));
            let mut store = Store::open_trusting(&disk.disk(), keys, trust).ok()?;
            store.timeline(100, None).ok()?;
            store.following().ok()?;
            store.blocked().ok()?;
            store.owned_ops().ok()?;
            store.post(note("after"), &Audience::Public, 9_000).ok()?;
            Some(store)
        };
        if let Ok(Some(store)) = catch_unwind(AssertUnwindSafe(attempt)) {
            let disk = disk.clone();
            return Some(Person { disk, store });
        }
    }
    None
}

#[test]
fn whatever_page_is_damaged_the_store_opens_and_the_blocked_stay_so() {
    let (mut author, mut friend, foe) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut friend);
    let name = foe.store.keys().identity();
    author.store.block(name).expect("blocks");
    for number in 0..20 {
        author.post(&format!("{number}"), &Audience::Friends, 1_000 + number);
    }
    friend.post("from a friend", &Audience::Friends, 1_500);
    author.pull(&friend, SyncStrategy::Cursor);
    let disk = author.disk.clone();
    drop(author);
    let len = disk.disk().open("index.redb", false).expect("opens").len();
    let pages = len.expect("reads") as usize / PAGE_BYTES;
    assert!(pages > 10);
    let mut rebuilt = 0;
    for page in 0..pages.min(120) {
        let disk = disk.copy();
        disk.damage("index.redb", |bytes| {
            for byte in &mut bytes[page * PAGE_BYTES..][..PAGE_BYTES] {
                *byte ^= 0xa5;
            }
        });
        let mut author = opened(&disk).unwrap_or_else(|| panic!("page {page}"));
        assert!(author.store.is_blocked(name).expect("reads"), "page {page}");
        let own = author.store.owned_ops().expect("reads").len();
        assert!(own >= 21, "page {page}: {own}");
        assert_eq!(author.store.following().expect("reads"), [friend.card()]);
        rebuilt += u32::from(author.store.opened().rebuilt.is_some());
    }
    assert!(rebuilt > 0, "some damage is noticed");
}

#[test]
fn an_empty_or_short_index_is_made_anew() {
    let mut author = Person::new(1);
    author.post("kept", &Audience::Public, 1_000);
    let disk = author.disk.clone();
    drop(author);
    for len in [0, 1, 100, 5_000] {
        let disk = disk.copy();
        disk.damage("index.redb", |bytes| bytes.truncate(len));
        let mut author = opened(&disk).unwrap_or_else(|| panic!("{len} bytes"));
        assert_eq!(author.texts(), ["after", "kept"]);
        assert!(author.store.opened().rebuilt.is_some(), "{len} bytes");
    }
}

/// All places of `index.redb` at which `name` stands.
fn places_of(disk: &MemoryDisk, name: &[u8; 32]) -> Vec<usize> {
    let mut found = Vec::new();
    disk.damage("index.redb", |bytes| {
        let windows = bytes.windows(name.len()).enumerate();
        found.extend(windows.filter_map(|(at, bytes)| (bytes == name).then_some(at)));
    });
    found
}

#[test]
fn whatever_bit_of_a_contact_changes_in_the_index_the_file_of_contacts_counts() {
    let (mut author, mut friend, mut foe) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut friend);
    author.befriend(&mut foe);
    let name = foe.store.keys().identity();
    author.store.block(name).expect("blocks");
    author.post("kept", &Audience::Friends, 1_000);
    let following = author.store.following().expect("reads");
    let disk = author.disk.clone();
    drop(author);
    let friends = friend.store.keys().identity();
    let mut changes: Vec<_> = places_of(&disk, &name.0);
    changes.extend(places_of(&disk, &friends.0));
    assert!(
        changes.len() > 4,
        "keys of contacts, and within their cards"
    );
    let mut noticed = 0;
    for at in changes.iter().flat_map(|at| *at..at + 32) {
        let disk = disk.copy();
        disk.damage("index.redb", |bytes| bytes[at] ^= 1 << (at % 8));
        let mut author = Person::on(disk, 1).unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(author.store.blocked().expect("reads"), [name], "{at}");
        assert_eq!(author.store.following().expect("reads"), following, "{at}");
        assert_eq!(author.texts(), ["kept"], "{at}");
        noticed += u32::from(author.store.opened().rebuilt.is_some());
    }
    assert!(noticed > 0, "the index was made anew");
}

#[test]
fn an_acknowledged_post_that_is_damaged_ends_its_log_where_the_index_is_lost() {
    let (mut author, mut reader, late) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut reader);
    author.store.follow(&late.card()).expect("follows");
    let first = author.post("0", &Audience::Friends, 1_000);
    let last = author.post("1", &Audience::Friends, 1_001);
    let to = Person::new(4);
    author.store.follow(&to.card()).expect("follows");
    author
        .store
        .grant(last.op, to.store.keys().identity())
        .expect("grants");
    reader.pull(&author, SyncStrategy::Cursor);
    let own = author.store.keys().identity();
    let disk = author.disk.clone();
    drop(author);
    let log = disk
        .disk()
        .list(&format!("identities/{own}/logs"))
        .expect("lists");
    let path = format!("identities/{own}/logs/{}/00000001.json", log[0]);
    disk.damage(&path, |text| text[12] ^= 1);
    disk.disk().remove("index.redb").expect("removes");
    let mut author = Person::on(disk.clone(), 1).expect("opens");
    let opened = author.store.opened();
    assert!(opened.rebuilt.is_some());
    assert_eq!(opened.set_aside.len(), 1);
    assert_eq!(opened.set_aside[0].seq, 1);
    assert!(
        opened.set_aside[0].reason.contains("00000001"),
        "{opened:?}"
    );
    let own_ops = author.store.owned_ops().expect("reads");
    assert_eq!(own_ops, [(first.op, 1_000)]);
    author.store.reindex().expect("reindexes");
    let readers = only(&[&reader, &late]);
    let after = author.post("after", &readers, 2_000);
    assert_eq!(after.seq, 0, "no place is signed twice");
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(reader.store.forks().expect("reads"), []);
    drop(author);
    let mut again = Person::on(disk, 1).expect("opens");
    assert_eq!(again.store.opened(), crate::store::Opened::default());
}

/// A reader who has frozen a log of the author's, has revoked a device of theirs, and knows their
/// newest certificate.
fn informed() -> (Person, Keys) {
    use crate::keys::Rotation;
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("0", &Audience::Public, 1_000);
    let copy = author.disk.copy();
    author.post("1", &Audience::Public, 1_001);
    reader.pull(&author, SyncStrategy::Cursor);
    drop(author);
    let mut author = Person::on(copy, 1).expect("opens");
    author.post("1 again", &Audience::Public, 2_000);
    let own = author.store.keys().identity();
    reader.store.ask_again(own).expect("writes");
    reader.pull(&author, SyncStrategy::Cursor);
    let first = author.store.keys().delegation().device;
    let keys = author.store.keys().rotated(Rotation::BOTH, None);
    let keys = keys.expect("there is room").revoked(first, 3_000);
    let keys = keys.expect("revokes");
    let author = author.with_keys(keys.clone());
    reader.pull(&author, SyncStrategy::Cursor);
    (reader, keys)
}

#[test]
fn what_others_signed_of_their_keys_and_logs_outlives_the_index() {
    let (reader, author) = informed();
    let forks = reader.store.forks().expect("reads");
    assert_eq!(forks.len(), 1);
    let disk = reader.disk.clone();
    drop(reader);
    disk.disk().remove("index.redb").expect("removes");
    let mut reader = Person::on(disk.clone(), 2).expect("opens");
    let rebuilt = reader.store.opened().rebuilt.expect("told");
    assert_eq!((rebuilt.forks, rebuilt.proofs_lost), (1, false));
    assert_eq!(reader.store.forks().expect("reads"), forks);
    let own = author.identity();
    let known = reader.store.certificate_of(own).expect("reads");
    assert_eq!(known.as_ref(), Some(author.delegation()));
    let revoked = |store: &Store| {
        let txn = store.read().expect("reads");
        let table = txn
            .open_table(crate::store::tables::REVOCATIONS)
            .expect("is there");
        redb::ReadableTableMetadata::len(&table).expect("reads")
    };
    assert_eq!(revoked(&reader.store), 1);
    // A card of before the rotation is refused as it was.
    let old = Keys::generate(Some([1; 32])).card_at(&[], NOW_MS);
    let refused = reader.store.follow(&old.expect("signs"));
    assert!(matches!(refused, Err(StoreError::OldCard(_))));
    drop(reader);
    // Where the copy is damaged, too, that is told.
    let path = crate::store::proof_file::path(Keys::generate(Some([2; 32])).identity());
    disk.damage(&path, |bytes| bytes[40] ^= 1);
    disk.disk().remove("index.redb").expect("removes");
    let mut reader = Person::on(disk, 2).expect("opens");
    let rebuilt = reader.store.opened().rebuilt.expect("told");
    assert_eq!((rebuilt.forks, rebuilt.proofs_lost), (0, true));
}

#[test]
fn an_index_of_before_the_file_of_proofs_gets_one() {
    let (mut reader, author) = informed();
    let older = |txn: &redb::WriteTransaction, _: &Keys| {
        txn.open_table(crate::store::tables::FORMAT)?
            .insert((), 3)?;
        Ok(())
    };
    reader.store.write(older).expect("writes");
    let disk = reader.disk.clone();
    let own = reader.store.keys().identity();
    drop(reader);
    disk.disk()
        .remove(&crate::store::proof_file::path(own))
        .expect("removes");
    drop(Person::on(disk.clone(), 2).expect("opens"));
    disk.disk().remove("index.redb").expect("removes");
    let reader = Person::on(disk, 2).expect("opens");
    let known = reader
        .store
        .certificate_of(author.identity())
        .expect("reads");
    assert_eq!(known.as_ref(), Some(author.delegation()));
}

#[test]
fn a_certificate_heard_before_a_cut_at_any_call_is_heard_again_or_known() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let keys = author
        .store
        .keys()
        .rotated(crate::keys::Rotation::BOTH, None);
    let author = author.with_keys(keys.expect("there is room"));
    let newest = author.store.keys().delegation().clone();
    let (me, from) = (reader.store.keys().identity(), newest.identity);
    let request = reader.store.pull_request(from, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let page = author.store.answer(me, &request).expect("answers");
    for calls in 0.. {
        let mut cut = Person::on(reader.disk.copy(), 2).expect("opens");
        cut.disk.cut_power_after(calls);
        let heard = cut.store.ingest(from, &request, &page, NOW_MS).is_ok();
        for bits in super::crash::LUCK {
            let disk = cut.disk.after_power_cut(super::crash::luck(bits));
            disk.disk().remove("index.redb").expect("removes");
            let again = Person::on(disk, 2).expect("opens");
            let known = again.store.certificate_of(from).expect("reads");
            assert!(known == Some(newest.clone()) || !heard, "call {calls}");
        }
        if heard {
            return;
        }
    }
}

#[test]
fn whatever_bit_changes_beside_the_name_of_an_own_log_no_place_is_signed_twice() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    for number in 0..3 {
        author.post(&format!("{number}"), &Audience::Public, 1_000 + number);
    }
    reader.pull(&author, SyncStrategy::Cursor);
    let own = author.store.keys().identity();
    let disk = author.disk.clone();
    drop(author);
    let logs = disk
        .disk()
        .list(&format!("identities/{own}/logs"))
        .expect("lists");
    let log: crate::op::LogId = logs[0].parse().expect("a name");
    let mut places = Vec::new();
    disk.damage("index.redb", |bytes| {
        let windows = bytes.windows(16).enumerate();
        places.extend(windows.filter_map(|(at, bytes)| (bytes == log.0).then_some(at)));
    });
    assert!(places.len() > 5, "keys, values and headers");
    // The name itself, and what stands beside it: keys have 8 bytes and names at most, and values too.
    for at in places.iter().flat_map(|at| (at - 40..at + 64).step_by(3)) {
        let disk = disk.copy();
        disk.damage("index.redb", |bytes| bytes[at] ^= 1 << (at % 8));
        let mut author = opened(&disk).unwrap_or_else(|| panic!("{at}"));
        let mut reader = Person::on(reader.disk.copy(), 2).expect("opens");
        author.post("and again", &Audience::Public, 9_001);
        let me = reader.store.keys().identity();
        let request = reader
            .store
            .pull_request(own, SyncStrategy::Cursor, 0, 10)
            .expect("reads");
        if author.store.answer(me, &request).is_ok() {
            reader.pull_pages(&author, SyncStrategy::Cursor, 100);
        }
        assert_eq!(reader.store.forks().expect("reads"), [], "{at}");
    }
}

#[test]
fn a_changed_bit_of_an_own_post_is_told_of_and_not_served() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let posted = author.post("unmistakable", &Audience::Public, 1_000);
    let disk = author.disk.clone();
    drop(author);
    disk.damage("index.redb", |bytes| {
        let text = b"unmistakable";
        let places: Vec<_> = (0..bytes.len() - text.len())
            .filter(|at| bytes[*at..].starts_with(text))
            .collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at] ^= 1;
        }
    });
    let mut author = Person::on(disk, 1).expect("opens");
    let own = author.store.keys().identity();
    let me = reader.store.keys().identity();
    let request = reader.store.pull_request(own, SyncStrategy::Cursor, 0, 10);
    let request = request.expect("reads");
    let bounds = crate::pull::PageBounds::default();
    let answer = author.store.answer_within(me, &request, bounds, 0);
    let Err(crate::store::Unanswered::Failed(error)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(error.cure(), crate::store::Cure::Reindex);
    author.store.reindex().expect("reindexes");
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), [posted.op]);
}

#[test]
fn only_what_is_ours_and_unfinished_is_removed() {
    let mut author = Person::new(1);
    author.post("kept", &Audience::Public, 1_000);
    let (memory, disk) = (author.disk.clone(), author.disk.disk());
    let own = format!("identities/{}", author.store.keys().identity());
    let logs = disk.list(&format!("{own}/logs")).expect("lists");
    let log = format!("{own}/logs/{}", logs[0]);
    drop(author);
    let ours = [
        "index.redb.tmp".to_owned(),
        format!("{own}/contacts.tmp"),
        format!("{own}/proofs.tmp"),
        format!("{own}/newer-serial.tmp"),
        format!("{log}/00000001.json.tmp"),
        format!("{log}/00000001.op.tmp"),
        format!("{log}/00000000.grant-00000007.tmp"),
        format!("{log}/ended.tmp"),
    ];
    let others = [
        "mine.tmp".to_owned(),
        "notes.txt.tmp".to_owned(),
        "00000001.op.tmp".to_owned(),
        format!("{own}/notes.tmp"),
        format!("{log}/1 draft.json.tmp"),
        format!("{log}/00000001.txt.tmp"),
        format!("{log}/.tmp"),
    ];
    for path in ours.iter().chain(&others) {
        disk.open(path, true).expect("makes it");
    }
    drop(Person::on(memory, 1).expect("opens"));
    for path in &ours {
        assert!(disk.open(path, false).is_err(), "{path} is there");
    }
    for path in &others {
        assert!(disk.open(path, false).is_ok(), "{path} is gone");
    }
}

#[test]
fn an_index_of_another_identity_is_put_aside_aloud() {
    let (mut author, mut friend) = (Person::new(1), Person::new(2));
    author.befriend(&mut friend);
    author.post("of another", &Audience::Public, 1_000);
    let disk = author.disk.clone();
    drop(author);
    // A node is made anew, and the index was forgotten.
    let mut anew = Person::on(disk.clone(), 7).expect("opens");
    let rebuilt = anew.store.opened().rebuilt.expect("told");
    assert!(rebuilt.reason.contains("another identity"), "{rebuilt:?}");
    assert_eq!(anew.texts(), Vec::<String>::new());
    assert_eq!(anew.store.following().expect("reads"), []);
    assert_eq!(anew.post("first", &Audience::Public, 2_000).seq, 0);
    let names = disk.disk().list("").expect("lists");
    assert!(
        names.contains(&"index.redb.damaged".to_owned()),
        "{names:?}"
    );
}

/// What `informed` knows, of which all must be there: the newest certificate and a fork.
fn knows_all(store: &Store, author: &Keys) {
    let known = store.certificate_of(author.identity()).expect("reads");
    assert_eq!(known.as_ref(), Some(author.delegation()));
    assert_eq!(store.forks().expect("reads").len(), 1);
}

/// The files of `person` laid beside the index of another.
fn with_files_of(index: &MemoryDisk, person: &Person) -> MemoryDisk {
    let disk = index.copy();
    for (path, content) in person.disk.files() {
        if path.starts_with("identities/") {
            let folder = path.rsplit_once('/').expect("in a folder").0;
            crate::files::make_dir(&disk.disk(), folder).expect("makes it");
            let file = disk.disk().open(&path, true).expect("makes it");
            file.write_at(0, &content).expect("writes");
            file.sync().expect("syncs");
        }
    }
    disk
}

#[test]
fn files_of_an_identity_beside_the_index_of_another_count_alone() {
    let (reader, author) = informed();
    let me = reader.store.keys().identity();
    // Of one who has just begun; who has posted; who follows and has not.
    let indexes = [
        |_: &mut Person| {},
        |other: &mut Person| {
            other.post("of another", &Audience::Public, 1_000);
        },
        |other: &mut Person| {
            let friend = Person::new(8);
            other.store.follow(&friend.card()).expect("follows");
        },
    ];
    for (number, prepare) in indexes.into_iter().enumerate() {
        for unsaid in [false, true] {
            let mut other = Person::new(7);
            prepare(&mut other);
            if unsaid {
                // An index of before does not say whose it is.
                let older = |txn: &redb::WriteTransaction, _: &Keys| {
                    txn.delete_table(crate::store::tables::OWNER)?;
                    Ok(())
                };
                other.store.write(older).expect("writes");
            }
            let disk = other.disk.clone();
            drop(other);
            let disk = with_files_of(&disk, &reader);
            let mut mine = Person::on(disk.clone(), 2).expect("opens");
            let rebuilt = mine.store.opened().rebuilt;
            let rebuilt = rebuilt.unwrap_or_else(|| panic!("{number} {unsaid}: not told"));
            assert!(rebuilt.reason.contains("another identity"), "{rebuilt:?}");
            assert_eq!((rebuilt.forks, rebuilt.proofs_lost), (1, false));
            knows_all(&mine.store, &author);
            let following = mine.store.following().expect("reads");
            assert_eq!(following.len(), 1);
            assert_eq!(following[0].identity(), author.identity());
            assert_eq!(mine.texts(), Vec::<String>::new());
            let viewer = Person::new(9);
            let as_whom = viewer.store.keys().identity();
            let request = viewer.store.pull_request(me, SyncStrategy::Cursor, 0, 10);
            let page = mine.store.answer(as_whom, &request.expect("reads"));
            assert_eq!(page.expect("answers").items, []);
            let names = disk.disk().list("").expect("lists");
            assert!(names.contains(&"index.redb.damaged".to_owned()));
            drop(mine);
            let mut again = Person::on(disk, 2).expect("opens");
            assert_eq!(again.store.opened(), crate::store::Opened::default());
        }
    }
}

#[test]
fn keys_of_a_new_identity_beside_the_index_of_one_who_never_posted_follow_nobody() {
    let (mut before, friend) = (Person::new(1), Person::new(2));
    before.store.follow(&friend.card()).expect("follows");
    let disk = before.disk.clone();
    drop(before);
    let mut anew = Person::on(disk, 7).expect("opens");
    let rebuilt = anew.store.opened().rebuilt.expect("told");
    assert!(rebuilt.reason.contains("another identity"), "{rebuilt:?}");
    assert_eq!(anew.store.following().expect("reads"), []);
}

#[test]
fn an_index_that_is_older_than_the_file_of_proofs_learns_from_it() {
    let (reader, author) = informed();
    let proofs = crate::store::proof_file::path(reader.store.keys().identity());
    let newer = reader.disk.files().remove(&proofs).expect("is there");
    // A copy of the reader's whole folder from before anything was learned.
    let (mut older, mut older_author) = (Person::new(2), Person::new(1));
    older_author.befriend(&mut older);
    let me = older.store.keys().identity();
    let disk = older.disk.clone();
    drop(older);
    let file = disk.disk().open(&proofs, true).expect("makes it");
    file.write_at(0, &newer).expect("writes");
    let mine = Person::on(disk.clone(), 2).expect("opens");
    knows_all(&mine.store, &author);
    drop(mine);
    // What was learned does not depend on the file any more: gone, older or damaged, it is written anew.
    let spoils: [&dyn Fn(&MemoryDisk); 3] = [
        &|disk| disk.disk().remove(&proofs).expect("removes"),
        &|disk| {
            let older = crate::store::Proofs::default();
            older.write(&disk.disk(), me).expect("writes");
        },
        &|disk| disk.damage(&proofs, |bytes| bytes[40] ^= 1),
    ];
    for spoil in spoils {
        spoil(&disk);
        knows_all(&Person::on(disk.clone(), 2).expect("opens").store, &author);
        assert_eq!(disk.files()[&proofs], newer);
    }
}
