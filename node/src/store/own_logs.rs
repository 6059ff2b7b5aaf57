//! Own logs that must not be written on: because others hold more of them, or something else.
//!
//! A store restored from a copy knows less than its readers do. What it would sign next they
//! hold already, and differently: they would freeze the log. Readers therefore tell an author,
//! by the author's own signatures, what they hold; a log of which they hold more, or something
//! else, is ended, and the next post begins another. Ends are kept as files beside the posts,
//! for the index cannot derive them. What a reader says without such a signature counts nothing.

use std::collections::BTreeSet;

use redb::{ReadTransaction, ReadableTable};

use super::answer::Answer;
use super::record::Record;
use super::tables::{CURSORS, Derived, ENDED, EPOCH, FORKS, HEADS, HELD, OPS, PLACES};
use super::{Store, StoreError, post_files};
use crate::codec::Reader;
use crate::entropy;
use crate::identity::IdentityId;
use crate::op::{LogId, OpId, SignedHeader};
use crate::pull::{End, HEADS_MAX, Lapsed, PullPage, PullRequest};

/// Most ops looked at to find an author's logs.
const LOOKED_AT_MAX: usize = 256;
/// Bytes of ops after which no more are looked at.
const LOOKED_AT_BYTES: usize = 1024 * 1024;

/// Why an own log was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Somebody holds posts of it that are not here.
    OthersHoldMore,
    /// Somebody holds another post in one of its places.
    Forked,
    /// The owner wanted it.
    Asked,
}

impl EndReason {
    /// The reason in one kebab-case word, for events.
    pub fn name(self) -> &'static str {
        match self {
            Self::OthersHoldMore => "others-hold-more",
            Self::Forked => "forked",
            Self::Asked => "asked",
        }
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
    /// Compares what somebody holds of this device's logs with what is here, and ends the logs
    /// of which they hold more, or something else; those that were not ended before. If there
    /// is one, arrivals are numbered anew too, so that readers ask for all again. Durable on
    /// return. Headers that this device did not sign say nothing.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn hear_heads(&mut self, heads: &[SignedHeader]) -> Result<Vec<EndedLog>, StoreError> {
        self.settle()?;
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
        drop((places, ended, txn));
        self.end(&ends)?;
        Ok(ends)
    }

    /// Ends all logs that are written to: the next post to each audience begins another, and
    /// readers ask for all again. Durable on return.
    ///
    /// # Errors
    /// `Disk` and `Index`.
    pub fn begin_logs(&mut self) -> Result<Vec<EndedLog>, StoreError> {
        self.settle()?;
        let mut ends = Vec::new();
        let txn = self.read()?;
        let ended = txn.open_table(ENDED)?;
        for entry in txn.open_table(HEADS)?.iter()? {
            let (log, head) = entry?;
            if ended.get(log.value())?.is_none() {
                ends.push(EndedLog {
                    log: LogId(*log.value()),
                    seq: head.value().0,
                    reason: EndReason::Asked,
                });
            }
        }
        drop((ended, txn));
        self.end(&ends)?;
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

/// What is held of `viewer`'s own logs, for them: the newest op of each, those written to
/// last first, and the proofs of forks.
pub(super) fn heads_of(
    txn: &ReadTransaction,
    viewer: IdentityId,
    request: &PullRequest,
    max: usize,
) -> Result<Answer, StoreError> {
    let mut logs = BTreeSet::new();
    let mut heads = Vec::new();
    let mut delegation = Vec::new();
    let mut bytes = 0;
    let ops = txn.open_table(OPS)?;
    let places = txn.open_table(PLACES)?;
    let max = max.min(HEADS_MAX);
    let of_viewer = (&viewer.0, 0, &[0; 32])..=(&viewer.0, u64::MAX, &[0xff; 32]);
    let held = txn.open_table(HELD)?;
    for entry in held.range(of_viewer)?.rev().take(LOOKED_AT_MAX) {
        let Some(record) = ops.get(entry?.0.value().2)? else {
            continue;
        };
        bytes += record.value().len();
        let record = Record::decode(record.value())?;
        let header = record.header()?;
        if delegation.is_empty() {
            delegation.clone_from(&record.item.delegation);
        }
        if logs.insert((header.device, header.log)) {
            let log = (&header.device, &header.log.0);
            let in_log = (log.0, log.1, 0)..=(log.0, log.1, u64::MAX);
            if let Some((_, op)) = places.range(in_log)?.next_back().transpose()?
                && let Some(record) = ops.get(op.value())?
            {
                heads.push(Record::decode(record.value())?.item.header);
            }
            heads.extend(proof_of_fork(txn, log)?);
        }
        if heads.len() >= max || bytes >= LOOKED_AT_BYTES {
            break;
        }
    }
    heads.truncate(max);
    let page = PullPage {
        items: Vec::new(),
        next: request.state,
        lapsed: Lapsed::default(),
        end: Some(End {
            complete: true,
            delegation,
            heads,
        }),
    };
    Ok(Answer {
        page,
        left_out: None,
        read_bytes: bytes,
    })
}

/// The two headers that prove a log forked, if it is.
fn proof_of_fork(
    txn: &ReadTransaction,
    log: (&[u8; 32], &[u8; 16]),
) -> Result<Vec<SignedHeader>, StoreError> {
    match txn.open_table(FORKS)?.get(log)? {
        Some(fork) => read_proof(fork.value().1),
        None => Ok(Vec::new()),
    }
}

/// Headers as the table of forks keeps them.
pub(super) fn read_proof(bytes: &[u8]) -> Result<Vec<SignedHeader>, StoreError> {
    let mut reader = Reader::new("index entry of a fork", bytes);
    let count = reader.list(2).map_err(StoreError::DamagedEntry)?;
    (0..count)
        .map(|_| SignedHeader::read(&mut reader).map_err(StoreError::DamagedEntry))
        .collect()
}
