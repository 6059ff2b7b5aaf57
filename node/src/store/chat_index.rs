//! Conversations in the index: where messages stand, and how far each side has the other's.
//!
//! Owns the tables of conversations, which are rebuilt like all that is derived, and the judgement of
//! receipts: one counts if it names a message that was sealed to the one who signs it, by its place and
//! its name, and only forwards. One that does not count is an op all the same, and keeps its place.

use std::collections::BTreeMap;

use blake3::Hasher;
use redb::ReadableTable;

use super::StoreError;
use super::receipts::{LOGS_MAX, Side, Told};
use super::record::Record;
use super::tables::{ByClock, INDEX_FORMAT_WITH_CHATS, Log, Name};
use super::tables::{CHAT_HEADS, CHATS, Derived, FORMAT};
use super::tables::{RECEIPTS, RECEIPTS_MADE, RUNS, hash_table};
use crate::api::ReceiptRefusal;
use crate::chat::{self, Reach, Receipt, Said};
use crate::identity::IdentityId;
use crate::op::{Header, OpId, OpRefusal};

/// What a new op of another is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A post.
    Post,
    /// A message to us.
    Message,
    /// What its author has of our messages.
    Receipt {
        /// Of each log of ours of which more is stored there than before, the last that is.
        delivered: Vec<OpId>,
        /// Of each log of ours of which more was read there than before, the last that was.
        read: Vec<OpId>,
        /// Why some of it does not count.
        refused: Option<ReceiptRefusal>,
    },
}

/// What a body says.
///
/// # Errors
/// `DamagedEntry` if the body cannot be opened.
pub(super) fn said(record: &Record) -> Result<Result<Option<Said>, OpRefusal>, StoreError> {
    let body = record.body()?;
    Ok(Said::of(&record.kind, &body.value).map_err(OpRefusal::Format))
}

impl Derived<'_> {
    /// What a new op of a conversation with its author is, or why it is not taken.
    pub(super) fn judge_chat(
        &self,
        friend: IdentityId,
        record: &Record,
    ) -> Result<Result<News, OpRefusal>, StoreError> {
        let receipt = match said(record)? {
            Ok(Some(Said::Receipt(receipt))) => receipt,
            Ok(Some(Said::Message(_))) if self.has_room_for_log(friend, &record.header()?)? => {
                return Ok(Ok(News::Message));
            }
            Ok(Some(Said::Message(_))) => return Ok(Err(OpRefusal::Logs)),
            Ok(None) => return Ok(Ok(News::Post)),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (mut delivered, mut read, mut refused) = (Vec::new(), Vec::new(), None);
        for reach in &receipt.reaches {
            if !self.is_of_ours(friend, reach)? {
                refused = Some(ReceiptRefusal::UnknownMessage);
                continue;
            }
            let mut told = self.told(friend, Side::Ours, &reach.log.0)?;
            let known = (told.delivered.end(), told.read.end());
            let (delivers, reads) = told.learn(reach);
            let last = reach.named().max_by_key(|up_to| up_to.seq);
            delivered.extend(last.map(|up_to| up_to.op).filter(|_| delivers));
            read.extend(reach.read.map(|read| read.op).filter(|_| reads));
            let is_behind = !delivers && reach.delivered_end() < known.0
                || !reads && reach.read.is_some() && reach.read_end() < known.1;
            if is_behind {
                refused.get_or_insert(ReceiptRefusal::Behind);
            }
        }
        Ok(Ok(News::Receipt {
            delivered,
            read,
            refused,
        }))
    }

    /// Whether messages of `friend` in the log of `header` are taken in: there are so many logs at most.
    fn has_room_for_log(&self, friend: IdentityId, header: &Header) -> Result<bool, StoreError> {
        if !self.has_chats()? {
            return Ok(true);
        }
        let heads = self.txn.open_table(CHAT_HEADS)?;
        if heads.get((&friend.0, &header.log.0))?.is_some() {
            return Ok(true);
        }
        let of_friend = (&friend.0, &[0; 16])..=(&friend.0, &[0xff; 16]);
        Ok(heads.range(of_friend)?.take(LOGS_MAX).count() < LOGS_MAX)
    }

    /// Whether a receipt names messages of ours to `friend`, each by its place and its name. So none is
    /// for a message that is not written yet, nor for one to somebody else.
    fn is_of_ours(&self, friend: IdentityId, reach: &Reach) -> Result<bool, StoreError> {
        let log = &reach.log.0;
        let head = self.heads.get(log)?.map(|head| *head.value().1);
        let Some(device) = head.map(|head| self.header_of(&head)).transpose()? else {
            return Ok(false);
        };
        let Some(device) = device.map(|header| header.device) else {
            return Ok(false);
        };
        if !self.has_chats()? {
            return Ok(false);
        }
        let chats = self.txn.open_table(CHATS)?;
        for up_to in reach.named() {
            let held = self.places.get((&device, log, up_to.seq))?;
            if held.is_none_or(|held| *held.value() != up_to.op.0) {
                return Ok(false);
            }
            let Some(header) = self.header_of(&up_to.op.0)? else {
                return Ok(false);
            };
            // Ours stand at our clock.
            let (logical_ms, counter) = (header.hlc.logical_ms, header.hlc.counter);
            let place = (&friend.0, logical_ms, counter, &up_to.op.0);
            if chats.get(place)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn header_of(&self, op: &[u8; 32]) -> Result<Option<Header>, StoreError> {
        let record = self.ops.get(op)?;
        let record = record.map(|record| Record::decode(record.value())?.header());
        record.transpose()
    }

    /// Enters an op of a conversation with `friend`, whoever of the two wrote it.
    pub(super) fn enter_chat(
        &mut self,
        friend: IdentityId,
        record: &Record,
        header: &Header,
    ) -> Result<(), StoreError> {
        self.begin_chats()?;
        let op = record.item.id();
        let is_ours = record.author != friend;
        if record.kind == chat::MESSAGE {
            if record.is_shown_at_all(header) {
                let (at, counter) = record.chat_place(header);
                let place = (&friend.0, at, counter, &op.0);
                self.txn.open_table(CHATS)?.insert(place, ())?;
            }
            if !is_ours {
                self.enter_chat_head(friend, header, op)?;
            }
            return Ok(());
        }
        if record.item.body.is_empty() {
            return Ok(());
        }
        let Ok(Some(Said::Receipt(receipt))) = said(record)? else {
            return Ok(());
        };
        let side = if is_ours { Side::Friends } else { Side::Ours };
        if is_ours {
            self.count_receipt(friend)?;
        }
        if self.enter_receipt(friend, side, &receipt)? {
            self.late_receipts.push(op.0);
        }
        Ok(())
    }

    /// Takes a message out of its conversation with `friend`, which is shown no more.
    pub(super) fn leave_chat(
        &self,
        friend: IdentityId,
        record: &Record,
        header: &Header,
    ) -> Result<(), StoreError> {
        if self.has_chats()? {
            let (at, counter) = record.chat_place(header);
            let place = (&friend.0, at, counter, &record.item.id().0);
            self.txn.open_table(CHATS)?.remove(place)?;
        }
        Ok(())
    }

    /// Enters receipts again for which the messages were not in place.
    pub(super) fn enter_late_receipts(&mut self) -> Result<(), StoreError> {
        for op in std::mem::take(&mut self.late_receipts) {
            let record = self.ops.get(&op)?.map(|record| record.value().to_vec());
            if let Some(record) = record {
                let record = Record::decode(&record)?;
                let header = record.header()?;
                self.enter_chat(record.author, &record, &header)?;
            }
        }
        self.late_receipts.clear();
        Ok(())
    }

    /// A message of a friend's log stands at its place; the last counts.
    fn enter_chat_head(
        &self,
        friend: IdentityId,
        header: &Header,
        op: OpId,
    ) -> Result<(), StoreError> {
        let mut heads = self.txn.open_table(CHAT_HEADS)?;
        let log = (&friend.0, &header.log.0);
        let known = heads.get(log)?.map(|head| {
            let (seq, device, op) = head.value();
            (seq, *device, *op)
        });
        if known.is_none_or(|known| known < (header.seq, header.device, op.0)) {
            heads.insert(log, (header.seq, &header.device, &op.0))?;
        }
        Ok(())
    }

    /// Enters what a receipt says; whether some of it is for messages that are not in place.
    fn enter_receipt(
        &self,
        friend: IdentityId,
        side: Side,
        receipt: &Receipt,
    ) -> Result<bool, StoreError> {
        let mut is_late = false;
        for reach in &receipt.reaches {
            if side == Side::Ours && !self.is_of_ours(friend, reach)? {
                is_late = true;
                continue;
            }
            let mut told = self.told(friend, side, &reach.log.0)?;
            if told.learn(reach) != (false, false) {
                told.keep(self.txn, (friend, side, &reach.log.0))?;
            }
        }
        Ok(is_late)
    }

    /// Counts a receipt of ours to `friend`.
    fn count_receipt(&self, friend: IdentityId) -> Result<(), StoreError> {
        let mut made = self.txn.open_table(RECEIPTS_MADE)?;
        let before = made.get(&friend.0)?.map_or(0, |made| made.value());
        made.insert(&friend.0, before.saturating_add(1))?;
        Ok(())
    }

    fn told(&self, friend: IdentityId, side: Side, log: &[u8; 16]) -> Result<Told, StoreError> {
        if !self.has_chats()? {
            return Ok(Told::default());
        }
        let firsts = self.txn.open_table(RECEIPTS)?;
        let others = self.txn.open_table(RUNS)?;
        Told::of(&firsts, &others, (friend, side, log))
    }

    fn has_chats(&self) -> Result<bool, StoreError> {
        let formats = self.txn.open_table(FORMAT)?;
        let format = formats.get(())?.map(|format| format.value());
        Ok(format.is_some_and(|format| format >= INDEX_FORMAT_WITH_CHATS))
    }

    /// Makes the tables of conversations, which older programs do not know of.
    fn begin_chats(&self) -> Result<(), StoreError> {
        if self.has_chats()? {
            return Ok(());
        }
        let mut formats = self.txn.open_table(FORMAT)?;
        formats.insert((), INDEX_FORMAT_WITH_CHATS)?;
        self.txn.open_table(CHATS)?;
        self.txn.open_table(CHAT_HEADS)?;
        self.txn.open_table(RECEIPTS)?;
        self.txn.open_table(RUNS)?;
        self.txn.open_table(RECEIPTS_MADE)?;
        Ok(())
    }

    /// Brings tables of conversations of the shape before to today's: they had each message at its
    /// author's clock, those that are not shown as well, no runs, and no count of the receipts of `me`.
    pub(super) fn migrate_chats(&self, me: IdentityId) -> Result<(), StoreError> {
        self.txn.open_table(RUNS)?;
        self.count_receipts_of(me)?;
        let mut chats = self.txn.open_table(CHATS)?;
        let mut moved = Vec::new();
        for entry in chats.iter()? {
            let (key, ()) = entry.map(|(key, value)| (key, value.value()))?;
            let (friend, at, counter, op) = key.value();
            let record = self.ops.get(op)?.map(|record| record.value().to_vec());
            // One that cannot be read is told when it is to be shown.
            let record = record.and_then(|record| Record::decode(&record).ok());
            let Some((record, header)) = record.and_then(|record| {
                let header = record.header().ok()?;
                Some((record, header))
            }) else {
                continue;
            };
            let place = record.chat_place(&header);
            let is_shown = record.is_shown_at_all(&header);
            if !is_shown || place != (at, counter) {
                moved.push((*friend, (at, counter), *op, is_shown.then_some(place)));
            }
        }
        for (friend, (at, counter), op, place) in moved {
            chats.remove((&friend, at, counter, &op))?;
            if let Some((at, counter)) = place {
                chats.insert((&friend, at, counter, &op), ())?;
            }
        }
        Ok(())
    }

    /// Counts what there is of our receipts, whose reader is who was introduced to their log.
    fn count_receipts_of(&self, me: IdentityId) -> Result<(), StoreError> {
        self.txn.open_table(RECEIPTS_MADE)?.retain(|_, _| false)?;
        let mut readers = BTreeMap::new();
        for entry in self.introduced.iter()? {
            let (key, _) = entry?;
            let (reader, log) = key.value();
            if *reader != me.0 {
                readers.insert(*log, IdentityId(*reader));
            }
        }
        for entry in self.ops.iter()? {
            let Ok(record) = Record::decode(entry?.1.value()) else {
                continue;
            };
            if record.author == me
                && record.kind == chat::RECEIPT
                && let Ok(header) = record.header()
                && let Some(friend) = readers.get(&header.log.0)
            {
                self.count_receipt(*friend)?;
            }
        }
        Ok(())
    }

    pub(super) fn clear_chats(&mut self) -> Result<(), StoreError> {
        self.late_receipts.clear();
        if self.has_chats()? {
            self.txn.open_table(CHATS)?.retain(|_, ()| false)?;
            self.txn.open_table(CHAT_HEADS)?.retain(|_, _| false)?;
            self.txn.open_table(RECEIPTS)?.retain(|_, _| false)?;
            self.txn.open_table(RUNS)?.retain(|_, _| false)?;
            let mut made = self.txn.open_table(RECEIPTS_MADE)?;
            made.retain(|_, _| false)?;
        }
        Ok(())
    }

    pub(super) fn hash_chats(&self, hasher: &mut Hasher) -> Result<(), StoreError> {
        if self.has_chats()? {
            hash_table(hasher, &self.txn.open_table(CHATS)?)?;
            hash_table(hasher, &self.txn.open_table(CHAT_HEADS)?)?;
            hash_table(hasher, &self.txn.open_table(RECEIPTS)?)?;
            hash_table(hasher, &self.txn.open_table(RUNS)?)?;
            hash_table(hasher, &self.txn.open_table(RECEIPTS_MADE)?)?;
        }
        Ok(())
    }
}

/// The tables of conversations, for reading.
pub(super) struct Chats {
    pub(super) messages: redb::ReadOnlyTable<ByClock, ()>,
    pub(super) heads: redb::ReadOnlyTable<(Name, Log), (u64, Name, Name)>,
    receipts: redb::ReadOnlyTable<(Name, u8, Log), (u64, u64)>,
    runs: redb::ReadOnlyTable<(Name, u8, Log, u64), (u64, u64)>,
    pub(super) made: redb::ReadOnlyTable<Name, u64>,
}

impl Chats {
    /// Those of the index, if there has been a conversation.
    pub(super) fn open(txn: &redb::ReadTransaction) -> Result<Option<Self>, StoreError> {
        let formats = match txn.open_table(FORMAT) {
            Ok(formats) => formats,
            // An index of the first version, which can only be read.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let format = formats.get(())?.map(|format| format.value());
        if format.is_none_or(|format| format < INDEX_FORMAT_WITH_CHATS) {
            return Ok(None);
        }
        Ok(Some(Self {
            messages: txn.open_table(CHATS)?,
            heads: txn.open_table(CHAT_HEADS)?,
            receipts: txn.open_table(RECEIPTS)?,
            runs: txn.open_table(RUNS)?,
            made: txn.open_table(RECEIPTS_MADE)?,
        }))
    }

    /// What is told of a log.
    pub(super) fn told(
        &self,
        friend: IdentityId,
        side: Side,
        log: &[u8; 16],
    ) -> Result<Told, StoreError> {
        Told::of(&self.receipts, &self.runs, (friend, side, log))
    }
}
