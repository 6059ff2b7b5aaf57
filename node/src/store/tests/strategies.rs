//! What the strategies deliver, and what `after_ts` by its idea does not.

use super::*;

const BOTH: [SyncStrategy; 2] = [SyncStrategy::AfterTs, SyncStrategy::Cursor];

fn friends() -> (Person, Person) {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    (author, reader)
}

#[test]
fn every_engine_delivers_each_post_once_while_the_clock_runs_forward() {
    for strategy in BOTH {
        let (mut author, mut reader) = friends();
        for round in 0..3 {
            let public = author.post("to all", &Audience::Public, 1_000 + round * 10);
            let personal = author.post("to friends", &Audience::Friends, 1_005 + round * 10);
            assert_eq!(reader.pull(&author, strategy), [public.op, personal.op]);
            assert_eq!(reader.pull(&author, strategy), []);
        }
    }
}

#[test]
fn a_clock_set_back_loses_posts_under_after_ts_and_not_under_cursor() {
    for (strategy, lost) in [(SyncStrategy::AfterTs, true), (SyncStrategy::Cursor, false)] {
        let (mut author, mut reader) = friends();
        author.post("before", &Audience::Friends, 60_000);
        reader.pull(&author, strategy);
        let set_back = author.post("set back", &Audience::Friends, 30_000);
        assert_eq!(
            reader.pull(&author, strategy).is_empty(),
            lost,
            "{strategy}"
        );
        let later = author.post("later", &Audience::Friends, 70_000);
        assert_eq!(reader.pull(&author, strategy), [later.op], "{strategy}");
        assert_eq!(reader.store.holds(set_back.op).expect("reads"), !lost);
    }
}

#[test]
fn a_stamp_equal_to_the_newest_held_is_missed_by_after_ts() {
    let (mut author, mut reader) = friends();
    author.post("first", &Audience::Public, 1_000);
    reader.pull(&author, SyncStrategy::AfterTs);
    author.post("same ms", &Audience::Public, 1_000);
    assert_eq!(reader.pull(&author, SyncStrategy::AfterTs), []);
    let cursor = reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(cursor.len(), 1);
}

#[test]
fn a_late_grant_is_missed_by_after_ts_and_not_by_cursor() {
    for (strategy, lost) in [(SyncStrategy::AfterTs, true), (SyncStrategy::Cursor, false)] {
        let (mut author, mut reader) = friends();
        let mut other = Person::new(3);
        author.befriend(&mut other);
        let old = author.post("not yet", &only(&[&other]), 1_000);
        author.post("to all", &Audience::Public, 2_000);
        reader.pull(&author, strategy);
        let name = reader.store.keys().identity();
        author.store.grant(old.op, name).expect("grants");
        assert_eq!(
            reader.pull(&author, strategy).is_empty(),
            lost,
            "{strategy}"
        );
        assert_eq!(reader.store.holds(old.op).expect("reads"), !lost);
    }
}

#[test]
fn an_overlap_asks_again_for_what_lies_within_it() {
    let (mut author, mut reader) = friends();
    author.post("before", &Audience::Public, 10_000);
    reader.pull(&author, SyncStrategy::AfterTs);
    let near = author.post("near", &Audience::Public, 9_001);
    author.post("far", &Audience::Public, 9_000);
    let from = author.store.keys().identity();
    let request = reader
        .store
        .pull_request(from, SyncStrategy::AfterTs, 1_000, 10)
        .expect("reads");
    let page = author
        .store
        .answer(request.viewer, &request)
        .expect("answers");
    let ingested = reader
        .store
        .ingest(from, &request, &page, NOW_MS)
        .expect("ingests");
    assert_eq!(ingested.duplicates, 1);
    assert_eq!(ingested.new.len(), 1);
    assert_eq!(ingested.new[0].op, near.op);
}

#[test]
fn page_borders_lose_nothing_between_equal_stamps() {
    for strategy in BOTH {
        for limit in 1..=4 {
            let (mut author, mut reader) = friends();
            for at in 0..7 {
                author.post(&format!("post {at}"), &Audience::Public, 1_000);
            }
            let pages = reader.pull_pages(&author, strategy, limit);
            let new: usize = pages.iter().map(|page| page.new.len()).sum();
            assert_eq!(new, 7, "{strategy}, {limit} a page");
            assert_eq!(pages.len(), 7_usize.div_ceil(limit as usize));
            assert!(pages.iter().all(|page| page.duplicates == 0));
        }
    }
}

#[test]
fn a_page_closes_when_its_items_are_heavy() {
    let (mut author, mut reader) = friends();
    let heavy = "x".repeat(200 * 1024);
    for at in 0..5 {
        author.post(&heavy, &Audience::Public, 1_000 + at);
    }
    let pages = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    let items: Vec<_> = pages.iter().map(|page| page.new.len()).collect();
    assert_eq!(items, [3, 2]);
}

#[test]
fn a_request_may_name_types_and_then_moves_no_cursor() {
    let (mut author, mut reader) = friends();
    author.post("a note", &Audience::Public, 1_000);
    let body = json!({"type": "event/1", "text": "a party"});
    let event = author
        .store
        .post(body, &Audience::Public, 2_000)
        .expect("posts");
    let from = author.store.keys().identity();
    let mut request = reader
        .store
        .pull_request(from, SyncStrategy::Cursor, 0, 10)
        .expect("reads");
    let before = request.state;
    request.types = vec!["event/1".into()];
    let page = author
        .store
        .answer(request.viewer, &request)
        .expect("answers");
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].id(), event.op);
    reader
        .store
        .ingest(from, &request, &page, NOW_MS)
        .expect("ingests");
    let after = reader
        .store
        .pull_request(from, SyncStrategy::Cursor, 0, 10)
        .expect("reads");
    assert_eq!(after.state, before);
}

#[test]
fn a_cursor_of_another_numbering_starts_anew() {
    let (mut author, mut reader) = friends();
    let post = author.post("kept", &Audience::Public, 1_000);
    reader.pull(&author, SyncStrategy::Cursor);
    // The author loses the index but not the files.
    let disk = author.disk.clone();
    drop(author);
    disk.disk().remove("index.redb").expect("removes");
    let mut author = Person::on(disk, 1).expect("opens");
    let next = author.post("after the loss", &Audience::Public, 2_000);
    let results = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(results[0].duplicates, 1, "{} is sent again", post.op);
    assert_eq!(results[0].new[0].op, next.op);
    assert_eq!(reader.pull(&author, SyncStrategy::Cursor), []);
}

#[test]
fn withheld_ops_show_in_the_signed_heads() {
    let (mut author, mut reader) = friends();
    author.post("before", &Audience::Public, 60_000);
    reader.pull(&author, SyncStrategy::AfterTs);
    author.post("set back", &Audience::Public, 30_000);
    let pages = reader.pull_pages(&author, SyncStrategy::AfterTs, 100);
    assert_eq!(pages[0].missing, 1);
    let pages = reader.pull_pages(&author, SyncStrategy::Cursor, 100);
    assert_eq!(pages[0].missing, 0);
}

#[test]
fn a_pull_that_brings_nothing_keeps_the_state_and_costs_no_sync() {
    for strategy in BOTH {
        let (mut author, mut reader) = friends();
        author.post("one", &Audience::Public, 1_000);
        reader.pull(&author, strategy);
        let from = author.store.keys().identity();
        let ask = |reader: &Person| {
            let request = reader.store.pull_request(from, strategy, 0, 10);
            request.expect("reads").state
        };
        let (state, syncs) = (ask(&reader), reader.disk.syncs());
        reader.pull(&author, strategy);
        assert_eq!(ask(&reader), state);
        assert_eq!(reader.disk.syncs(), syncs);
    }
}

#[test]
fn a_post_costs_its_files_their_folder_and_one_commit() {
    let (mut author, mut reader) = friends();
    author.post("makes the log", &Audience::Friends, 1_000);
    let syncs = author.disk.syncs();
    author.post("text", &Audience::Friends, 1_001);
    let files_and_folder = 3;
    let commit = author.disk.syncs() - syncs - files_and_folder;
    let syncs = reader.disk.syncs();
    reader.pull(&author, SyncStrategy::Cursor);
    assert_eq!(reader.disk.syncs() - syncs, commit);
    assert_eq!(commit, 1);
}
