//! Entering ops into the derived tables: the same way when they are made, when
//! they are received, and when the index is rebuilt.
//!
//! Checks nothing: what comes here was verified.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, WriteTransaction};

use super::StoreError;
use super::post_files::{OwnGrant, OwnPost};
use super::record::Record;
use super::tables::{ANYBODY, CURSORS, Derived, HLC_COUNTER, HLC_LOGICAL_MS, NEXT_ARRIVAL};
use super::viewer_feed::Order;
use crate::audience::Readers;
use crate::codec::Writer;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::op::{Header, LogId, OpId};
use crate::seal::Wrap;

impl Derived<'_> {
    /// Enters an op of anybody, on the timeline, or, if it is of a conversation, with the one at its
    /// other end.
    pub(super) fn enter(
        &mut self,
        record: &Record,
        header: &Header,
        friend: Option<IdentityId>,
    ) -> Result<(), StoreError> {
        let op = record.item.id();
        self.ops.insert(&op.0, record.encode().as_slice())?;
        self.enter_views(record, header, friend)
    }

    /// As [`Derived::enter`], an op whose record is in place already.
    pub(super) fn enter_views(
        &mut self,
        record: &Record,
        header: &Header,
        friend: Option<IdentityId>,
    ) -> Result<(), StoreError> {
        let op = record.item.id();
        let stamp = header.hlc.stamp_ms;
        let log = (&header.device, &header.log.0);
        self.places.insert((log.0, log.1, header.seq), &op.0)?;
        let held = self.log_lengths.get(log)?.map_or(0, |held| held.value());
        self.log_lengths.insert(log, held + 1)?;
        self.held.insert((&record.author.0, stamp, &op.0), ())?;
        if let Some(friend) = friend {
            self.enter_chat(friend, record, header)?;
        } else if record.is_shown_at_all(header) {
            let shown_ms = record.shown_ms(stamp);
            self.timeline.insert((shown_ms, &op.0), &record.author.0)?;
        }
        // What a receipt says holds for ever.
        if let Some(expires_ms) = header.expires_ms
            && !record.is_receipt(header)
        {
            self.expiring.insert((expires_ms, &op.0), ())?;
        }
        Ok(())
    }

    /// Drops the body of another's `op`, which is shown no more; how long it was.
    pub(super) fn forget(&mut self, op: &[u8; 32], mut record: Record) -> Result<u64, StoreError> {
        let header = record.header()?;
        if record.is_receipt(&header) {
            // An index of before has it among what is to be forgotten.
            return Ok(0);
        }
        if let Some(friend) = record.friend_of_author(&header) {
            self.leave_chat(friend, &record, &header)?;
        }
        let shown_ms = record.shown_ms(header.hlc.stamp_ms);
        self.timeline.remove((shown_ms, op))?;
        let dropped = record.item.body.len() as u64;
        record.item.body.clear();
        record.content_key = None;
        self.ops.insert(op, record.encode().as_slice())?;
        let author = &record.author.0;
        let kept = self.author_bytes.get(author)?;
        let kept = kept.map_or(0, |kept| kept.value());
        self.author_bytes
            .insert(author, kept.saturating_sub(dropped))?;
        Ok(dropped)
    }

    /// Enters others' ops, whose records are in place, one after the other, and takes out those
    /// of `me`. One that cannot be read or entered is dropped, and its author, whoever that was, asked for
    /// everything again. How many there are.
    pub(super) fn enter_others_again(
        &mut self,
        txn: &WriteTransaction,
        me: IdentityId,
    ) -> Result<u64, StoreError> {
        let mut names = Vec::new();
        for entry in self.ops.iter()? {
            names.push(*entry?.0.value());
        }
        let mut others = 0;
        let mut bytes = BTreeMap::<[u8; 32], u64>::new();
        for op in names {
            let record = self.ops.get(&op)?.map(|record| record.value().to_vec());
            let record = record.map(|record| Record::decode(&record)).transpose();
            let whole = |record: Record| {
                let header = record.header()?;
                if record.author != me {
                    record.check_kept(OpId(op), &header)?;
                }
                Ok::<_, StoreError>((header, record))
            };
            match record.and_then(|record| record.map(whole).transpose()) {
                Ok(Some((header, record))) if record.author != me => {
                    self.enter_views(&record, &header, record.friend_of_author(&header))?;
                    *bytes.entry(record.author.0).or_default() += record.item.weight_bytes() as u64;
                    others += 1;
                }
                Ok(_) => {
                    self.ops.remove(&op)?;
                }
                Err(error) => {
                    tracing::warn!(op = %OpId(op), %error, "dropped an entry that cannot be read");
                    self.ops.remove(&op)?;
                    txn.open_table(CURSORS)?.retain(|_, _| false)?;
                }
            }
        }
        for (author, bytes) in bytes {
            self.author_bytes.insert(&author, bytes)?;
        }
        Ok(others)
    }

    /// Enters an own post with its readers.
    pub(super) fn enter_own(&mut self, post: &OwnPost, keys: &Keys) -> Result<(), StoreError> {
        self.enter_own_as(post, &post.record(keys)?)
    }

    /// As [`Derived::enter_own`], with this `record`. One whose key is gone is in no reader's feed.
    pub(super) fn enter_own_as(
        &mut self,
        post: &OwnPost,
        record: &Record,
    ) -> Result<(), StoreError> {
        let header = &post.header;
        let op = post.id();
        self.enter(record, header, post.friend(record.author))?;
        let readers = post.readers(record.author);
        self.audiences.insert(&readers.key(), &header.log.0)?;
        self.heads
            .insert(&header.log.0, (header.seq, &op.0, post.arrival))?;
        if !record.is_keyless(header) {
            self.enter_kind(post.body.kind(), Order::Arrival, post.arrival, op)?;
            self.enter_kind(post.body.kind(), Order::Stamp, header.hlc.stamp_ms, op)?;
            if readers == Readers::Public {
                self.open_to(ANYBODY, post)?;
            }
            for (reader, wrap) in &post.wraps {
                self.open_to(reader.0, post)?;
                self.enter_wrap(post, *reader, wrap)?;
            }
        }
        self.advance(NEXT_ARRIVAL, post.arrival.saturating_add(1))?;
        let clock = (header.hlc.logical_ms, header.hlc.counter);
        if clock >= (self.number(HLC_LOGICAL_MS)?, self.number(HLC_COUNTER)?) {
            self.numbers.insert(HLC_LOGICAL_MS, clock.0)?;
            self.numbers.insert(HLC_COUNTER, clock.1)?;
        }
        Ok(())
    }

    /// Tells no reader of `log` as a whole, since not every op of it can be served.
    pub(super) fn withdraw(&mut self, log: LogId) -> Result<(), StoreError> {
        self.introduced.retain(|(_, other), ()| *other != log.0)?;
        Ok(())
    }

    /// Enters a grant of a post that is entered already. One of a post that is not there, since it
    /// was set aside, or whose key is gone, is passed over.
    pub(super) fn enter_grant(&mut self, grant: &OwnGrant) -> Result<(), StoreError> {
        let record = self
            .ops
            .get(&grant.op.0)?
            .map(|record| Record::decode(record.value()))
            .transpose()?;
        let Some(record) = record else {
            tracing::warn!(op = %grant.op, "passed over a grant of a post that is not there");
            return Ok(());
        };
        let header = record.header()?;
        if record.is_keyless(&header) {
            return Ok(());
        }
        let stamp = header.hlc.stamp_ms;
        let (op, reader) = (&grant.op.0, &grant.reader.0);
        self.feed_by_stamp.insert((reader, stamp, op), ())?;
        self.feed_by_arrival.insert((reader, grant.arrival), op)?;
        self.enter_kind(&record.kind, Order::Arrival, grant.arrival, grant.op)?;
        self.wraps
            .insert((op, reader), encode_wrap(&grant.wrap).as_slice())?;
        self.advance(NEXT_ARRIVAL, grant.arrival.saturating_add(1))
    }

    fn enter_kind(
        &mut self,
        kind: &str,
        order: Order,
        number: u64,
        op: OpId,
    ) -> Result<(), StoreError> {
        self.kinds.insert((kind, order as u8, number, &op.0), ())?;
        Ok(())
    }

    /// Enters the types of all own ops, from the feeds that list them.
    pub(super) fn enter_kinds(&mut self) -> Result<(), StoreError> {
        let mut listed = BTreeSet::new();
        for entry in self.feed_by_arrival.iter()? {
            let (key, op) = entry?;
            listed.insert((Order::Arrival as u8, key.value().1, OpId(*op.value())));
        }
        for entry in self.feed_by_stamp.iter()? {
            let (key, _) = entry?;
            let (_, stamp, op) = key.value();
            listed.insert((Order::Stamp as u8, stamp, OpId(*op)));
        }
        for (order, number, op) in listed {
            let record = self.ops.get(&op.0)?;
            let record = record.map(|record| Record::decode(record.value()));
            if let Some(record) = record.transpose()? {
                self.kinds
                    .insert((record.kind.as_str(), order, number, &op.0), ())?;
            }
        }
        Ok(())
    }

    /// Enters what is kept of each author and when it is to be forgotten, from the ops.
    pub(super) fn enter_weights(&mut self, me: IdentityId) -> Result<(), StoreError> {
        let mut bytes = BTreeMap::<[u8; 32], u64>::new();
        for entry in self.ops.iter()? {
            let (op, record) = entry?;
            let record = Record::decode(record.value())?;
            if let Some(expires_ms) = record.header()?.expires_ms {
                self.expiring.insert((expires_ms, op.value()), ())?;
            }
            if record.author != me {
                *bytes.entry(record.author.0).or_default() += record.item.weight_bytes() as u64;
            }
        }
        for (author, bytes) in bytes {
            self.author_bytes.insert(&author, bytes)?;
        }
        Ok(())
    }

    fn open_to(&mut self, reader: [u8; 32], post: &OwnPost) -> Result<(), StoreError> {
        let op = post.id().0;
        let stamp = post.header.hlc.stamp_ms;
        self.introduced.insert((&reader, &post.header.log.0), ())?;
        self.feed_by_stamp.insert((&reader, stamp, &op), ())?;
        self.feed_by_arrival.insert((&reader, post.arrival), &op)?;
        Ok(())
    }

    fn enter_wrap(
        &mut self,
        post: &OwnPost,
        reader: IdentityId,
        wrap: &Wrap,
    ) -> Result<(), StoreError> {
        let op = post.id();
        self.wraps
            .insert((&op.0, &reader.0), encode_wrap(wrap).as_slice())?;
        Ok(())
    }

    fn advance(&mut self, name: &str, to: u64) -> Result<(), StoreError> {
        if self.number(name)? < to {
            self.numbers.insert(name, to)?;
        }
        Ok(())
    }
}

fn encode_wrap(wrap: &Wrap) -> Vec<u8> {
    let mut writer = Writer::default();
    wrap.write(&mut writer);
    writer.finish()
}
