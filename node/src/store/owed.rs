//! Which of a friend's messages are here, as our receipts say it.
//!
//! Owns the walk along the friend's logs. What is claimed of a place is that it is stored: a receipt goes no
//! further than the first place that may still come, and one that nobody waits for is passed by: what
//! follows on it begins a run of its own.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use redb::{ReadOnlyTable, ReadTransaction};

use super::chat_index::Chats;
use super::not_taken::NotTaken;
use super::receipts::{LOGS_MAX, Runs, Side};
use super::record::Record;
use super::tables::{AUTHOR_BYTES, LOG_LENGTHS, Log, Name, OPS, PLACES};
use super::{Store, StoreError};
use crate::chat::{self, REACHES_MAX, Reach, Receipt, UpTo};
use crate::identity::IdentityId;
use crate::op::{LogId, OpId};

/// Most places of a log that are looked at in one go. Of one of which nothing is missing none has to be.
const WALKED_MAX: usize = 16_384;

/// What a receipt of ours takes on the disk, about: two files of a block each, and its entries.
const RECEIPT_BYTES: u64 = 16 * 1024;

/// A receipt that is to be made.
pub(super) struct Due {
    pub(super) receipt: Receipt,
    /// Messages that it names as read, and that were not before.
    pub(super) newly_read: u64,
}

impl Store {
    /// The receipt that `friend` is owed, if any: for up to [`REACHES_MAX`] runs of their logs.
    pub(super) fn receipt_due(
        &self,
        friend: IdentityId,
        reads: bool,
    ) -> Result<Option<Due>, StoreError> {
        let txn = self.read()?;
        let Some(chats) = Chats::open(&txn)? else {
            return Ok(None);
        };
        let not_taken = NotTaken::of(&txn, friend)?;
        let (mut reaches, mut newly_read) = (Vec::new(), 0);
        let of_friend = (&friend.0, &[0; 16])..=(&friend.0, &[0xff; 16]);
        for entry in chats.heads.range(of_friend)?.take(LOGS_MAX) {
            let (key, head) = entry?;
            let (_, log) = key.value();
            let (seq, device, op) = head.value();
            let head = UpTo { seq, op: OpId(*op) };
            let told = chats.told(friend, Side::Friends, log)?;
            let known = if reads { &told.read } else { &told.delivered };
            let mut walk = Walk::open(&txn, &not_taken, device, log)?;
            for (from, up_to) in walk.news(known, head, REACHES_MAX - reaches.len())? {
                if reads {
                    newly_read += walk.messages(known, from, up_to.seq)?;
                }
                reaches.push(Reach {
                    log: LogId(*log),
                    from,
                    delivered: Some(up_to),
                    read: reads.then_some(up_to),
                });
            }
            if reaches.len() == REACHES_MAX {
                break;
            }
        }
        // Whose node knows of the first alone, and of no beginning, is told what holds from one on.
        reaches.sort_by_key(|reach| reach.from != 0);
        Ok((!reaches.is_empty()).then_some(Due {
            receipt: Receipt { reaches },
            newly_read,
        }))
    }

    /// Whether what is kept of `friend` and our receipts to them take what may be kept of one author: each
    /// message may have one made, and ours are kept for good.
    pub(super) fn has_spent(&self, friend: IdentityId) -> Result<bool, StoreError> {
        let txn = self.read()?;
        let Some(chats) = Chats::open(&txn)? else {
            return Ok(false);
        };
        let made = chats.made.get(&friend.0)?.map_or(0, |made| made.value());
        let kept = txn.open_table(AUTHOR_BYTES)?.get(&friend.0)?;
        let kept = kept.map_or(0, |kept| kept.value());
        Ok(kept.saturating_add(made.saturating_mul(RECEIPT_BYTES)) > self.author_bytes_max)
    }

    /// Friends whose messages are here and not acknowledged, as far as can be seen without reading them.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn chats_owed(&self) -> Result<BTreeSet<IdentityId>, StoreError> {
        let mut owed = BTreeSet::new();
        let Some(chats) = Chats::open(&self.read()?)? else {
            return Ok(owed);
        };
        let mut after: Option<[u8; 32]> = None;
        loop {
            // Each friend is looked at, however many logs another has.
            let from = match &after {
                None => Unbounded,
                Some(friend) => Excluded((friend, &[0xff; 16])),
            };
            let next = chats.heads.range((from, Unbounded))?.next().transpose()?;
            let Some(friend) = next.map(|(key, _)| *key.value().0) else {
                return Ok(owed);
            };
            after = Some(friend);
            let of_friend = (&friend, &[0; 16])..=(&friend, &[0xff; 16]);
            for entry in chats.heads.range(of_friend)?.take(LOGS_MAX) {
                let (key, head) = entry?;
                let (friend, log) = key.value();
                let friend = IdentityId(*friend);
                let told = chats.told(friend, Side::Friends, log)?;
                if !told.delivered.cover(head.value().0) {
                    owed.insert(friend);
                    break;
                }
            }
        }
    }
}

/// One log of a friend's, gone through place by place.
struct Walk<'a> {
    not_taken: &'a NotTaken,
    device: &'a [u8; 32],
    log: &'a [u8; 16],
    places: ReadOnlyTable<(Name, Log, u64), Name>,
    ops: ReadOnlyTable<Name, &'static [u8]>,
    /// Whether no place of the log is missing.
    is_whole: bool,
    /// Places that may still be looked at.
    left: usize,
}

impl<'a> Walk<'a> {
    fn open(
        txn: &ReadTransaction,
        not_taken: &'a NotTaken,
        device: &'a [u8; 32],
        log: &'a [u8; 16],
    ) -> Result<Self, StoreError> {
        let places = txn.open_table(PLACES)?;
        let all = (device, log, 0)..=(device, log, u64::MAX);
        let newest = places.range(all)?.next_back().transpose()?;
        let end = newest.map_or(0, |(key, _)| key.value().2.saturating_add(1));
        let held = txn.open_table(LOG_LENGTHS)?.get((device, log))?;
        Ok(Self {
            not_taken,
            device,
            log,
            places,
            ops: txn.open_table(OPS)?,
            is_whole: held.is_some_and(|held| held.value() == end),
            left: WALKED_MAX,
        })
    }

    /// Runs of places that are stored here, each by its beginning and its last message, as far as there is
    /// one that is not `known` to have been told; up to the last message, `head`, and at most `max`.
    fn news(
        &mut self,
        known: &Runs,
        head: UpTo,
        max: usize,
    ) -> Result<Vec<(u64, UpTo)>, StoreError> {
        let mut news = Vec::new();
        // Of what is not known to have been told, each place is looked at once.
        let mut at = known.next_open(0);
        while at <= head.seq && news.len() < max && self.left > 0 {
            let told = known.next_covered(at).unwrap_or(u64::MAX);
            let end = self.stored_end(at, head.seq.min(told - 1))?;
            if end == at {
                if !self.not_taken.passes(LogId(*self.log), at) {
                    break;
                }
                self.left -= 1;
                at = known.next_open(at + 1);
                continue;
            }
            let last = if end > head.seq {
                Some(head)
            } else {
                self.last_message(at, end)?
            };
            news.extend(last.map(|last| (known.joined(at), last)));
            at = known.next_open(end);
        }
        Ok(news)
    }

    /// The place after those that are stored from `at` on, not beyond that of `last`.
    fn stored_end(&mut self, at: u64, last: u64) -> Result<u64, StoreError> {
        if self.is_whole {
            return Ok(last + 1);
        }
        let mut end = at;
        let rest = (self.device, self.log, at)..=(self.device, self.log, last);
        for entry in self.places.range(rest)?.take(self.left) {
            if entry?.0.value().2 != end {
                break;
            }
            end += 1;
            self.left -= 1;
        }
        Ok(end)
    }

    /// The last message in places from `from` to before `end`.
    fn last_message(&self, from: u64, end: u64) -> Result<Option<UpTo>, StoreError> {
        let run = (self.device, self.log, from)..(self.device, self.log, end);
        for entry in self.places.range(run)?.rev().take(WALKED_MAX) {
            let (key, op) = entry?;
            let op = OpId(*op.value());
            if self.is_message(op)? {
                let seq = key.value().2;
                return Ok(Some(UpTo { seq, op }));
            }
        }
        Ok(None)
    }

    /// How many messages are in places from `from` to `last` that are not in `known`, of the last so many.
    fn messages(&self, known: &Runs, from: u64, last: u64) -> Result<u64, StoreError> {
        let run = (self.device, self.log, from)..=(self.device, self.log, last);
        let mut messages = 0;
        for entry in self.places.range(run)?.rev().take(WALKED_MAX) {
            let (key, op) = entry?;
            if !known.cover(key.value().2) && self.is_message(OpId(*op.value()))? {
                messages += 1;
            }
        }
        Ok(messages)
    }

    fn is_message(&self, op: OpId) -> Result<bool, StoreError> {
        let record = self.ops.get(&op.0)?;
        let record = record.map(|record| Record::decode(record.value()));
        let record = record.transpose()?;
        Ok(record.is_some_and(|record| record.kind == chat::MESSAGE))
    }
}
