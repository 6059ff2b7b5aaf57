//! Own logs that must not be written on: because others hold more of them, or something else.
//!
//! A store restored from a copy knows less than its readers do. What it would sign next they
//! hold already, and differently: they would freeze the log. Readers therefore tell an author,
//! by the author's own signatures, what they hold; a log of which they hold more, or something
//! else, is ended, and the next post begins another. Ends are kept as files beside the posts,
//! for the index cannot derive them. What a reader says without such a signature counts nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, Value};

use super::record::Record;
use super::tables::{
    CARDS, CURSORS, Derived, ENDED, EPOCH, FORKS, HEADS, HELD, LOG_LENGTHS, Log, Name, OPS, PLACES,
};
use super::{Store, StoreError, lapsed, post_files, serial_file};
use crate::card::Card;
use crate::codec::{DecodeError, Reader};
use crate::delegation::Delegation;
use crate::entropy;
use crate::environment::Disk;
use crate::identity::IdentityId;
use crate::named::named;
use crate::op::{LogId, OpId, SignedHeader};
use crate::pull::{End, HEADS_MAX, Lapsed, PullPage, PullRequest};

/// Most ops looked at to find devices of an author beside those that its certificates name.
const LOOKED_AT_MAX: usize = 16;

named! {
    /// Why an own log was ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum EndReason {
        /// Somebody holds posts of it that are not here.
        OthersHoldMore = "others-hold-more",
        /// Somebody holds another post in one of its places.
        Forked = "forked",
        /// Another log, or a certificate with newer keys, showed that this store is an old copy, so that
        /// this one may be behind as well.
        OldCopy = "old-copy",
        /// The owner wanted it.
        Asked = "asked",
    }
}

/// An own log that is written no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedLog {
    /// The log.
    pub log: LogId,
    /// The place that somebody else's copy was compared at, or the newest here.
    pub seq: u64,
    /// Why.
    pub reason: EndReason,
}

impl Store {
    /// Compares what somebody holds of this device's logs with what is here. If they hold more of one,
    /// or something else, this store is an old copy: what others hold of the other logs is not known,
    /// so all logs are ended that are written to, and those that were named and are not here. Arrivals
    /// are numbered anew then, so that readers ask for all again. Tells which were not ended before;
    /// durable on return. Headers that this device did not sign say nothing.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn hear_heads(&mut self, heads: &[SignedHeader]) -> Result<Vec<EndedLog>, StoreError> {
        self.settle()?;
        let mut ends = self.contradicted_by(heads)?;
        if ends.is_empty() {
            return Ok(ends);
        }
        let named: BTreeSet<_> = ends.iter().map(|end| end.log).collect();
        let others = self.written_to(EndReason::OldCopy)?.into_iter();
        ends.extend(others.filter(|end| !named.contains(&end.log)));
        self.end(&ends)?;
        Ok(ends)
    }

    /// There are keys of this identity of `serial`, newer than those here: this store, or the keys alone,
    /// are from before they were made. What was written in between with the keys that are here no reader
    /// needs to name, so all logs are ended that are written to, once for each higher serial: no clock
    /// takes part, and what is begun afterwards is begun by who knows of it. Tells which were not ended
    /// before; durable on return.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn hear_newer_keys(&mut self, serial: u64) -> Result<Vec<EndedLog>, StoreError> {
        self.settle()?;
        let me = self.keys.identity();
        if serial <= serial_file::read(&self.disk, me)? {
            return Ok(Vec::new());
        }
        let ends = self.written_to(EndReason::OldCopy)?;
        self.end(&ends)?;
        serial_file::write(&self.disk, me, serial)?;
        Ok(ends)
    }

    /// The highest serial of newer keys of `identity` that its store on `disk` has heard of; 0 if none.
    /// The next change of keys has to go above it.
    ///
    /// # Errors
    /// `Disk`.
    pub fn newer_serial(disk: &Arc<dyn Disk>, identity: IdentityId) -> Result<u64, StoreError> {
        serial_file::read(disk, identity)
    }

    /// The logs, not ended yet, of which `heads` say otherwise than what is here.
    fn contradicted_by(&self, heads: &[SignedHeader]) -> Result<Vec<EndedLog>, StoreError> {
        let mut ends: Vec<EndedLog> = Vec::new();
        let txn = self.read()?;
        let (places, ended) = (txn.open_table(PLACES)?, txn.open_table(ENDED)?);
        for signed in heads {
            let Ok(header) = signed.verify(self.keys.delegation()) else {
                continue;
            };
            let known = ended.get(&header.log.0)?.is_some();
            if known || ends.iter().any(|end| end.log == header.log) {
                continue;
            }
            let place = (&header.device, &header.log.0, header.seq);
            let here = places.get(place)?.map(|op| OpId(*op.value()));
            let reason = match here {
                Some(op) if op == signed.id() => continue,
                Some(_) => EndReason::Forked,
                None => EndReason::OthersHoldMore,
            };
            ends.push(EndedLog {
                log: header.log,
                seq: header.seq,
                reason,
            });
        }
        Ok(ends)
    }

    /// Ends all logs that are written to: the next post to each audience begins another, and
    /// readers ask for all again. Durable on return.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn begin_logs(&mut self) -> Result<Vec<EndedLog>, StoreError> {
        self.settle()?;
        let ends = self.written_to(EndReason::Asked)?;
        self.end(&ends)?;
        Ok(ends)
    }

    /// All logs that are not ended, as ended for `reason`.
    fn written_to(&self, reason: EndReason) -> Result<Vec<EndedLog>, StoreError> {
        let mut ends = Vec::new();
        let txn = self.read()?;
        let ended = txn.open_table(ENDED)?;
        for entry in txn.open_table(HEADS)?.iter()? {
            let (log, head) = entry?;
            if ended.get(log.value())?.is_none() {
                ends.push(EndedLog {
                    log: LogId(*log.value()),
                    seq: head.value().0,
                    reason,
                });
            }
        }
        Ok(ends)
    }

    fn end(&mut self, ends: &[EndedLog]) -> Result<(), StoreError> {
        if ends.is_empty() {
            return Ok(());
        }
        self.unsettled = true;
        for end in ends {
            post_files::end_log(&self.disk, self.keys.identity(), end.log)?;
        }
        let txn = self.index.begin_write()?;
        {
            let mut derived = Derived::open(&txn)?;
            for end in ends {
                derived.ended.insert(&end.log.0, ())?;
            }
            let mut epoch = txn.open_table(EPOCH)?;
            epoch.insert((), &entropy::bytes::<16>())?;
        }
        txn.commit()?;
        self.unsettled = false;
        Ok(())
    }

    /// Asks `author` for everything again at the next pull. Durable on return.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn ask_again(&mut self, author: IdentityId) -> Result<(), StoreError> {
        self.write(|txn, _| {
            txn.open_table(CURSORS)?.remove(&author.0)?;
            Ok(())
        })
    }
}

/// What is held of `viewer`'s own logs, for them: their newest certificate, proofs of forks, and the
/// newest op of each log. Of more than there is room for, some by chance: which are told does not
/// depend on what was written last, and each is told sooner or later. With them, the bytes that were
/// read for it.
pub(super) fn heads_of(
    txn: &ReadTransaction,
    viewer: IdentityId,
    request: &PullRequest,
    max: usize,
) -> Result<(PullPage, usize), StoreError> {
    let max = max.min(HEADS_MAX);
    let (devices, mut bytes) = devices_of(txn, viewer)?;
    let (lengths, forks) = (txn.open_table(LOG_LENGTHS)?, txn.open_table(FORKS)?);
    let (places, ops) = (txn.open_table(PLACES)?, txn.open_table(OPS)?);
    let mut heads = Vec::new();
    for device in &devices {
        // A proof is two headers, and half of the room is for the logs that are not frozen.
        let room = (max / 2).saturating_sub(heads.len()) / 2;
        for log in some_logs(&forks, device, room)? {
            if let Some(fork) = forks.get((device, &log))? {
                heads.extend(read_proof(fork.value().1)?);
            }
        }
    }
    for device in &devices {
        for log in some_logs(&lengths, device, max.saturating_sub(heads.len()))? {
            let in_log = (device, &log, 0)..=(device, &log, u64::MAX);
            if let Some((_, op)) = places.range(in_log)?.next_back().transpose()?
                && let Some(record) = ops.get(op.value())?
            {
                bytes += record.value().len();
                heads.push(Record::decode(record.value())?.item.header);
            }
        }
    }
    let newest = lapsed::newest_certificate(txn, viewer)?;
    // The first certificate of an identity is no news to it.
    let is_news = |newest: &Delegation| !heads.is_empty() || newest.term.serial > 1;
    let delegation = newest.filter(is_news).map(|newest| newest.encode());
    let page = PullPage {
        items: Vec::new(),
        next: request.state,
        lapsed: Lapsed::default(),
        end: Some(End {
            complete: true,
            delegation: delegation.unwrap_or_default(),
            heads,
        }),
    };
    Ok((page, bytes))
}

/// Devices of `author` that may write its logs: those that its card and its newest certificate name,
/// and those of its newest ops. With them, the bytes that were read for it.
fn devices_of(
    txn: &ReadTransaction,
    author: IdentityId,
) -> Result<(BTreeSet<[u8; 32]>, usize), StoreError> {
    let mut devices = BTreeSet::new();
    let mut bytes = 0;
    if let Some(card) = txn.open_table(CARDS)?.get(&author.0)? {
        let card = Card::decode_kept(card.value()).map_err(StoreError::DamagedEntry)?;
        devices.insert(card.delegation.device);
    }
    devices.extend(lapsed::newest_certificate(txn, author)?.map(|newest| newest.device));
    let ops = txn.open_table(OPS)?;
    let of_author = (&author.0, 0, &[0; 32])..=(&author.0, u64::MAX, &[0xff; 32]);
    let held = txn.open_table(HELD)?;
    for entry in held.range(of_author)?.rev().take(LOOKED_AT_MAX) {
        if let Some(record) = ops.get(entry?.0.value().2)? {
            bytes += record.value().len();
            devices.insert(Record::decode(record.value())?.header()?.device);
        }
    }
    Ok((devices, bytes))
}

/// At most `max` of the logs of `device` that `table` knows: all, or those from a random name on.
fn some_logs<V: Value + 'static>(
    table: &impl ReadableTable<(Name, Log), V>,
    device: &[u8; 32],
    max: usize,
) -> Result<Vec<[u8; 16]>, StoreError> {
    let from = |first: &[u8; 16], max: usize| -> Result<Vec<[u8; 16]>, StoreError> {
        let logs = table.range((device, first)..=(device, &[0xff; 16]))?;
        logs.take(max)
            .map(|entry| Ok(*entry?.0.value().1))
            .collect()
    };
    let mut logs = from(&[0; 16], max.saturating_add(1))?;
    if logs.len() > max {
        logs = from(&entropy::bytes(), max)?;
        logs.extend(from(&[0; 16], max - logs.len())?);
    }
    Ok(logs)
}

/// Headers as the table of forks keeps them.
pub(super) fn read_proof(bytes: &[u8]) -> Result<Vec<SignedHeader>, StoreError> {
    let (headers, _) = read_fork(bytes).map_err(StoreError::DamagedEntry)?;
    Ok(headers)
}

/// Whose fork an entry of the table of forks proves. Entries of before do not say.
pub(super) fn author_of_fork(bytes: &[u8]) -> Option<IdentityId> {
    let (_, mut rest) = read_fork(bytes).ok()?;
    rest.fixed().ok().map(IdentityId)
}

fn read_fork(bytes: &[u8]) -> Result<(Vec<SignedHeader>, Reader<'_>), DecodeError> {
    let mut reader = Reader::new("index entry of a fork", bytes);
    let count = reader.list(2)?;
    let headers = (0..count)
        .map(|_| SignedHeader::read(&mut reader))
        .collect::<Result<_, _>>()?;
    Ok((headers, reader))
}
