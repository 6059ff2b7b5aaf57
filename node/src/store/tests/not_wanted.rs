//! Posts that are there and that no asking brings here: they are not downloaded again and again.

use super::*;
use crate::keys::Rotation;
use crate::protocol::gaps::Gaps;

/// What pulls have cost, and what the last one found.
#[derive(Debug, Default)]
struct Pulled {
    pages: u64,
    missing: u64,
    full: bool,
}

impl Person {
    /// Pulls so often as a node does that asks for one post a page.
    fn pull_often(&mut self, author: &Self, gaps: &Gaps, times: u32) -> Pulled {
        let from = author.store.keys().identity();
        let me = self.store.keys().identity();
        let mut pulled = Pulled::default();
        for _ in 0..times {
            let request = self.store.pull_request(from, SyncStrategy::Cursor, 0, 1);
            let mut request = request.expect("reads");
            loop {
                let page = author.store.answer(me, &request).expect("answers");
                let kept = self.store.ingest(from, &request, &page, NOW_MS);
                let kept = kept.expect("ingests");
                pulled.pages += 1;
                assert!(pulled.pages < 8_000, "downloaded again and again");
                (pulled.missing, pulled.full) = (kept.missing, kept.full);
                if page.end.is_some() {
                    let ask_again = gaps.misses(from, kept.missing).ask_again;
                    if ask_again {
                        self.store.ask_again(from).expect("writes");
                    }
                }
                if kept.ends_pull || page.end.is_some() {
                    break;
                }
                request.state = page.next;
            }
        }
        pulled
    }
}

#[test]
fn what_the_quota_keeps_out_is_not_downloaded_until_there_is_room() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    for number in 0..220 {
        author.post(&format!("{number:03}"), &Audience::Public, 1_000 + number);
    }
    let gaps = Gaps::default();
    let request = reader
        .store
        .pull_request(author.card().identity(), SyncStrategy::Cursor, 0, 2);
    let me = reader.store.keys().identity();
    let page = author.store.answer(me, &request.expect("reads"));
    // The first is shorter: nothing stands before it.
    let bytes = page.expect("answers").items[1].weight_bytes() as u64;
    reader.store.set_author_bytes_max(bytes * 20 + 10);
    let pulled = reader.pull_often(&author, &gaps, 500);
    assert_eq!(reader.texts().len(), 20);
    assert!(pulled.pages < 600, "{pulled:?}");
    assert_eq!((pulled.missing, pulled.full), (0, true));
    // Of the author's keys it hears all the same.
    let keys = author.store.keys().rotated(Rotation::BOTH, None);
    let author = author.with_keys(keys.expect("there is room"));
    reader.pull_often(&author, &gaps, 1);
    let known = reader
        .store
        .certificate_of(author.store.keys().identity())
        .expect("reads");
    assert_eq!(known.as_ref(), Some(author.store.keys().delegation()));
    // With more room the rest is asked for.
    reader.store.set_author_bytes_max(u64::MAX);
    let pulled = reader.pull_often(&author, &gaps, 2);
    assert_eq!(reader.texts().len(), 220);
    assert_eq!((pulled.missing, pulled.full), (0, false));
}

#[test]
fn what_a_revoked_device_signed_too_late_is_passed_once_and_is_not_missing() {
    let (mut author, mut reader) = (Person::new(1), Person::new(2));
    author.befriend(&mut reader);
    for number in 0..100 {
        author.post(&format!("{number}"), &Audience::Public, 1_000 + number);
    }
    let device = author.store.keys().delegation().device;
    let keys = author.store.keys().rotated(Rotation::BOTH, None);
    let keys = keys.expect("there is room").revoked(device, 1_049);
    let mut author = author.with_keys(keys.expect("revokes"));
    author.post("by another device", &Audience::Public, 2_000);
    let gaps = Gaps::default();
    let pulled = reader.pull_often(&author, &gaps, 500);
    assert_eq!(reader.texts().len(), 51);
    assert_eq!(pulled.missing, 0);
    assert!(pulled.pages < 700, "{pulled:?}");
    // A later moment counts for those that were passed, too.
    let keys = author.store.keys().revoked(device, 1_079).expect("revokes");
    let author = author.with_keys(keys);
    reader.pull_often(&author, &gaps, 3);
    assert_eq!(reader.texts().len(), 81);
}

#[test]
fn what_is_refused_for_good_is_not_missing_and_what_may_come_right_is() {
    use super::refusals::{Scene, item, sign};
    use crate::op::Header;
    let mut scene = Scene::new();
    let mut wrong = item(&scene.author, 0, None, "");
    wrong.body = b"[]".to_vec();
    let mut header = Header::decode(&wrong.header.bytes).expect("reads");
    header.body_hash = blake3::hash(&wrong.body).into();
    header.body_len = 2;
    wrong.header = sign(&scene.author, &header);
    let mut altered = item(&scene.author, 1, Some(wrong.id()), "1");
    altered.body = b"?".to_vec();
    let head = altered.header.clone();
    let result = scene.ingest_with_heads(vec![wrong.clone(), altered], vec![head.clone()]);
    assert_eq!((result.refused.len(), result.missing), (2, 1));
    // Told by a later page alone, and of places that were counted before.
    let result = scene.ingest_with_heads(vec![wrong], vec![head]);
    assert_eq!(result.missing, 1);
}

#[test]
fn one_bad_page_after_the_other_costs_one_page_a_pull_and_sixteen_of_them_in_all() {
    use super::refusals::{Scene, item};
    let mut scene = Scene::new();
    for place in 0..40 {
        let mut bad = item(&scene.author, place, None, "x");
        bad.body = b"?".to_vec();
        let page = scene.page_of(vec![bad], place + 1);
        let (mut pulls, mut passed) = (0, false);
        while !passed {
            let (_, result) = scene.pulled(&page);
            passed = !result.ends_pull;
            pulls += 1;
        }
        assert_eq!(pulls, if place == 0 { 17 } else { 1 }, "page {place}");
    }
}
