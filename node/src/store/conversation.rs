//! Conversations as their owner has them: sending, acknowledging, reading.
//!
//! Owns what is shown of a conversation. Which messages our receipts name is `owed`'s, and what a receipt of
//! another's counts for `chat_index`'s.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use redb::ReadTransaction;

use super::chat_index::{Chats, said};
use super::receipts::{Side, Told};
use super::record::Record;
use super::tables::{FOLLOWS, OPS};
use super::{Posted, Store, StoreError, contacts};
use crate::api::{ChatMessage, Conversation, MessageState};
use crate::audience::Audience;
use crate::chat::{self, Message, REACHES_MAX, Said};
use crate::identity::IdentityId;
use crate::op::{LogId, OpId};

/// Most conversations that are listed.
const LISTED_MAX: usize = 1_000;
/// Most messages that are counted as unread in one conversation.
pub const UNREAD_MAX: u32 = 100;
/// Messages that are passed by in one conversation, since they have expired and are not cleared away yet,
/// before older ones are left out.
const PASSED_BY_MAX: u32 = 16_384;

/// Messages of a conversation, or conversations.
#[derive(Debug)]
pub struct Talk<T> {
    /// They.
    pub shown: Vec<T>,
    /// What was wrong with the first message that could not be read; those are left out.
    pub damaged: Option<StoreError>,
    /// How many those were.
    pub unreadable: u64,
    /// Whether there may be more that were not looked for.
    pub is_cut: bool,
}

impl<T> Default for Talk<T> {
    fn default() -> Self {
        Self {
            shown: Vec::new(),
            damaged: None,
            unreadable: 0,
            is_cut: false,
        }
    }
}

impl<T> Talk<T> {
    /// Notes that a message cannot be read.
    fn left_out(&mut self, op: OpId, error: StoreError) {
        tracing::warn!(%op, %error, "cannot show a message");
        self.unreadable += 1;
        self.damaged.get_or_insert(error);
    }

    /// Notes what of `other` could not be shown, which becomes part of it.
    fn joins<U>(&mut self, other: Talk<U>) -> Vec<U> {
        self.unreadable += other.unreadable;
        self.is_cut |= other.is_cut;
        if self.damaged.is_none() {
            self.damaged = other.damaged;
        }
        other.shown
    }
}

/// Messages that were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acknowledged {
    /// The receipt that says so; none if there was nothing to say.
    pub receipt: Option<OpId>,
    /// Messages that they name as read, and that were not before.
    pub newly_read: u64,
    /// Whether it names as much as one may, so that there may be more to say.
    pub may_owe_more: bool,
    /// Whether nothing was said, since what is kept of the friend and our receipts to them take together
    /// what may be kept of them.
    pub is_spent: bool,
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
    /// `reads` them now, that they were read; nothing if that was told before. One receipt says it of up to
    /// 64 logs. What is not read is acknowledged no more once the receipts would take, with what is kept of
    /// `friend`, more than may be kept. Durable on return.
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
        if let Some(due) = self.receipt_due(friend, reads)? {
            if !reads && self.has_spent(friend)? {
                done.is_spent = true;
                return Ok(done);
            }
            done.may_owe_more = due.receipt.reaches.len() == REACHES_MAX;
            let body = Said::Receipt(due.receipt).to_body();
            let posted = self.publish(body, &only(friend), wall_ms)?;
            done.receipt = Some(posted.op);
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
        let record = Record::decode(record.value())?;
        let (at, counter) = record.chat_place(&record.header()?);
        let place = (&friend.0, at, counter, &op.0);
        Ok(chats.messages.get(place)?.is_some())
    }

    /// The newest messages of the conversation with `friend` when the wall clock shows `wall_ms`, the
    /// oldest of them first; at most `limit`. Each stands where its author's clock has it, but no later than
    /// when it came. What has expired is not shown, and what cannot be read is counted; of messages that
    /// have expired and are not cleared away yet so many are passed by.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn conversation(
        &self,
        friend: IdentityId,
        limit: u32,
        wall_ms: u64,
    ) -> Result<Talk<ChatMessage>, StoreError> {
        let txn = self.read()?;
        let mut talk = Talk::default();
        if let Some(chats) = Chats::open(&txn)? {
            let newest = self.newest(&txn, &chats, friend, wall_ms, limit)?;
            let newest = talk.joins(newest).into_iter().rev();
            talk.shown = newest.map(|(_, message)| message).collect();
        }
        Ok(talk)
    }

    /// All conversations but those with whom is blocked, that of the newest message first; at most 1,000.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn conversations(&self, wall_ms: u64) -> Result<Talk<Conversation>, StoreError> {
        let txn = self.read()?;
        let mut talk = Talk::default();
        let Some(chats) = Chats::open(&txn)? else {
            return Ok(talk);
        };
        let mut listed = Vec::new();
        let mut before: Option<[u8; 32]> = None;
        loop {
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
            let newest = talk.joins(newest);
            let is_unread =
                |(_, message): &&(u64, ChatMessage)| message.state == MessageState::Unread;
            let unread = newest.iter().filter(is_unread).count() as u32;
            if let Some((at, newest)) = newest.into_iter().next() {
                let name = None;
                listed.push((
                    at,
                    Conversation {
                        with,
                        name,
                        unread,
                        newest,
                    },
                ));
            }
        }
        listed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        talk.is_cut |= listed.len() > LISTED_MAX;
        let listed = listed.into_iter().take(LISTED_MAX);
        talk.shown = listed.map(|(_, conversation)| conversation).collect();
        Ok(talk)
    }

    /// The newest messages with `friend`, each with when it stands, ms since 1970, the newest first.
    fn newest(
        &self,
        txn: &ReadTransaction,
        chats: &Chats,
        friend: IdentityId,
        wall_ms: u64,
        limit: u32,
    ) -> Result<Talk<(u64, ChatMessage)>, StoreError> {
        let ops = txn.open_table(OPS)?;
        let with_friend =
            (&friend.0, 0, 0, &[0; 32])..=(&friend.0, u64::MAX, u64::MAX, &[0xff; 32]);
        let mut talk = Talk::default();
        let mut told = KnownLogs::new();
        let mut passed_by = 0;
        for entry in chats.messages.range(with_friend)?.rev() {
            if talk.shown.len() >= limit as usize {
                break;
            }
            if passed_by >= PASSED_BY_MAX {
                talk.is_cut = true;
                break;
            }
            let (key, _) = entry?;
            let (at, op) = (key.value().1, OpId(*key.value().3));
            let record = ops.get(&op.0)?;
            let record = record.map(|record| Record::decode(record.value()));
            let shown = record.transpose().and_then(|record| match record {
                Some(record) => self.shown((chats, &mut told), friend, &record, wall_ms),
                None => Ok(None),
            });
            match shown {
                Ok(Some(message)) => talk.shown.push((at, message)),
                Ok(None) => passed_by += 1,
                Err(error) => {
                    passed_by += 1;
                    talk.left_out(op, error);
                }
            }
        }
        Ok(talk)
    }

    /// A message as the owner reads it; nothing if it has expired.
    fn shown(
        &self,
        (chats, told): (&Chats, &mut KnownLogs),
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
        let log = (side, header.log);
        let told = match told.entry(log) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(chats.told(friend, side, &header.log.0)?),
        };
        let state = if told.read.cover(header.seq) {
            MessageState::Read
        } else if !is_ours {
            MessageState::Unread
        } else if told.delivered.cover(header.seq) {
            MessageState::Delivered
        } else {
            MessageState::Sent
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

/// What is told of logs, as far as it was looked up.
type KnownLogs = BTreeMap<(Side, LogId), Told>;

fn only(reader: IdentityId) -> Audience {
    Audience::Only(BTreeSet::from([reader]))
}
