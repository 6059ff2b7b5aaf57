//! Disks that refuse writes: what is kept is read all the same, and nothing else is promised.

use std::io::ErrorKind;

use super::*;

const REFUSALS: [ErrorKind; 3] = [
    ErrorKind::StorageFull,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::PermissionDenied,
];

#[test]
fn a_store_on_a_disk_that_refuses_writes_opens_and_is_read() {
    for kind in REFUSALS {
        let (mut author, reader) = (Person::new(1), Person::new(2));
        author.post("kept", &Audience::Public, 1_000);
        let name = reader.store.keys().identity();
        author.store.block(name).expect("blocks");
        // One copy is of a store that was closed, the other of one that lost its power.
        let torn = author.disk.copy();
        let disk = author.disk.clone();
        drop(author);
        for disk in [disk, torn] {
            disk.refuse_writes(Some(kind));
            let mut author = Person::on(disk.clone(), 1).expect("opens");
            assert_eq!(author.texts(), ["kept"], "{kind}");
            assert_eq!(author.store.blocked().expect("reads"), [name]);
            let own = author.store.keys().identity();
            let request = Person::new(3)
                .store
                .pull_request(own, SyncStrategy::Cursor, 0, 10);
            let viewer = Person::new(3).store.keys().identity();
            let page = author.store.answer(viewer, &request.expect("reads"));
            assert_eq!(page.expect("answers").items.len(), 1);
            let refused = author.store.post(note("x"), &Audience::Public, 2_000);
            assert!(refused.is_err_and(|error| error.is_storage()));
            assert!(author.store.unblock(name).is_err());
            drop(author);
            disk.refuse_writes(None);
            let mut author = Person::on(disk, 1).expect("opens");
            author.post("after", &Audience::Public, 3_000);
            assert_eq!(author.texts(), ["after", "kept"]);
            assert_eq!(author.store.blocked().expect("reads"), [name]);
        }
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing_and_is_read_meanwhile() {
    let mut author = Person::new(1);
    author.post("kept", &Audience::Public, 1_000);
    author.disk.refuse_writes(Some(ErrorKind::StorageFull));
    let refused = author.store.post(note("x"), &Audience::Public, 2_000);
    assert!(refused.is_err_and(|error| error.is_storage()));
    let disk = author.disk.clone();
    drop(author);
    let author = Person::on(disk.clone(), 1).expect("opens");
    assert_eq!(author.texts(), ["kept"]);
    drop(author);
    disk.refuse_writes(None);
    let mut author = Person::on(disk, 1).expect("opens");
    author.post("after", &Audience::Public, 3_000);
    assert_eq!(author.texts(), ["after", "kept"]);
}

#[test]
fn what_was_never_finished_is_removed_at_the_next_start() {
    let mut author = Person::new(1);
    author.post("kept", &Audience::Public, 1_000);
    let own = format!("identities/{}", author.store.keys().identity());
    let disk = author.disk.clone();
    drop(author);
    let log = disk
        .disk()
        .list(&format!("{own}/logs"))
        .expect("lists")
        .remove(0);
    let left = [
        "index.redb.tmp".to_owned(),
        format!("{own}/contacts.tmp"),
        format!("{own}/logs/{log}/00000001.json.tmp"),
    ];
    for path in &left {
        disk.disk().open(path, true).expect("makes it");
    }
    Person::on(disk.clone(), 1).expect("opens");
    for path in &left {
        assert!(disk.disk().open(path, false).is_err(), "{path}");
    }
    assert_eq!(Person::on(disk, 1).expect("opens").texts(), ["kept"]);
}
