//! How far each side of a conversation has the other's logs: runs of places that are stored, and that were
//! read.
//!
//! Owns their form in the index. A log of which nothing is missing has one run, from its beginning on. What
//! several receipts say is the union of it, in whatever order they are entered.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};

use super::StoreError;
use super::tables::{Log, Name, RECEIPTS, RUNS};
use crate::chat::Reach;
use crate::identity::IdentityId;

/// Most logs of one friend in which messages are taken in: each is looked at for what is to be acknowledged.
pub(super) const LOGS_MAX: usize = 1_024;

/// Whose logs receipts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Ours, by the friend's receipts.
    Ours = 0,
    /// The friend's, by our receipts.
    Friends = 1,
}

/// Disjoint runs of places that do not touch, each by its first place with the place after its last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(BTreeMap<u64, u64>);

impl Runs {
    /// The run with `place` in it.
    pub(super) fn around(&self, place: u64) -> Option<(u64, u64)> {
        let (from, end) = self.0.range(..=place).next_back()?;
        (place < *end).then_some((*from, *end))
    }

    /// Whether `place` is in one of them.
    pub(super) fn cover(&self, place: u64) -> bool {
        self.around(place).is_some()
    }

    /// The first place from `place` on that is in none.
    pub(super) fn next_open(&self, place: u64) -> u64 {
        self.around(place).map_or(place, |(_, end)| end)
    }

    /// The first place from `place` on that is in one.
    pub(super) fn next_covered(&self, place: u64) -> Option<u64> {
        if self.cover(place) {
            return Some(place);
        }
        self.0.range(place..).next().map(|(from, _)| *from)
    }

    /// Where a run begins that goes on from `place`: where one ends, with that.
    pub(super) fn joined(&self, place: u64) -> u64 {
        let before = place.checked_sub(1).and_then(|before| self.around(before));
        before.map_or(place, |(from, _)| from)
    }

    /// The place after the last.
    pub(super) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// Adds the places from `from` to before `end`; whether one of them was in none.
    pub(super) fn add(&mut self, mut from: u64, mut end: u64) -> bool {
        if from >= end || self.around(from).is_some_and(|(_, known)| known >= end) {
            return false;
        }
        // All that overlap it or touch it become one with it.
        while let Some((first, last)) = self.0.range(..=end).next_back().map(|(a, b)| (*a, *b))
            && last >= from
        {
            self.0.remove(&first);
            from = from.min(first);
            end = end.max(last);
        }
        self.0.insert(from, end);
        true
    }
}

/// What is known of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Places that are stored at its reader.
    pub(super) delivered: Runs,
    /// Places that were read there.
    pub(super) read: Runs,
}

impl Told {
    /// Reads what the tables have of `log`.
    pub(super) fn of(
        firsts: &impl ReadableTable<(Name, u8, Log), (u64, u64)>,
        others: &impl ReadableTable<(Name, u8, Log, u64), (u64, u64)>,
        (friend, side, log): (IdentityId, Side, &[u8; 16]),
    ) -> Result<Self, StoreError> {
        let mut told = Self::default();
        let key = (&friend.0, side as u8, log);
        if let Some(first) = firsts.get(key)? {
            let (delivered, read) = first.value();
            told.delivered.add(0, delivered);
            told.read.add(0, read);
        }
        let (name, side, log) = key;
        for entry in others.range((name, side, log, 0)..=(name, side, log, u64::MAX))? {
            let (key, ends) = entry?;
            let from = key.value().3;
            let (delivered, read) = ends.value();
            told.delivered.add(from, delivered);
            told.read.add(from, read);
        }
        Ok(told)
    }

    /// Adds what a receipt says; whether that is new, of what is stored and of what was read.
    pub(super) fn learn(&mut self, reach: &Reach) -> (bool, bool) {
        let delivers = self.delivered.add(reach.from, reach.delivered_end());
        let reads = self.read.add(reach.from, reach.read_end());
        (delivers, reads)
    }

    /// Writes it in place of what the tables have of `log`.
    pub(super) fn keep(
        &self,
        txn: &WriteTransaction,
        (friend, side, log): (IdentityId, Side, &[u8; 16]),
    ) -> Result<(), StoreError> {
        let (name, side) = (&friend.0, side as u8);
        let mut others = BTreeMap::<u64, (u64, u64)>::new();
        for (from, end) in &self.delivered.0 {
            others.entry(*from).or_default().0 = *end;
        }
        for (from, end) in &self.read.0 {
            others.entry(*from).or_default().1 = *end;
        }
        let first = others.remove(&0).unwrap_or_default();
        txn.open_table(RECEIPTS)?.insert((name, side, log), first)?;
        let mut table = txn.open_table(RUNS)?;
        table.retain_in(
            (name, side, log, 0)..=(name, side, log, u64::MAX),
            |key, ends| others.get(&key.3) == Some(&ends),
        )?;
        for (from, ends) in others {
            table.insert((name, side, log, from), ends)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(of: &[(u64, u64)]) -> Runs {
        let mut runs = Runs::default();
        for (from, end) in of {
            runs.add(*from, *end);
        }
        runs
    }

    #[test]
    fn runs_are_a_union_whatever_comes_first() {
        let parts = [(0, 3), (5, 7), (3, 4), (9, 12), (6, 10)];
        let all = runs(&parts);
        assert_eq!(all.0, BTreeMap::from([(0, 4), (5, 12)]));
        let mut reversed = parts;
        reversed.reverse();
        assert_eq!(runs(&reversed), all);
        assert_eq!(
            (all.next_open(0), all.next_open(4), all.next_open(11)),
            (4, 4, 12)
        );
        assert_eq!((all.joined(4), all.joined(5), all.joined(12)), (0, 5, 5));
        let covered = (
            all.next_covered(4),
            all.next_covered(6),
            all.next_covered(12),
        );
        assert_eq!(covered, (Some(5), Some(6), None));
        assert_eq!((all.cover(3), all.cover(4), all.end()), (true, false, 12));
        let mut known = all;
        assert!(!known.add(5, 12) && !known.add(6, 6) && known.add(4, 5));
        assert_eq!(known.0, BTreeMap::from([(0, 12)]));
    }
}
