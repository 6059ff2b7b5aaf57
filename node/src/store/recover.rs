//! From files to index: what a crash left between the two, and all of it anew.
//!
//! A post whose files are whole and that the index does not know was never
//! acknowledged, or the index was lost; either way it is entered. Reindexing
//! trusts only the files for own posts, and the index for those of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable};

use super::opening::corrupted;
use super::post_files::{self, Listing, OwnGrant, OwnPost, log_dir};
use super::record::Record;
use super::tables::{Derived, ENDED, EPOCH, EXPIRING, HEADS, NEXT_ARRIVAL, NUMBERS, OPS};
use super::{SetAside, Store, StoreError};
use crate::entropy;
use crate::files;
use crate::op::{Header, LogId};

/// Most expired bodies dropped at once: each is written anew without its body.
const FORGOTTEN_MAX: usize = 64;

/// What a reindex found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reindexed {
    /// State hash before.
    pub before: [u8; 32],
    /// State hash after. Equal, unless files or index were changed by others.
    pub after: [u8; 32],
    /// Ops read.
    pub ops: u64,
}

/// A post or a grant, by its arrival.
enum Found {
    Post(Box<OwnPost>),
    Grant(OwnGrant),
}

impl Store {
    /// Rebuilds everything derived: from the post files, and from others' ops
    /// in the index. One transaction.
    ///
    /// # Errors
    /// `Damaged` names a file that is not as written, and nothing is changed;
    /// `Disk` and `Index`.
    pub fn reindex(&mut self) -> Result<Reindexed, StoreError> {
        self.settle()?;
        // Where things lie, by arrival; they are read one after the other, for all their bodies
        // may be more than fits memory.
        let mut found = BTreeMap::new();
        let mut ended = Vec::new();
        for log in post_files::logs(&self.disk, self.keys.identity())? {
            let listing = self.listing(log)?;
            if listing.ended {
                ended.push(log);
            }
            for seq in &listing.posts {
                let arrival = OwnPost::read_arrival(&self.disk, &self.keys, log, *seq)?;
                found.insert(arrival, (log, *seq, false));
            }
            let granted = listing.grants.iter();
            for (arrival, seq) in granted.filter(|(_, seq)| listing.posts.contains(seq)) {
                found.insert(*arrival, (log, *seq, true));
            }
        }
        let (me, disk) = (self.keys.identity(), Arc::clone(&self.disk));
        self.write(|txn, keys| {
            let mut derived = Derived::open(txn)?;
            let before = derived.hash()?;
            derived.clear_all_but_ops()?;
            for log in ended {
                derived.ended.insert(&log.0, ())?;
            }
            let mut ops = derived.enter_others_again(txn, me)?;
            for (arrival, (log, seq, is_grant)) in found {
                if is_grant {
                    derived.enter_grant(&OwnGrant::read(&disk, me, (log, seq, arrival))?)?;
                } else {
                    derived.enter_own(&OwnPost::read(&disk, keys, log, seq)?, keys)?;
                    ops += 1;
                }
            }
            let after = derived.hash()?;
            Ok(Reindexed { before, after, ops })
        })
    }

    /// When the first of what is kept is to be forgotten, ms since 1970; nothing if none is.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        let expiring = self.read()?.open_table(EXPIRING)?;
        let first = expiring.first()?;
        Ok(first.map(|(key, _)| key.value().0))
    }

    /// Drops bodies that their authors asked to forget by `wall_ms`; at most so many at once that
    /// it takes a bounded time. How many there were. Durable on return.
    ///
    /// # Errors
    /// `Disk`, `Index` and `DamagedEntry`.
    pub fn forget_expired(&mut self, wall_ms: u64) -> Result<u64, StoreError> {
        if self
            .next_expiry()?
            .is_none_or(|first_ms| first_ms >= wall_ms)
        {
            return Ok(0);
        }
        let me = self.keys.identity();
        self.write(|txn, _| {
            let mut derived = Derived::open(txn)?;
            let mut due = Vec::new();
            for entry in derived
                .expiring
                .range(..(wall_ms, &[0; 32]))?
                .take(FORGOTTEN_MAX)
            {
                let (key, _) = entry?;
                let (expires_ms, op) = key.value();
                due.push((expires_ms, *op));
            }
            for (expires_ms, op) in &due {
                derived.expiring.remove((*expires_ms, op))?;
                let record = derived.ops.get(op)?.map(|record| record.value().to_vec());
                let Some(mut record) = record.map(|bytes| Record::decode(&bytes)).transpose()?
                else {
                    continue;
                };
                if record.author != me {
                    let dropped = record.item.body.len() as u64;
                    record.item.body.clear();
                    record.content_key = None;
                    derived.ops.insert(op, record.encode().as_slice())?;
                    let author = &record.author.0;
                    let kept = derived
                        .author_bytes
                        .get(author)?
                        .map_or(0, |kept| kept.value());
                    derived
                        .author_bytes
                        .insert(author, kept.saturating_sub(dropped))?;
                }
            }
            Ok(due.len() as u64)
        })
    }

    /// Hash of everything derived: equal for equal ops, grants and arrivals.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn state_hash(&self) -> Result<[u8; 32], StoreError> {
        let txn = self.index.begin_write()?;
        let hash = Derived::open(&txn)?.hash()?;
        txn.abort()?;
        Ok(hash)
    }

    /// Makes files and index agree again, after a crash or a failed write.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        if let Some(reason) = &self.read_only {
            return Err(StoreError::ReadOnly(reason.clone()));
        }
        if self.unsettled {
            self.settle_contacts()?;
            self.repair()?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// Enters posts and grants that are in files only. A grant whose post is not there is passed over.
    fn repair(&mut self) -> Result<(), StoreError> {
        let txn = self.read()?;
        let heads = txn.open_table(HEADS)?;
        let next_arrival = txn.open_table(NUMBERS)?.get(NEXT_ARRIVAL)?;
        let mut next_arrival = next_arrival.map_or(0, |number| number.value());
        let mut found = BTreeMap::new();
        let ended = txn.open_table(ENDED)?;
        let (mut newly_ended, mut set_aside) = (Vec::new(), Vec::new());
        for log in post_files::logs(&self.disk, self.keys.identity())? {
            let listing = self.listing(log)?;
            if listing.ended && ended.get(&log.0)?.is_none() {
                newly_ended.push(log);
            }
            let head = heads.get(&log.0)?;
            let head = head.map(|head| (head.value().0, *head.value().1));
            if let Some((seq, op)) = head {
                self.check_head(&txn, log, (seq, &op), &listing)?;
            }
            let known = head.map_or(0, |(seq, _)| seq + 1);
            for seq in listing.posts.range(known..) {
                match self.unknown_post(log, *seq, listing.posts.last())? {
                    Ok(post) => {
                        found.insert((post.arrival, log, *seq), Found::Post(Box::new(post)));
                    }
                    Err(post) => {
                        newly_ended.push(log);
                        set_aside.push(post);
                    }
                }
            }
            let is_there = |seq| {
                !set_aside
                    .iter()
                    .any(|post| (post.log, post.seq) == (log, seq))
            };
            for (arrival, seq) in listing.grants.range((next_arrival, 0)..) {
                if !listing.posts.contains(seq) || !is_there(*seq) {
                    tracing::warn!(%log, seq, "passed over a grant of a post that is not there");
                    continue;
                }
                let place = (log, *seq, *arrival);
                let grant = OwnGrant::read(&self.disk, self.keys.identity(), place)?;
                found.insert((*arrival, log, *seq), Found::Grant(grant));
            }
        }
        drop((heads, ended, txn));
        self.opened.set_aside.extend(set_aside);
        if found.is_empty() && newly_ended.is_empty() {
            return Ok(());
        }
        // What is in files may not be durable: the sync that failed may be
        // why it is not in the index. It is written anew before it counts.
        for found in found.values_mut() {
            match found {
                Found::Post(post) => {
                    post.arrival = post.arrival.max(next_arrival);
                    next_arrival = post.arrival.saturating_add(1);
                    post.write(&self.disk, self.keys.identity())?;
                }
                Found::Grant(grant) => {
                    next_arrival = next_arrival.max(grant.arrival.saturating_add(1));
                    grant.write(&self.disk, self.keys.identity())?;
                }
            }
        }
        let txn = self.index.begin_write()?;
        {
            let mut derived = Derived::open(&txn)?;
            for log in &newly_ended {
                derived.ended.insert(&log.0, ())?;
            }
            if !newly_ended.is_empty() {
                // What was to be numbered anew with them.
                let mut epoch = txn.open_table(EPOCH)?;
                epoch.insert((), &entropy::bytes::<16>())?;
            }
            for found in found.values() {
                match found {
                    Found::Post(post) => derived.enter_own(post, &self.keys)?,
                    Found::Grant(grant) => derived.enter_grant(grant)?,
                }
            }
        }
        txn.commit()?;
        Ok(())
    }

    /// Whether the index and the files of `log` agree on its newest post, which the next one continues:
    /// a changed bit there would have a place signed twice, or what readers hold contradicted. That a
    /// file is gone, where all of the index was checked, is for `reindex` to say.
    fn check_head(
        &self,
        txn: &ReadTransaction,
        log: LogId,
        (seq, op): (u64, &[u8; 32]),
        listing: &Listing,
    ) -> Result<(), StoreError> {
        if self.is_checked {
            return Ok(());
        }
        let record = txn.open_table(OPS)?.get(op)?;
        let header = record.map(|record| Record::decode(record.value())?.header());
        let is_its = |header: Header| (header.log, header.seq) == (log, seq);
        if header.transpose()?.is_some_and(is_its) && listing.posts.contains(&seq) {
            return Ok(());
        }
        Err(corrupted(
            "the newest post of a log in it is not that of the files",
        ))
    }

    /// A post that the index does not know. The last of a log may be torn, and was never acknowledged
    /// then; or it was, and the index that knew of it is lost. It is set aside, and its log ended: no
    /// place is signed twice.
    fn unknown_post(
        &self,
        log: LogId,
        seq: u64,
        last: Option<&u64>,
    ) -> Result<Result<OwnPost, SetAside>, StoreError> {
        match OwnPost::read(&self.disk, &self.keys, log, seq) {
            Ok(post) => Ok(Ok(post)),
            Err(StoreError::Damaged { path, reason }) if last == Some(&seq) => {
                tracing::warn!(path, reason, "set aside a post that is not as written");
                let me = self.keys.identity();
                post_files::end_log(&self.disk, me, log)?;
                let op = format!("{}/{seq:08}.op", log_dir(me, log));
                self.disk.rename(&op, &format!("{op}.damaged"))?;
                files::sync_dir_of(&self.disk, &op)?;
                Ok(Err(SetAside {
                    log,
                    seq,
                    reason: format!("{path}: {reason}"),
                }))
            }
            Err(error) => Err(error),
        }
    }

    fn listing(&self, log: LogId) -> Result<Listing, StoreError> {
        let names = self.disk.list(&log_dir(self.keys.identity(), log))?;
        Ok(Listing::of(&names))
    }
}
