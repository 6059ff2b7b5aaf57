//! Tests of the store as a whole. Start with [`Person`]: a store on a disk in
//! memory, with the calls that most tests need.

mod bad_sectors;
mod contacts;
mod conversation;
mod crash;
mod damage;
mod exchange;
mod full_disk;
mod keeping;
mod lapsed;
mod not_wanted;
mod old_versions;
mod refusals;
mod reindex;
mod restored;
mod strategies;
mod types;
mod unreadable;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Ingested, Posted, Store, StoreError};
use crate::audience::Audience;
use crate::card::Card;
use crate::keys::Keys;
use crate::memory_disk::MemoryDisk;
use crate::op::OpId;
use crate::pull::PullPage;
use crate::sync_strategy::SyncStrategy;

/// What readers' wall clocks show.
const NOW_MS: u64 = 10_000;

/// Somebody with a store.
struct Person {
    disk: MemoryDisk,
    store: Store,
}

impl Person {
    fn new(seed: u8) -> Self {
        Self::on(MemoryDisk::default(), seed).expect("an empty disk takes a store")
    }

    fn on(disk: MemoryDisk, seed: u8) -> Result<Self, StoreError> {
        let store = Store::open(&disk.disk(), Keys::generate(Some([seed; 32])))?;
        Ok(Self { disk, store })
    }

    /// The same store, opened with other keys of the same identity.
    fn with_keys(self, keys: Keys) -> Self {
        let Self { disk, store } = self;
        drop(store);
        let store = Store::open(&disk.disk(), keys).expect("opens");
        Self { disk, store }
    }

    fn card(&self) -> Card {
        let card = self.store.keys().card_at(&[], NOW_MS);
        card.expect("a key in memory signs")
    }

    fn befriend(&mut self, other: &mut Self) {
        self.store.follow(&other.card()).expect("follows");
        other.store.follow(&self.card()).expect("follows");
    }

    fn post(&mut self, text: &str, to: &Audience, wall_ms: u64) -> Posted {
        self.store.post(note(text), to, wall_ms).expect("posts")
    }

    /// Pulls everything from `author` in pages of `limit`.
    fn pull_pages(&mut self, author: &Self, strategy: SyncStrategy, limit: u32) -> Vec<Ingested> {
        let from = author.store.keys().identity();
        let me = self.store.keys().identity();
        let mut request = self
            .store
            .pull_request(from, strategy, 0, limit)
            .expect("reads");
        let mut results = Vec::new();
        loop {
            let page = author.store.answer(me, &request).expect("answers");
            let page = PullPage::decode(&page.encode()).expect("what is sent can be read");
            results.push(
                self.store
                    .ingest(from, &request, &page, NOW_MS)
                    .expect("ingests"),
            );
            if page.end.is_some() {
                return results;
            }
            request.state = page.next;
        }
    }

    /// Pulls everything; the new ops by name.
    fn pull(&mut self, author: &Self, strategy: SyncStrategy) -> Vec<OpId> {
        let results = self.pull_pages(author, strategy, 100);
        results
            .iter()
            .flat_map(|result| &result.new)
            .map(|received| received.op)
            .collect()
    }

    fn texts(&self) -> Vec<String> {
        let posts = self.store.timeline(1_000, None).expect("reads");
        let text = |body: &Value| body["text"].as_str().unwrap_or_default().to_owned();
        posts.iter().map(|post| text(&post.body)).collect()
    }
}

impl Store {
    /// The timeline as it is when readers' wall clocks show [`NOW_MS`].
    fn timeline(
        &self,
        limit: u32,
        author: Option<crate::identity::IdentityId>,
    ) -> Result<Vec<crate::api::Post>, StoreError> {
        let shown = self.timeline_at(limit, author, NOW_MS)?;
        Ok(shown.posts)
    }
}

fn note(text: &str) -> Value {
    json!({"type": "note/1", "text": text})
}

fn only(readers: &[&Person]) -> Audience {
    let names = readers.iter().map(|reader| reader.store.keys().identity());
    Audience::Only(names.collect::<BTreeSet<_>>())
}
