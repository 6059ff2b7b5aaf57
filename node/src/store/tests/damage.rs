//! An index of which one page is damaged: nothing of it is served, and all that files hold is
//! there again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::Trust;

const PAGE_BYTES: usize = 4_096;

/// Opens the store as a shelf does that meets panics: with less trust each time.
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
    author.pull(&friend, Engine::Cursor);
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
