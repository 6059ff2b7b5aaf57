//! Conversations as their owner has them: sending, acknowledging, reading.
//!
//! Owns what is said of others' messages by our receipts: that all up to a place is stored here, without
//! a gap, and that the owner has read it. What a receipt of another's counts for is `chat_index`'s.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::chat_index::{Chats, Side, said};
use super::record::Record;
use super::tables::{FOLLOWS, Log, Name, OPS, PLACES};
use super::{Posted, Store, StoreError, contacts};
use crate::api::{ChatMessage, Conversation, MessageState};
use crate::audience::Audience;
use crate::chat::{self, Message, Receipt, Said, UpTo};
use crate::identity::IdentityId;
use crate::op::{LogId, OpId};

/// Most places of a log that one receipt goes on by.
const WALKED_MAX: usize = 16_384;
/// Most logs of one friend that are acknowledged.
const LOGS_MAX: usize = 64;
/// Most logs that are looked at for messages to be acknowledged, over all friends.
const OWED_MAX: usize = 65_536;
/// Most conversations that are listed.
const LISTED_MAX: usize = 1_000;
/// Most messages that are counted as unread in one conversation.
pub const UNREAD_MAX: u32 = 100;

/// Messages that were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acknowledged {
    /// The receipts that say so; none if there was nothing to say.
    pub receipts: Vec<OpId>,
    /// Messages that they name as read, and that were not before.
    pub newly_read: u64,
}

/// A receipt that is to be made.
struct Due {
    receipt: Receipt,
    newly_read: u64,
}

impl Store {
    /// Sends `to`, a friend, a message, stamped `wall_ms`. Durable on return.
    ///
    /// # Errors
    /// `NotFollowed`, `Blocked`, `UnknownMessage` if the one that it answers is not of this conversation;
    /// as [`Store::post`].
    pub fn chat_send(
        &mut self,
        to: IdentityId,
        text: String,
        reply_to: Option<OpId>,
        wall_ms: u64,
    ) -> Result<Posted, StoreError> {
        chat::check_text(&text).map_err(StoreError::Body)?;
        self.settle()?;
        self.check_friend(to)?;
        if let Some(op) = reply_to
            && !self.is_said_with(to, op)?
        {
            return Err(StoreError::UnknownMessage(op));
        }
        let message = Said::Message(Message { text, reply_to });
        self.publish(message.to_body(), &only(to), wall_ms)
    }

    /// Tells `friend` which messages of theirs are here, all up to a place of a log, and, if the owner
    /// `reads` them now, that they were read; nothing if that was told before. Durable on return.
    ///
    /// # Errors
    /// `NotFollowed` and `Blocked`; as [`Store::post`].
    pub fn acknowledge(
        &mut self,
        friend: IdentityId,
        reads: bool,
        wall_ms: u64,
    ) -> Result<Acknowledged, StoreError> {
        self.settle()?;
        self.check_friend(friend)?;
        let mut done = Acknowledged::default();
        for due in self.receipts_due(friend, reads)? {
            let body = Said::Receipt(due.receipt).to_body();
            let posted = self.publish(body, &only(friend), wall_ms)?;
            done.receipts.push(posted.op);
            done.newly_read += due.newly_read;
        }
        Ok(done)
    }

    /// Whether `friend` may be talked with.
    fn check_friend(&self, friend: IdentityId) -> Result<(), StoreError> {
        let txn = self.read()?;
        if contacts::is_blocked(&txn, friend)? {
            return Err(StoreError::Blocked(friend));
        }
        if txn.open_table(FOLLOWS)?.get(&friend.0)?.is_none() {
            return Err(StoreError::NotFollowed(friend));
        }
        Ok(())
    }

    /// Whether `op` is a message of the conversation with `friend`.
    fn is_said_with(&self, friend: IdentityId, op: OpId) -> Result<bool, StoreError> {
        let txn = self.read()?;
        let Some(chats) = Chats::open(&txn)? else {
            return Ok(false);
        };
        let Some(record) = txn.open_table(OPS)?.get(&op.0)? else {
            return Ok(false);
        };
        let clock = Record::decode(record.value())?.header()?.hlc;
        let place = (&friend.0, clock.logical_ms, clock.counter, &op.0);
        Ok(chats.messages.get(place)?.is_some())
    }

    /// The receipts that `friend` is owed, one for each log of theirs.
    fn receipts_due(&self, friend: IdentityId, reads: bool) -> Result<Vec<Due>, StoreError> {
        let txn = self.read()?;
        let Some(chats) = Chats::open(&txn)? else {
            return Ok(Vec::new());
        };
        let mut due = Vec::new();
        let of_friend = (&friend.0, &[0; 16])..=(&friend.0, &[0xff; 16]);
        for entry in chats.heads.range(of_friend)?.take(LOGS_MAX) {
            let (key, head) = entry?;
            let (_, log) = key.value();
            let (last, device, _) = head.value();
            let known = chats.receipts(friend, Side::Friends, log)?;
            let walk = Walk::open(&txn, device, log)?;
            due.extend(walk.receipt(known, last, reads)?);
        }
        Ok(due)
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
        for entry in chats.heads.iter()?.take(OWED_MAX) {
            let (key, head) = entry?;
            let (friend, log) = key.value();
            let friend = IdentityId(*friend);
            let (delivered, _) = chats.receipts(friend, Side::Friends, log)?;
            if delivered <= head.value().0 {
                owed.insert(friend);
            }
        }
        Ok(owed)
    }

    /// The newest messages of the conversation with `friend` when the wall clock shows `wall_ms`, the
    /// oldest of them first; at most `limit`. Those of one author are in the order in which they were
    /// written. What cannot be read is left out, which is logged.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn conversation(
        &self,
        friend: IdentityId,
        limit: u32,
        wall_ms: u64,
    ) -> Result<Vec<ChatMessage>, StoreError> {
        let txn = self.read()?;
        let mut messages = match Chats::open(&txn)? {
            Some(chats) => self.newest(&txn, &chats, friend, wall_ms, limit)?,
            None => Vec::new(),
        };
        messages.reverse();
        Ok(messages)
    }

    /// All conversations but those with whom is blocked, that of the newest message first; at most 1,000.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn conversations(&self, wall_ms: u64) -> Result<Vec<Conversation>, StoreError> {
        let txn = self.read()?;
        let Some(chats) = Chats::open(&txn)? else {
            return Ok(Vec::new());
        };
        let mut listed = Vec::new();
        let mut before: Option<[u8; 32]> = None;
        while listed.len() < LISTED_MAX {
            let from = match &before {
                None => Unbounded,
                Some(friend) => Excluded((friend, u64::MAX, u64::MAX, &[0xff; 32])),
            };
            let next = chats
                .messages
                .range((from, Unbounded))?
                .next()
                .transpose()?;
            let Some(friend) = next.map(|(key, _)| *key.value().0) else {
                break;
            };
            before = Some(friend);
            let with = IdentityId(friend);
            if contacts::is_blocked(&txn, with)? {
                continue;
            }
            let newest = self.newest(&txn, &chats, with, wall_ms, UNREAD_MAX)?;
            let is_unread = |message: &&ChatMessage| message.state == MessageState::Unread;
            let unread = newest.iter().filter(is_unread).count() as u32;
            if let Some(newest) = newest.into_iter().next() {
                listed.push(Conversation {
                    with,
                    name: None,
                    unread,
                    newest,
                });
            }
        }
        listed.sort_by_key(|conversation| std::cmp::Reverse(conversation.newest.stamp_ms));
        Ok(listed)
    }

    fn newest(
        &self,
        txn: &ReadTransaction,
        chats: &Chats,
        friend: IdentityId,
        wall_ms: u64,
        limit: u32,
    ) -> Result<Vec<ChatMessage>, StoreError> {
        let ops = txn.open_table(OPS)?;
        let with_friend =
            (&friend.0, 0, 0, &[0; 32])..=(&friend.0, u64::MAX, u64::MAX, &[0xff; 32]);
        let mut newest = Vec::new();
        for entry in chats
            .messages
            .range(with_friend)?
            .rev()
            .take(limit as usize)
        {
            let op = OpId(*entry?.0.value().3);
            let Some(record) = ops.get(&op.0)? else {
                continue;
            };
            let record = Record::decode(record.value());
            match record.and_then(|record| self.shown(chats, friend, &record, wall_ms)) {
                Ok(message) => newest.extend(message),
                Err(error) => tracing::warn!(%op, %error, "cannot show a message"),
            }
        }
        Ok(newest)
    }

    /// A message as the owner reads it; nothing if it has expired.
    fn shown(
        &self,
        chats: &Chats,
        friend: IdentityId,
        record: &Record,
        wall_ms: u64,
    ) -> Result<Option<ChatMessage>, StoreError> {
        let header = record.header()?;
        if Record::is_expired(&header, wall_ms) || record.item.body.is_empty() {
            return Ok(None);
        }
        let Ok(Some(Said::Message(message))) = said(record)? else {
            return Ok(None);
        };
        let is_ours = record.author == self.keys.identity();
        let side = if is_ours { Side::Ours } else { Side::Friends };
        let (delivered, read) = chats.receipts(friend, side, &header.log.0)?;
        let state = match (is_ours, header.seq) {
            (_, seq) if seq < read => MessageState::Read,
            (false, _) => MessageState::Unread,
            (true, seq) if seq < delivered => MessageState::Delivered,
            (true, _) => MessageState::Sent,
        };
        Ok(Some(ChatMessage {
            op: record.item.id(),
            author: record.author,
            author_name: None,
            stamp_ms: header.hlc.stamp_ms,
            text: message.text,
            reply_to: message.reply_to,
            state,
        }))
    }
}

fn only(reader: IdentityId) -> Audience {
    Audience::Only(BTreeSet::from([reader]))
}

/// One log of a friend's, gone through place by place.
struct Walk<'a> {
    device: &'a [u8; 32],
    log: &'a [u8; 16],
    places: ReadOnlyTable<(Name, Log, u64), Name>,
    ops: ReadOnlyTable<Name, &'static [u8]>,
}

impl<'a> Walk<'a> {
    fn open(
        txn: &ReadTransaction,
        device: &'a [u8; 32],
        log: &'a [u8; 16],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            device,
            log,
            places: txn.open_table(PLACES)?,
            ops: txn.open_table(OPS)?,
        })
    }

    /// The message in the place before this one, to which an earlier receipt goes.
    fn before(&self, place: u64) -> Result<Option<UpTo>, StoreError> {
        let Some(seq) = place.checked_sub(1) else {
            return Ok(None);
        };
        let held = self.places.get((self.device, self.log, seq))?;
        Ok(held.map(|op| UpTo {
            seq,
            op: OpId(*op.value()),
        }))
    }

    /// The receipt that follows on what is `known` to have been told, for messages up to the place
    /// `last`; nothing if it would say nothing new. It goes no further than the first place that is not
    /// here.
    fn receipt(
        &self,
        (delivered, read): (u64, u64),
        last: u64,
        reads: bool,
    ) -> Result<Option<Due>, StoreError> {
        let first = if reads { read } else { delivered };
        let (mut newest, mut messages) = (None, 0);
        let rest = (self.device, self.log, first)..=(self.device, self.log, last);
        for (expected, entry) in (first..).zip(self.places.range(rest)?.take(WALKED_MAX)) {
            let (key, op) = entry?;
            let seq = key.value().2;
            if seq != expected {
                break;
            }
            let op = OpId(*op.value());
            let record = self.ops.get(&op.0)?;
            let record = record.map(|record| Record::decode(record.value()));
            if record
                .transpose()?
                .is_some_and(|record| record.kind == chat::MESSAGE)
            {
                newest = Some(UpTo { seq, op });
                messages += 1;
            }
        }
        let Some(newest) = newest else {
            return Ok(None);
        };
        let receipt = Receipt {
            log: LogId(*self.log),
            delivered: if newest.seq < delivered {
                self.before(delivered)?
            } else {
                Some(newest)
            },
            read: if reads {
                Some(newest)
            } else {
                self.before(read)?
            },
        };
        Ok(Some(Due {
            receipt,
            newly_read: if reads { messages } else { 0 },
        }))
    }
}
