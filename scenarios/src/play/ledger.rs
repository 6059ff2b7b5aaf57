//! Every post has a fate: a ledger from its acknowledgement to each reader.
//!
//! It is told what nodes did and judges nothing until the end. Times are
//! simulated nanoseconds; hosts and their identities are by number.

use std::collections::{BTreeMap, BTreeSet};

use orrery_node::op::OpId;
use orrery_reports::stats::Recorder;

use crate::fault::DiskReplaced;

/// A post that its author's node acknowledged.
#[derive(Debug)]
pub struct Entry {
    /// The author's host.
    pub author: u32,
    /// When it was acknowledged.
    pub created_ns: u64,
    /// The author's wall clock, in milliseconds since 1970.
    pub stamp_ms: u64,
    /// By intended reader, the moment from which the reader was to have it, and
    /// the moment at which it was stored there.
    pub readers: BTreeMap<u32, Fate>,
    /// Anybody may read it.
    pub public: bool,
}

/// What became of a post at one reader.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// Since when the reader is meant to have it.
    pub since_ns: u64,
    /// When it was stored there.
    pub delivered_ns: Option<u64>,
    /// Found on the reader's disk at the end.
    pub held: bool,
}

/// All posts of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<OpId, Entry>,
    /// Who blocked whom.
    blocks: BTreeSet<(u32, u32)>,
    /// By post, hosts that stored it though they may not read it.
    leaks: BTreeSet<(OpId, u32)>,
    /// When a relay could not carry the next post of an author to a reader, the last time.
    too_large_ns: BTreeMap<(u32, u32), u64>,
    /// By host, when its disk was replaced the last time, with its keys and at all.
    replaced_ns: BTreeMap<u32, Replaced>,
    /// Deliveries that were told before the post's acknowledgement.
    early: BTreeMap<OpId, Vec<(u32, u64)>>,
}

/// When a host's disk was replaced the last time, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Replaced {
    disk_ns: u64,
    /// Its keys went with it.
    keys_ns: Option<u64>,
}

impl Ledger {
    /// The disk of a host was replaced, and what was on it is gone.
    pub fn disk_replaced(&mut self, host: u32, now_ns: u64, replaced: DiskReplaced) {
        let at = self.replaced_ns.entry(host).or_default();
        at.disk_ns = now_ns;
        if replaced == DiskReplaced::WithKeys {
            at.keys_ns = Some(now_ns);
        }
    }

    /// Whether a post's author has had another disk since it was acknowledged.
    pub fn is_of_disk_before(&self, entry: &Entry) -> bool {
        let at = self.replaced_ns.get(&entry.author);
        at.is_some_and(|at| at.disk_ns >= entry.created_ns)
    }

    /// Whether a reader has had other keys since it was to have a post: those cannot read it.
    pub fn is_for_keys_before(&self, reader: u32, fate: &Fate) -> bool {
        let at = self.replaced_ns.get(&reader).and_then(|at| at.keys_ns);
        at.is_some_and(|at_ns| at_ns >= fate.since_ns)
    }

    /// A node acknowledged a post. `readers` are hosts.
    pub fn posted(
        &mut self,
        op: OpId,
        author: u32,
        now_ns: u64,
        stamp_ms: u64,
        readers: impl IntoIterator<Item = u32>,
        public: bool,
    ) {
        let fate = Fate {
            since_ns: now_ns,
            delivered_ns: None,
            held: false,
        };
        let readers = readers.into_iter().map(|reader| (reader, fate)).collect();
        let entry = Entry {
            author,
            created_ns: now_ns,
            stamp_ms,
            readers,
            public,
        };
        self.entries.insert(op, entry);
        for (reader, at_ns) in self.early.remove(&op).unwrap_or_default() {
            self.received(op, reader, at_ns);
        }
    }

    /// A post was opened to one more reader.
    pub fn granted(&mut self, op: OpId, reader: u32, now_ns: u64) {
        if let Some(entry) = self.entries.get_mut(&op) {
            let fate = Fate {
                since_ns: now_ns,
                delivered_ns: None,
                held: false,
            };
            entry.readers.entry(reader).or_insert(fate);
        }
    }

    /// A post is stored durably at a reader.
    pub fn received(&mut self, op: OpId, reader: u32, now_ns: u64) {
        let Some(entry) = self.entries.get_mut(&op) else {
            // The author's power may fail between a durable post and its
            // acknowledgement; such a post is promised to no reader.
            self.early.entry(op).or_default().push((reader, now_ns));
            return;
        };
        match entry.readers.get_mut(&reader) {
            Some(fate) => {
                fate.delivered_ns.get_or_insert(now_ns);
            }
            None if entry.public || entry.author == reader => {}
            None => {
                self.leaks.insert((op, reader));
            }
        }
    }

    /// No circuit of the relay between `author` and `reader` can carry what comes next.
    pub fn too_large(&mut self, author: u32, reader: u32, now_ns: u64) {
        self.too_large_ns.insert((author, reader), now_ns);
    }

    /// Whether what `reader` was to have of `author` from `since_ns` on has stayed behind a post
    /// that is too large for the relay: nothing of theirs has come since that was last told.
    pub fn is_behind_too_large(&self, author: u32, reader: u32, since_ns: u64) -> bool {
        let Some(&told_ns) = self.too_large_ns.get(&(author, reader)) else {
            return false;
        };
        let delivered = |entry: &Entry| entry.readers.get(&reader)?.delivered_ns;
        let of_author = self.entries.values().filter(|entry| entry.author == author);
        told_ns >= since_ns && of_author.filter_map(delivered).all(|at_ns| at_ns < told_ns)
    }

    /// `whom` is not to read anything of `host` any more.
    pub fn blocked(&mut self, host: u32, whom: u32) {
        self.blocks.insert((host, whom));
    }

    /// Whether `host` has blocked `whom`.
    pub fn has_blocked(&self, host: u32, whom: u32) -> bool {
        self.blocks.contains(&(host, whom))
    }

    /// What is readable on a host's disk at the end.
    pub fn found(&mut self, host: u32, ops: &BTreeSet<OpId>) {
        for (op, entry) in &mut self.entries {
            if !ops.contains(op) {
                continue;
            }
            match entry.readers.get_mut(&host) {
                Some(fate) => fate.held = true,
                None if entry.public || entry.author == host => {}
                None => {
                    self.leaks.insert((*op, host));
                }
            }
        }
    }

    /// Acknowledged posts of `author` that are not among `ops`, those aside that went with a disk.
    pub fn lost_by_author(&self, author: u32, ops: &BTreeSet<OpId>) -> Vec<OpId> {
        self.entries
            .iter()
            .filter(|(op, entry)| entry.author == author && !ops.contains(*op))
            .filter(|(_, entry)| !self.is_of_disk_before(entry))
            .map(|(op, _)| *op)
            .collect()
    }

    /// Pairs of a post and a host that must not have it.
    pub fn leaks(&self) -> usize {
        self.leaks.len()
    }

    /// Every intended pair that was due within the window, unless one of the
    /// two has blocked the other: then their nodes speak no more.
    pub fn due(
        &self,
        window_ns: std::ops::Range<u64>,
    ) -> impl Iterator<Item = (OpId, &Entry, u32, Fate)> {
        self.entries.iter().flat_map(move |(op, entry)| {
            let window_ns = window_ns.clone();
            entry
                .readers
                .iter()
                .filter(move |(reader, fate)| {
                    window_ns.contains(&fate.since_ns)
                        && !self.has_blocked(entry.author, **reader)
                        && !self.has_blocked(**reader, entry.author)
                })
                .map(move |(reader, fate)| (*op, entry, *reader, *fate))
        })
    }

    /// Latencies of the deliveries that were due within the window.
    pub fn latencies(&self, window_ns: std::ops::Range<u64>) -> Recorder {
        let mut recorder = Recorder::of_microseconds();
        for (_, _, _, fate) in self.due(window_ns) {
            if let Some(delivered_ns) = fate.delivered_ns {
                let took_ns = delivered_ns.saturating_sub(fate.since_ns);
                recorder.record(fate.since_ns, took_ns / 1000);
            }
        }
        recorder
    }

    /// The highest stamp of `author` that `reader` holds, in milliseconds.
    pub fn highest_stamp_ms(&self, author: u32, reader: u32) -> Option<u64> {
        self.entries
            .values()
            .filter(|entry| entry.author == author)
            .filter(|entry| {
                entry
                    .readers
                    .get(&reader)
                    .is_some_and(|fate| fate.held || fate.delivered_ns.is_some())
            })
            .map(|entry| entry.stamp_ms)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const A: OpId = OpId([1; 32]);
    const B: OpId = OpId([2; 32]);

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.posted(A, 0, 10 * S, 100, [1, 2], false);
        ledger.posted(B, 0, 20 * S, 90, [1, 2], false);
        ledger
    }

    fn missing(ledger: &Ledger) -> Vec<(OpId, u32)> {
        ledger
            .due(0..100 * S)
            .filter(|(_, _, _, fate)| fate.delivered_ns.is_none() && !fate.held)
            .map(|(op, _, reader, _)| (op, reader))
            .collect()
    }

    #[test]
    fn each_intended_reader_has_a_fate_of_its_own() {
        let mut ledger = ledger();
        ledger.received(A, 1, 11 * S);
        ledger.received(A, 1, 50 * S);
        ledger.found(2, &BTreeSet::from([A]));
        assert_eq!(missing(&ledger), [(B, 1), (B, 2)]);
        assert_eq!(ledger.latencies(0..100 * S).count(), 1);
        assert_eq!(ledger.highest_stamp_ms(0, 1), Some(100));
        assert_eq!(ledger.highest_stamp_ms(1, 0), None);
    }

    #[test]
    fn only_what_was_due_in_the_window_counts() {
        let ledger = ledger();
        assert_eq!(ledger.due(15 * S..100 * S).count(), 2);
        assert_eq!(ledger.due(10 * S..20 * S).count(), 2);
        assert_eq!(ledger.due(21 * S..100 * S).count(), 0);
    }

    #[test]
    fn a_blocked_reader_is_intended_no_more_and_a_stranger_is_a_leak() {
        let mut ledger = ledger();
        ledger.blocked(0, 1);
        assert_eq!(missing(&ledger), [(A, 2), (B, 2)]);
        ledger.blocked(2, 0);
        assert!(
            missing(&ledger).is_empty(),
            "a reader who blocks the author waits for nothing"
        );
        ledger.received(A, 7, 30 * S);
        ledger.found(7, &BTreeSet::from([A]));
        assert_eq!(ledger.leaks(), 1);
    }

    #[test]
    fn a_grant_starts_its_own_wait() {
        let mut ledger = ledger();
        ledger.granted(A, 3, 60 * S);
        ledger.received(A, 3, 61 * S);
        assert_eq!(ledger.leaks(), 0);
        assert_eq!(ledger.due(60 * S..61 * S).count(), 1);
    }

    #[test]
    fn a_delivery_before_the_acknowledgement_counts() {
        let mut ledger = Ledger::default();
        ledger.received(A, 1, 9 * S);
        ledger.posted(A, 0, 10 * S, 100, [1], false);
        assert!(missing(&ledger).is_empty());
    }

    #[test]
    fn a_post_that_went_with_its_authors_disk_is_no_loss_of_a_disk() {
        let mut ledger = ledger();
        ledger.disk_replaced(0, 15 * S, DiskReplaced::KeysKept);
        assert_eq!(ledger.lost_by_author(0, &BTreeSet::new()), [B]);
    }

    #[test]
    fn a_post_that_left_its_authors_disk_is_found_out() {
        let ledger = ledger();
        let kept = BTreeSet::from([B]);
        assert_eq!(ledger.lost_by_author(0, &kept), [A]);
        assert!(ledger.lost_by_author(1, &kept).is_empty());
    }
}
