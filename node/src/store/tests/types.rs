//! Pulls of some types: what is found is what the viewer may read, and nothing else is looked at.

use super::*;
use crate::pull::{PullRequest, Scope};
use crate::store::answer::Answer;
use crate::sync_strategy::PullState;
use crate::sync_strategy::after_ts::AfterTs;
use crate::sync_strategy::cursor::Cursor;

/// What `viewer` gets of these types, and the steps and bytes that took.
fn asked(
    author: &Person,
    viewer: &Person,
    types: &[&str],
    state: PullState,
) -> (Vec<OpId>, usize, usize) {
    let me = viewer.store.keys().identity();
    let mut request = PullRequest {
        viewer: me,
        scope: Scope::Author(author.store.keys().identity()),
        types: types.iter().map(|kind| (*kind).to_owned()).collect(),
        limit: 7,
        state,
    };
    let (mut ops, mut steps, mut bytes) = (Vec::new(), 0, 0);
    loop {
        let bounds = crate::pull::PageBounds::default();
        let Answer {
            page, read_bytes, ..
        } = author
            .store
            .answer_within(me, &request, bounds, 0)
            .expect("answers");
        steps += 1;
        bytes += read_bytes;
        ops.extend(page.items.iter().map(crate::pull::Item::id));
        if page.end.is_some() {
            return (ops, steps, bytes);
        }
        assert_ne!(page.next, request.state, "each step leads on");
        request.state = page.next;
    }
}

fn states() -> [PullState; 2] {
    [
        PullState::Cursor(Cursor::default()),
        PullState::AfterTs(AfterTs::default()),
    ]
}

#[test]
fn types_are_found_without_reading_what_lies_between() {
    let (mut author, mut reader, mut other) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut reader);
    author.befriend(&mut other);
    let mut wanted = Vec::new();
    for number in 0..60_u64 {
        let kind = ["note/1", "event/1", "like/1"][number as usize % 3];
        let text = "x".repeat(2_000);
        let body = serde_json::json!({"type": kind, "text": text, "number": number});
        let to = match number % 4 {
            0 => only(&[&other]),
            _ => Audience::Public,
        };
        let posted = author.store.post(body, &to, 1_000 + number).expect("posts");
        if number % 3 != 0 && number % 4 != 0 {
            wanted.push(posted.op);
        }
    }
    for state in states() {
        let (ops, ..) = asked(&author, &reader, &["event/1", "like/1"], state);
        assert_eq!(ops, wanted);
        let (ops, steps, bytes) = asked(&author, &reader, &["nothing/1"], state);
        assert_eq!((ops, steps), (vec![], 1));
        assert!(bytes < 5_000, "only the heads are read: {bytes}");
    }
}

#[test]
fn a_late_grant_is_found_by_its_type_too() {
    let (mut author, mut reader, mut other) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut other);
    let old = author.post("early", &Audience::Friends, 1_000);
    author.befriend(&mut reader);
    let name = reader.store.keys().identity();
    author.store.grant(old.op, name).expect("grants");
    let cursor = states()[0];
    assert_eq!(asked(&author, &reader, &["note/1"], cursor).0, [old.op]);
    assert_eq!(asked(&author, &other, &["note/1"], cursor).0, [old.op]);
}

#[test]
fn many_posts_of_a_type_for_others_are_passed_over_in_bounded_steps() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let first = author.post("first", &Audience::Public, 1_000);
    // Entries of the type for posts that the reader may not read, as if there were so many.
    let posts: u64 = 9_000;
    author
        .store
        .write(|txn, _| {
            let mut kinds = txn.open_table(crate::store::tables::KINDS)?;
            for number in 0..posts {
                for order in 0..2 {
                    kinds.insert(("note/1", order, 2_000 + number, &[7; 32]), ())?;
                }
            }
            let mut numbers = txn.open_table(crate::store::tables::NUMBERS)?;
            numbers.insert(crate::store::tables::NEXT_ARRIVAL, 2_000 + posts)?;
            Ok(())
        })
        .expect("writes");
    let last = author.post("last", &Audience::Public, 2_000 + posts);
    for state in states() {
        let (ops, steps, _) = asked(&author, &reader, &["note/1"], state);
        assert_eq!(ops, [first.op, last.op]);
        assert_eq!(steps, 3, "4,096 entries a step");
    }
}

#[test]
fn an_index_of_the_version_before_lists_types_after_it_is_opened() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let posted = author.post("old", &Audience::Friends, 1_000);
    let before = author.store.state_hash().expect("hashes");
    author
        .store
        .write(|txn, _| {
            txn.delete_table(crate::store::tables::KINDS)?;
            txn.delete_table(crate::store::tables::ENDED)?;
            txn.delete_table(crate::store::tables::HELD_BACK)?;
            txn.delete_table(crate::store::tables::FORMAT)?;
            Ok(())
        })
        .expect("writes");
    let disk = author.disk.clone();
    drop(author);
    let author = Person::on(disk, 1).expect("opens");
    assert_eq!(author.store.state_hash().expect("hashes"), before);
    for state in states() {
        assert_eq!(asked(&author, &reader, &["note/1"], state).0, [posted.op]);
    }
}
