//! From files to index: what a crash left between the two, and all of it anew.
//!
//! A post whose files are whole and that the index does not know was never
//! acknowledged, or the index was lost; either way it is entered. Reindexing
//! trusts only the files for own posts, and the index for those of others. No own post keeps the
//! others from being entered: what is not as written is set aside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::error::corrupted;
use super::post_files::{self, Listing, OwnGrant, OwnPost, log_dir};
use super::proof_file::Proofs;
use super::record::Record;
use super::tables::{Derived, ENDED, EPOCH, EXPIRING, HEADS, NEXT_ARRIVAL, NUMBERS, Name, OPS};
use super::{Opened, SetAside, Store, StoreError};
use crate::entropy;
use crate::environment::Disk;
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::op::{Header, LogId};

/// Most expired posts dropped at once: each is written anew without its body.
const FORGOTTEN_MAX: usize = 1_024;
/// Bytes of bodies with which as many were dropped as may be at once.
const FORGOTTEN_BYTES_MAX: u64 = 4 * 1024 * 1024;

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
    /// in the index. One transaction. A post that is not as written is set aside, and its log
    /// ended, and so is a grant; one whose key is gone keeps what the index has of it, or else its text.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn reindex(&mut self) -> Result<Reindexed, StoreError> {
        self.settle()?;
        // Where things lie, by arrival; they are read one after the other, for all their bodies
        // may be more than fits memory.
        let mut found = BTreeMap::new();
        let mut unwhole = Unwhole::default();
        let mut ended = Vec::new();
        for log in post_files::logs(&self.disk, self.keys.identity())? {
            let listing = self.listing(log)?;
            if listing.ended {
                ended.push(log);
            }
            if listing.has_gaps() {
                unwhole.withdrawn.insert(log);
            }
            for seq in &listing.posts {
                match OwnPost::read_arrival(&self.disk, &self.keys, log, *seq) {
                    Ok(arrival) => {
                        found.insert(arrival, (log, *seq, false));
                    }
                    Err(error) => unwhole.set_aside(&self.disk, &self.keys, (log, *seq), error)?,
                }
            }
            let granted = listing.grants.iter();
            for (arrival, seq) in granted.filter(|(_, seq)| listing.posts.contains(seq)) {
                found.insert(*arrival, (log, *seq, true));
            }
        }
        let (me, disk, before) = (self.keys.identity(), Arc::clone(&self.disk), self.read()?);
        let known = before.open_table(OPS)?;
        let reindexed = self.write(|txn, keys| {
            let mut derived = Derived::open(txn)?;
            let before = derived.hash()?;
            Proofs::mend(txn, &disk, me)?;
            derived.clear_all_but_ops()?;
            for log in &ended {
                derived.ended.insert(&log.0, ())?;
            }
            let mut ops = derived.enter_others_again(txn, me)?;
            for (arrival, (log, seq, is_grant)) in found {
                if is_grant {
                    let place = (log, seq, arrival);
                    match OwnGrant::read(&disk, me, place) {
                        Ok(grant) => derived.enter_grant(&grant)?,
                        Err(error) => unwhole.set_grant_aside(&disk, me, place, error)?,
                    }
                    continue;
                }
                let post = match OwnPost::read(&disk, keys, log, seq) {
                    Ok(post) => post,
                    Err(error) => {
                        unwhole.set_aside(&disk, keys, (log, seq), error)?;
                        continue;
                    }
                };
                let mut record = post.record(keys)?;
                if post.keyless {
                    match with_its_key(&known, &post)? {
                        Some(whole) => record = whole,
                        None => unwhole.keyless(&disk, me, log)?,
                    }
                }
                derived.enter_own_as(&post, &record)?;
                ops += 1;
            }
            derived.enter_late_receipts()?;
            unwhole.enter(txn, &mut derived)?;
            let after = derived.hash()?;
            Ok(Reindexed { before, after, ops })
        });
        unwhole.tell(&mut self.opened);
        reindexed
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
            let (mut forgotten, mut bytes) = (0, 0);
            for (expires_ms, op) in &due {
                if bytes >= FORGOTTEN_BYTES_MAX {
                    break;
                }
                forgotten += 1;
                derived.expiring.remove((*expires_ms, op))?;
                let record = derived.ops.get(op)?.map(|record| record.value().to_vec());
                let record = record.map(|bytes| Record::decode(&bytes)).transpose()?;
                if let Some(record) = record.filter(|record| record.author != me) {
                    bytes += derived.forget(op, record)?;
                }
            }
            Ok(forgotten)
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
            self.settle_proofs()?;
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
        let mut unwhole = Unwhole::default();
        for log in post_files::logs(&self.disk, self.keys.identity())? {
            let mut listing = self.listing(log)?;
            if listing.ended && ended.get(&log.0)?.is_none() {
                unwhole.ended.insert(log);
            }
            let head = heads.get(&log.0)?;
            let head = head.map(|head| (head.value().0, *head.value().1));
            if let Some((seq, op)) = head {
                self.check_head(&txn, log, (seq, &op), &listing)?;
            }
            let known = head.map_or(0, |(seq, _)| seq + 1);
            let unknown: Vec<_> = listing.posts.range(known..).copied().collect();
            for seq in &unknown {
                match OwnPost::read(&self.disk, &self.keys, log, *seq) {
                    Ok(post) => {
                        if post.keyless {
                            unwhole.keyless(&self.disk, self.keys.identity(), log)?;
                        }
                        found.insert((post.arrival, log, *seq), Found::Post(Box::new(post)));
                    }
                    Err(error) => {
                        unwhole.set_aside(&self.disk, &self.keys, (log, *seq), error)?;
                        listing.posts.remove(seq);
                    }
                }
            }
            if !unknown.is_empty() && listing.has_gaps() {
                unwhole.withdrawn.insert(log);
            }
            for (arrival, seq) in listing.grants.range((next_arrival, 0)..) {
                if !listing.posts.contains(seq) {
                    tracing::warn!(%log, seq, "passed over a grant of a post that is not there");
                    continue;
                }
                let place = (log, *seq, *arrival);
                let me = self.keys.identity();
                match OwnGrant::read(&self.disk, me, place) {
                    Ok(grant) => {
                        found.insert((*arrival, log, *seq), Found::Grant(grant));
                    }
                    Err(error) => unwhole.set_grant_aside(&self.disk, me, place, error)?,
                }
            }
        }
        drop((heads, ended, txn));
        unwhole.tell(&mut self.opened);
        if found.is_empty() && unwhole.ended.is_empty() && !unwhole.lacks_grants {
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
            for found in found.values() {
                match found {
                    Found::Post(post) => derived.enter_own(post, &self.keys)?,
                    Found::Grant(grant) => derived.enter_grant(grant)?,
                }
            }
            unwhole.enter(&txn, &mut derived)?;
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

    fn listing(&self, log: LogId) -> Result<Listing, StoreError> {
        let names = self.disk.list(&log_dir(self.keys.identity(), log))?;
        Ok(Listing::of(&names))
    }
}

/// What the index had of an own post before it was cleared, if its key is in it.
fn with_its_key(
    known: &impl ReadableTable<Name, &'static [u8]>,
    post: &OwnPost,
) -> Result<Option<Record>, StoreError> {
    let record = known.get(&post.id().0)?;
    let record = record.and_then(|record| Record::decode(record.value()).ok());
    Ok(record.filter(|record| {
        record.content_key.is_some()
            && record.check(post.id(), &post.header).is_ok()
            && record.body().is_ok_and(|body| body.text == post.body.text)
    }))
}

/// Own logs of which not every post can be given out, and what becomes of them: they are ended, and
/// no reader is told of them as a whole.
#[derive(Default)]
struct Unwhole {
    /// Logs that are written no more, and were before as far as the index knew.
    ended: BTreeSet<LogId>,
    /// Logs that readers are not told to have all of.
    withdrawn: BTreeSet<LogId>,
    set_aside: Vec<SetAside>,
    grants_set_aside: Vec<SetAside>,
    /// Whether a grant was set aside.
    lacks_grants: bool,
    /// Posts whose keys are gone.
    keyless: u64,
}

impl Unwhole {
    /// Sets the post in place `seq` of `log` aside, which could not be read by `error`. The last of a
    /// log may be torn, and was never acknowledged then; or any was, and has changed since.
    ///
    /// # Errors
    /// `error`, if it is none of damage; `Disk`.
    fn set_aside(
        &mut self,
        disk: &Arc<dyn Disk>,
        keys: &Keys,
        (log, seq): (LogId, u64),
        error: StoreError,
    ) -> Result<(), StoreError> {
        let StoreError::Damaged { path, reason } = error else {
            return Err(error);
        };
        tracing::warn!(path, reason, "set aside a post that is not as written");
        post_files::set_aside(disk, keys.identity(), log, seq)?;
        self.ended.insert(log);
        self.withdrawn.insert(log);
        let reason = format!("{path}: {reason}");
        self.set_aside.push(SetAside { log, seq, reason });
        Ok(())
    }

    /// Sets the grant that became readable as `arrival` aside, which could not be read by `error`. Its
    /// post is as it was, and read by all others.
    ///
    /// # Errors
    /// `error`, if it is none of damage; `Disk`.
    fn set_grant_aside(
        &mut self,
        disk: &Arc<dyn Disk>,
        me: IdentityId,
        (log, seq, arrival): (LogId, u64, u64),
        error: StoreError,
    ) -> Result<(), StoreError> {
        let StoreError::Damaged { path, reason } = error else {
            return Err(error);
        };
        tracing::warn!(path, reason, "set aside a grant that is not as written");
        post_files::set_grant_aside(disk, me, (log, seq, arrival))?;
        self.lacks_grants = true;
        let reason = format!("{path}: {reason}");
        self.grants_set_aside.push(SetAside { log, seq, reason });
        Ok(())
    }

    /// The key of a post of `log` is gone.
    fn keyless(
        &mut self,
        disk: &Arc<dyn Disk>,
        me: IdentityId,
        log: LogId,
    ) -> Result<(), StoreError> {
        self.keyless += 1;
        self.withdrawn.insert(log);
        if self.ended.insert(log) {
            post_files::end_log(disk, me, log)?;
        }
        Ok(())
    }

    /// Enters it all, after the posts.
    fn enter(&self, txn: &WriteTransaction, derived: &mut Derived<'_>) -> Result<(), StoreError> {
        // The number of a grant that is gone may be given out again.
        let mut is_news = self.lacks_grants;
        for log in &self.ended {
            is_news |= derived.ended.insert(&log.0, ())?.is_none();
        }
        for log in &self.withdrawn {
            derived.withdraw(*log)?;
        }
        if is_news {
            // What was to be numbered anew with them.
            let mut epoch = txn.open_table(EPOCH)?;
            epoch.insert((), &entropy::bytes::<16>())?;
        }
        Ok(())
    }

    /// Has it told to the owner.
    fn tell(&mut self, opened: &mut Opened) {
        opened.set_aside.append(&mut self.set_aside);
        opened.grants_set_aside.append(&mut self.grants_set_aside);
        opened.keyless = opened.keyless.max(std::mem::take(&mut self.keyless));
    }
}
