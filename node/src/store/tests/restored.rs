//! An author's store restored from a copy: what its readers lose, notice and tell.

use super::*;
use crate::op::SignedHeader;
use crate::pull::{PullRequest, Scope};
use crate::store::{EndReason, EndedLog};
use crate::sync_strategy::PullState;
use crate::sync_strategy::cursor::Cursor;

/// An author with posts 0 to 4, of whom a reader holds all, and a copy from after post 2.
fn scene() -> (Person, Person) {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    for number in 0..3 {
        author.post(&format!("{number}"), &Audience::Public, 1_000 + number);
    }
    let copy = author.disk.copy();
    author.post("3", &Audience::Public, 1_003);
    author.post("4", &Audience::Public, 1_004);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor).len(), 5);
    drop(author);
    (Person::on(copy, 1).expect("opens"), reader)
}

/// What `reader` says it holds of the logs of `author`.
fn heads(reader: &Person, author: &Person) -> Vec<SignedHeader> {
    told(reader, author).heads
}

/// What `reader` tells `author` of the author's own.
fn told(reader: &Person, author: &Person) -> crate::pull::End {
    let own = author.store.keys().identity();
    let request = PullRequest {
        viewer: own,
        scope: Scope::Author(own),
        types: Vec::new(),
        limit: 1,
        state: PullState::Cursor(Cursor::default()),
    };
    let page = reader.store.answer(own, &request).expect("answers");
    let page = PullPage::decode(&page.encode()).expect("what is sent can be read");
    assert_eq!(page.items, []);
    page.end.expect("it is one page")
}

fn hear(author: &mut Person, reader: &Person) -> Vec<EndedLog> {
    let heads = heads(reader, author);
    author.store.hear_heads(&heads).expect("hears")
}

#[test]
fn an_author_who_asks_first_begins_a_new_log_and_forks_nothing() {
    let (mut author, mut reader) = scene();
    let ended = hear(&mut author, &reader);
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].seq, ended[0].reason),
        (4, EndReason::OthersHoldMore)
    );
    let posted = author.post("after", &Audience::Public, 2_000);
    assert_eq!(posted.seq, 0);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), [posted.op]);
    assert_eq!(reader.store.forks().expect("reads"), []);
    assert_eq!(reader.texts(), ["after", "4", "3", "2", "1", "0"]);
    // It is told once, and holds whatever becomes of the index.
    assert_eq!(hear(&mut author, &reader), []);
    let before = author.store.state_hash().expect("hashes");
    assert_eq!(author.store.reindex().expect("reindexes").after, before);
    let disk = author.disk.clone();
    drop(author);
    disk.disk().remove("index.redb").expect("removes");
    let mut author = Person::on(disk, 1).expect("opens");
    assert_eq!(author.store.state_hash().expect("hashes"), before);
    assert_eq!(hear(&mut author, &reader), []);
    assert_eq!(author.post("more", &Audience::Public, 3_000).seq, 1);
}

#[test]
fn a_log_that_is_ended_before_its_next_post_stays_so_without_the_index() {
    let (mut author, reader) = scene();
    hear(&mut author, &reader);
    let disk = author.disk.copy();
    disk.disk().remove("index.redb").expect("removes");
    let mut author = Person::on(disk, 1).expect("opens");
    assert_eq!(author.post("after", &Audience::Public, 2_000).seq, 0);
}

#[test]
fn an_author_who_posts_first_is_served_told_and_heard_again() {
    let (mut author, mut reader) = scene();
    let lost = author.post("3 again", &Audience::Public, 2_000);
    // The reader's cursor is ahead of what the copy has given out: it is sent all.
    let pages = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(pages[0].duplicates, 3);
    assert_eq!(pages[0].forks, [3]);
    assert!(!reader.store.holds(lost.op).expect("reads"));
    let ended = hear(&mut author, &reader);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].log, reader.store.forks().expect("reads")[0].log);
    let after = author.post("after", &Audience::Public, 3_000);
    assert!(
        reader
            .pull(&author, SyncStrategy::Cursor)
            .contains(&after.op)
    );
}

#[test]
fn a_fork_is_noticed_also_when_its_first_post_was_skipped() {
    let (mut author, mut reader) = scene();
    for number in 0..3 {
        author.post("again", &Audience::Public, 2_000 + number);
    }
    // Its cursor stands after five arrivals, so the sixth alone comes: it follows another fifth.
    let pages = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(pages[0].forks, [4]);
    let ended = hear(&mut author, &reader);
    assert_eq!(ended[0].reason, EndReason::Forked);
    let after = author.post("after", &Audience::Public, 3_000);
    assert!(
        reader
            .pull(&author, SyncStrategy::Cursor)
            .contains(&after.op)
    );
}

#[test]
fn logs_of_which_the_copy_knows_nothing_number_arrivals_anew_once() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let copy = author.disk.copy();
    author.post("to all", &Audience::Public, 1_000);
    reader.pull(&author, SyncStrategy::Cursor);
    let mut author = Person::on(copy, 1).expect("opens");
    let first = author.post("another", &Audience::Friends, 2_000);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), [], "passed by");
    let ended = hear(&mut author, &reader);
    let reasons: Vec<_> = ended.iter().map(|end| end.reason).collect();
    assert_eq!(reasons, [EndReason::OthersHoldMore, EndReason::OldCopy]);
    assert_eq!(hear(&mut author, &reader), []);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), [first.op]);
}

#[test]
fn heads_that_this_device_did_not_sign_say_nothing() {
    let (mut author, reader) = scene();
    let mut forged = heads(&reader, &author);
    forged[0].signature[0] ^= 1;
    assert_eq!(author.store.hear_heads(&forged).expect("hears"), []);
    let other = Person::new(3);
    let mut heads = heads(&reader, &author);
    assert_eq!(
        other.store.keys().identity(),
        Person::new(3).store.keys().identity()
    );
    let mut other = other;
    assert_eq!(other.store.hear_heads(&heads).expect("hears"), []);
    heads.truncate(1);
    assert_eq!(author.store.hear_heads(&heads).expect("hears").len(), 1);
}

#[test]
fn new_logs_begin_when_the_owner_wants_it() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("to all", &Audience::Public, 1_000);
    author.post("to friends", &Audience::Friends, 1_000);
    let ended = author.store.begin_logs().expect("ends");
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|end| end.reason == EndReason::Asked));
    assert_eq!(author.store.begin_logs().expect("ends"), []);
    assert_eq!(author.post("new", &Audience::Public, 2_000).seq, 0);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor).len(), 3);
}

#[test]
fn an_end_cut_short_at_any_call_holds_or_is_told_again() {
    let (author, reader) = scene();
    for calls in 0.. {
        let mut cut = Person::on(author.disk.copy(), 1).expect("opens");
        let heads = heads(&reader, &cut);
        cut.disk.cut_power_after(calls);
        let done = cut.store.hear_heads(&heads).is_ok();
        for bits in super::crash::LUCK {
            let disk = cut.disk.after_power_cut(super::crash::luck(bits));
            let mut after = Person::on(disk, 1).expect("opens");
            let again = hear(&mut after, &reader);
            assert!(!done || again.is_empty());
            assert_eq!(after.post("after", &Audience::Public, 2_000).seq, 0);
        }
        if done {
            return;
        }
    }
}

#[test]
fn what_is_asked_for_again_comes_again() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("to all", &Audience::Public, 1_000);
    reader.pull(&author, SyncStrategy::Cursor);
    let own = author.store.keys().identity();
    reader.store.ask_again(own).expect("writes");
    let pages = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(pages[0].duplicates, 1);
}

/// Some 250 KiB of text.
fn large() -> String {
    "x".repeat(250 * 1_024)
}

#[test]
fn one_log_that_is_behind_ends_all_whatever_was_written_last() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("to friends", &Audience::Friends, 1_000);
    let copy = author.disk.copy();
    author.post("to friends again", &Audience::Friends, 1_001);
    for number in 0..5 {
        author.post(&large(), &Audience::Public, 1_002 + number);
    }
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor).len(), 7);
    drop(author);
    let mut author = Person::on(copy, 1).expect("opens");
    let ended = hear(&mut author, &reader);
    assert!(
        ended
            .iter()
            .all(|end| end.reason == EndReason::OthersHoldMore)
    );
    assert_eq!(ended.len(), 2);
    let after = author.post("after", &Audience::Friends, 2_000);
    assert_eq!(after.seq, 0);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), [after.op]);
    assert_eq!(reader.store.forks().expect("reads"), []);
}

#[test]
fn a_log_that_no_reader_has_named_yet_ends_with_those_that_one_has() {
    let (mut author, mut reader, mut other) = (Person::new(1), Person::new(2), Person::new(3));
    author.befriend(&mut reader);
    author.befriend(&mut other);
    author.post("to the other", &only(&[&other]), 1_000);
    let copy = author.disk.copy();
    author.post("to the other again", &only(&[&other]), 1_001);
    author.post("to all", &Audience::Public, 1_002);
    reader.pull(&author, SyncStrategy::Cursor);
    other.pull(&author, SyncStrategy::Cursor);
    drop(author);
    let mut author = Person::on(copy, 1).expect("opens");
    let ended = hear(&mut author, &reader);
    let reasons: Vec<_> = ended.iter().map(|end| end.reason).collect();
    assert_eq!(reasons, [EndReason::OthersHoldMore, EndReason::OldCopy]);
    assert_eq!(author.post("after", &only(&[&other]), 2_000).seq, 0);
    other.pull(&author, SyncStrategy::Cursor);
    assert_eq!(other.store.forks().expect("reads"), []);
}

#[test]
fn a_frozen_log_is_told_of_whatever_was_posted_since() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("0", &Audience::Friends, 1_000);
    let copy = author.disk.copy();
    author.post("1", &Audience::Friends, 1_001);
    reader.pull(&author, SyncStrategy::Cursor);
    drop(author);
    let mut author = Person::on(copy, 1).expect("opens");
    let lost = author.post("1 again", &Audience::Friends, 2_000);
    reader
        .store
        .ask_again(author.store.keys().identity())
        .expect("writes");
    reader.pull(&author, SyncStrategy::Cursor);
    assert!(!reader.store.holds(lost.op).expect("reads"));
    for number in 0..300 {
        author.post(
            &format!("public {number}"),
            &Audience::Public,
            3_000 + number,
        );
    }
    reader.pull(&author, SyncStrategy::Cursor);
    let frozen = reader.store.forks().expect("reads")[0].log;
    let ended = hear(&mut author, &reader);
    let of_frozen = ended.iter().find(|end| end.log == frozen);
    assert_eq!(of_frozen.map(|end| end.reason), Some(EndReason::Forked));
    let after = author.post("after", &Audience::Friends, 4_000);
    assert!(
        reader
            .pull(&author, SyncStrategy::Cursor)
            .contains(&after.op)
    );
}

#[test]
fn of_more_logs_than_there_is_room_for_each_is_told_of_sooner_or_later() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let mut logs = BTreeSet::new();
    for number in 0..80 {
        author.post("first of a log", &Audience::Public, 1_000 + number);
        author.store.begin_logs().expect("ends");
    }
    reader.pull(&author, SyncStrategy::Cursor);
    for _ in 0..1_000 {
        let heads = heads(&reader, &author);
        assert_eq!(heads.len(), crate::pull::HEADS_MAX);
        let headers = heads
            .iter()
            .map(|head| crate::op::Header::decode(&head.bytes));
        logs.extend(headers.map(|header| header.expect("reads").log));
        if logs.len() == 80 {
            return;
        }
    }
    panic!("{} of 80", logs.len());
}

#[test]
fn keys_from_before_a_rotation_are_told_of_and_rotated_again_count() {
    use crate::keys::Rotation;
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    let copied = author.store.keys().clone();
    // A first certificate is no news: nothing is told where nothing is held.
    assert_eq!(told(&reader, &author).delegation, Vec::<u8>::new());
    let rotated = copied.rotated(Rotation::BOTH, None).expect("there is room");
    let author = author.with_keys(rotated.clone());
    reader.pull(&author, SyncStrategy::Cursor);
    let author = author.with_keys(copied.clone());
    let certificate = told(&reader, &author).delegation;
    let newer = rotated.delegation().term.serial;
    assert_eq!(copied.outdated_by(&certificate), Some(newer));
    assert_eq!(rotated.outdated_by(&certificate), None);
    assert_eq!(
        Keys::generate(Some([9; 32])).outdated_by(&certificate),
        None
    );
    // What the owner does then is not taken for the change that was lost.
    let again = copied.rotated(Rotation::BOTH, None).expect("there is room");
    assert!(again.delegation().term.serial >= newer);
    let later = again.rotated(Rotation::BOTH, None).expect("there is room");
    let author = author.with_keys(later.clone());
    reader.pull(&author, SyncStrategy::Cursor);
    let known = reader
        .store
        .certificate_of(later.identity())
        .expect("reads");
    assert_eq!(known.as_ref(), Some(later.delegation()));
    assert_eq!(
        rotated.outdated_by(&told(&reader, &author).delegation),
        Some(later.delegation().term.serial)
    );
}

/// What an author does once they hear of newer keys, as `ask_own_heads` has it.
fn hear_all(author: &mut Person, reader: &Person) -> Vec<EndedLog> {
    let told = told(reader, author);
    let mut ended = author.store.hear_heads(&told.heads).expect("hears");
    let newer = author.store.keys().outdated_by(&told.delegation);
    let newer = newer.expect("the reader knows newer keys");
    ended.extend(author.store.hear_newer_keys(newer).expect("hears"));
    ended
}

/// A copy of before a rotation and what follows, where the author's clock shows `before_ms` before it,
/// `at_ms` at it as its serial says, and `after_ms` on the copy.
fn copied_before_a_rotation(before_ms: u64, at_ms: Option<u64>, after_ms: u64) {
    use crate::keys::Rotation;
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    author.post("0", &Audience::Public, before_ms);
    let (copy, old) = (author.disk.copy(), author.store.keys().clone());
    author.post("1", &Audience::Public, before_ms + 1);
    author.post("2", &Audience::Friends, before_ms + 2);
    reader.pull(&author, SyncStrategy::Cursor);
    let serial = at_ms.map_or(0, |at_ms| at_ms - 1);
    let new = old.clone().having_heard(serial);
    let new = new.rotated(Rotation::BOTH, None).expect("there is room");
    if at_ms.is_some() {
        assert!(new.delegation().term.serial >= serial);
    }
    let mut author = author.with_keys(new.clone());
    let card = author.store.keys().card_at(&[], NOW_MS + 1);
    reader.store.follow(&card.expect("signs")).expect("follows");
    // So much that the reader names no log of the device before.
    for number in 0..20 {
        author.post("new", &Audience::Public, before_ms + 3 + number);
    }
    reader.pull(&author, SyncStrategy::Cursor);
    drop(author);
    let mut author = Person::on(copy, 1).expect("opens");
    let own = author.store.keys().delegation().device;
    let named = heads(&reader, &author);
    let is_own = |head: &SignedHeader| {
        let header = crate::op::Header::decode(&head.bytes);
        header.expect("reads").device == own
    };
    assert!(!named.iter().any(is_own), "what is behind is not named");
    let ended = hear_all(&mut author, &reader);
    let reasons: Vec<_> = ended.iter().map(|end| end.reason).collect();
    assert_eq!(reasons, [EndReason::OldCopy]);
    let after = author.post("after", &Audience::Public, after_ms);
    assert_eq!(after.seq, 0);
    // Once for all readers who know of it, also after a restart.
    assert_eq!(hear_all(&mut author, &reader), []);
    let (disk, keys) = (author.disk.clone(), author.store.keys().clone());
    drop(author);
    let store = Store::open(&disk.disk(), keys).expect("opens");
    let mut author = Person { disk, store };
    assert_eq!(hear_all(&mut author, &reader), []);
    assert_eq!(author.post("more", &Audience::Public, after_ms + 1).seq, 1);
    let got = reader.pull(&author, SyncStrategy::Cursor);
    assert!(got.contains(&after.op));
    assert_eq!(reader.store.forks().expect("reads"), []);
    // The next change of keys counts, whatever the clock.
    let me = author.store.keys().identity();
    let heard = Store::newer_serial(&author.disk.disk(), me).expect("reads");
    assert_eq!(heard, new.delegation().term.serial);
    let again = author.store.keys().clone().having_heard(heard);
    let again = again.rotated(Rotation::BOTH, None).expect("there is room");
    let author = author.with_keys(again.clone());
    reader.pull(&author, SyncStrategy::Cursor);
    let known = reader.store.certificate_of(me).expect("reads");
    assert_eq!(known.as_ref(), Some(again.delegation()));
    let told = told(&reader, &author).delegation;
    assert_eq!(again.outdated_by(&told), None);
}

#[test]
fn a_copy_from_before_a_rotation_forks_nothing_though_no_reader_names_its_logs() {
    const TEN_YEARS_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;
    let now_ms = crate::wall_clock::wall_clock_ms();
    let (past_ms, future_ms) = (now_ms - TEN_YEARS_MS, now_ms + TEN_YEARS_MS);
    copied_before_a_rotation(1_000, None, now_ms + 1);
    // Whose clock is wrong: before it, behind at it or afterwards, ahead at it.
    copied_before_a_rotation(future_ms, None, future_ms);
    copied_before_a_rotation(now_ms + 1_000, None, past_ms);
    copied_before_a_rotation(now_ms, Some(future_ms), now_ms + 1);
}
