//! Conversations in the index: where messages stand, and how far each side has the other's.
//!
//! Owns the tables of conversations, which are rebuilt like all that is derived, and the judgement of
//! receipts: one counts if it names a message that was sealed to the one who signs it, by its place and
//! its name, and only forwards.

use blake3::Hasher;
use redb::ReadableTable;

use super::StoreError;
use super::record::Record;
use super::tables::{ByClock, INDEX_FORMAT_WITH_CHATS, Log, Name};
use super::tables::{CHAT_HEADS, CHATS, Derived, FORMAT, RECEIPTS, hash_table};
use crate::chat::{self, Receipt, Said};
use crate::identity::IdentityId;
use crate::op::{Header, OpId, OpRefusal};

/// Whose logs receipts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Ours, by the friend's receipts.
    Ours = 0,
    /// The friend's, by our receipts.
    Friends = 1,
}

/// What a new op of another is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A post.
    Post,
    /// A message to us.
    Message,
    /// What its author has of our messages.
    Receipt {
        /// The last of ours that is stored there, if more are than before.
        delivered: Option<OpId>,
        /// The last of ours that was read there, if more were than before.
        read: Option<OpId>,
        /// Whether it says less than an earlier one, and that does not count.
        behind: bool,
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
            Ok(Some(Said::Message(_))) => return Ok(Ok(News::Message)),
            Ok(None) => return Ok(Ok(News::Post)),
            Err(refusal) => return Ok(Err(refusal)),
        };
        if !self.is_of_ours(friend, &receipt)? {
            return Ok(Err(OpRefusal::Receipt));
        }
        let receipts = self.txn.open_table(RECEIPTS)?;
        let known = receipts.get((&friend.0, Side::Ours as u8, &receipt.log.0))?;
        let (delivered, read) = known.map_or((0, 0), |known| known.value());
        let (delivers, reads) = (receipt.delivered_places(), receipt.read_places());
        let last = [receipt.delivered, receipt.read].into_iter().flatten();
        let last = last.max_by_key(|up_to| up_to.seq).map(|up_to| up_to.op);
        Ok(Ok(News::Receipt {
            delivered: last.filter(|_| delivers > delivered),
            read: receipt.read.map(|read| read.op).filter(|_| reads > read),
            behind: delivers < delivered || receipt.read.is_some() && reads < read,
        }))
    }

    /// Whether a receipt names messages of ours to `friend`, each by its place and its name. So none is
    /// for a message that is not written yet, nor for one to somebody else.
    fn is_of_ours(&self, friend: IdentityId, receipt: &Receipt) -> Result<bool, StoreError> {
        let log = &receipt.log.0;
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
        for up_to in [receipt.delivered, receipt.read].into_iter().flatten() {
            let held = self.places.get((&device, log, up_to.seq))?;
            if held.is_none_or(|held| *held.value() != up_to.op.0) {
                return Ok(false);
            }
            let Some(header) = self.header_of(&up_to.op.0)? else {
                return Ok(false);
            };
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
            let clock = (header.hlc.logical_ms, header.hlc.counter);
            let place = (&friend.0, clock.0, clock.1, &op.0);
            self.txn.open_table(CHATS)?.insert(place, ())?;
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
        if is_ours {
            self.enter_receipt(friend, Side::Friends, &receipt)
        } else if self.is_of_ours(friend, &receipt)? {
            self.enter_receipt(friend, Side::Ours, &receipt)
        } else {
            self.late_receipts.push(op.0);
            Ok(())
        }
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

    fn enter_receipt(
        &self,
        friend: IdentityId,
        side: Side,
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        let mut receipts = self.txn.open_table(RECEIPTS)?;
        let log = (&friend.0, side as u8, &receipt.log.0);
        let known = receipts.get(log)?.map(|known| known.value());
        let (delivered, read) = known.unwrap_or_default();
        let now = (
            delivered.max(receipt.delivered_places()),
            read.max(receipt.read_places()),
        );
        if known != Some(now) {
            receipts.insert(log, now)?;
        }
        Ok(())
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
        Ok(())
    }

    pub(super) fn clear_chats(&mut self) -> Result<(), StoreError> {
        self.late_receipts.clear();
        if self.has_chats()? {
            self.txn.open_table(CHATS)?.retain(|_, ()| false)?;
            self.txn.open_table(CHAT_HEADS)?.retain(|_, _| false)?;
            self.txn.open_table(RECEIPTS)?.retain(|_, _| false)?;
        }
        Ok(())
    }

    pub(super) fn hash_chats(&self, hasher: &mut Hasher) -> Result<(), StoreError> {
        if self.has_chats()? {
            hash_table(hasher, &self.txn.open_table(CHATS)?)?;
            hash_table(hasher, &self.txn.open_table(CHAT_HEADS)?)?;
            hash_table(hasher, &self.txn.open_table(RECEIPTS)?)?;
        }
        Ok(())
    }
}

/// The tables of conversations, for reading.
pub(super) struct Chats {
    pub(super) messages: redb::ReadOnlyTable<ByClock, ()>,
    pub(super) heads: redb::ReadOnlyTable<(Name, Log), (u64, Name, Name)>,
    receipts: redb::ReadOnlyTable<(Name, u8, Log), (u64, u64)>,
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
        }))
    }

    /// How many places of a log are stored at its reader, and how many were read there.
    pub(super) fn receipts(
        &self,
        friend: IdentityId,
        side: Side,
        log: &[u8; 16],
    ) -> Result<(u64, u64), StoreError> {
        let known = self.receipts.get((&friend.0, side as u8, log))?;
        Ok(known.map_or((0, 0), |known| known.value()))
    }
}
