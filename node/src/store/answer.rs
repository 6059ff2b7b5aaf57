//! Answering pulls: one bounded page of what a viewer may read.
//!
//! Which ops and in which order is the strategy's decision; who may read is
//! decided here, by what was published to the viewer or to anybody.

use redb::ReadTransaction;

use super::record::Record;
use super::tables::{ANYBODY, HEADS, INTRODUCED, OPS, WRAPS};
use super::viewer_feed::ViewerFeed;
use super::{Store, StoreError, contacts, own_logs};
use crate::codec::Reader;
use crate::delegation::Delegation;
use crate::identity::IdentityId;
use crate::op::{Header, SignedHeader};
use crate::pull::{
    End, Item, Lapsed, PAGE_ITEMS_MAX, PageBounds, PullPage, PullRequest, Refusal, Scope,
};
use crate::revocation::Revocation;
use crate::seal::Wrap;
use crate::sync_strategy;

/// A page, and what it had no room for.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The page.
    pub page: PullPage,
    /// Bytes of the item that would be next, with what every page carries, if that is too large.
    pub left_out: Option<usize>,
    /// Bytes of ops that were read for it.
    pub read_bytes: usize,
}

/// Why a pull is not answered.
#[derive(Debug)]
pub enum Unanswered {
    /// It may not be; the viewer is told why.
    Refused(Refusal),
    /// The store failed, which is for the owner to hear.
    Failed(StoreError),
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// One page for `viewer`, as whom the connection was authenticated. Ask
    /// again with the page's `next` as state until its `end` is set; a page may
    /// have no items before that, for it is made in bounded time. Nothing is taken to have
    /// expired.
    ///
    /// # Errors
    /// [`Refusal`], to be sent to the viewer.
    pub fn answer(&self, viewer: IdentityId, request: &PullRequest) -> Result<PullPage, Refusal> {
        match self.answer_within(viewer, request, PageBounds::default(), 0) {
            Ok(answer) => Ok(answer.page),
            Err(Unanswered::Refused(refusal)) => Err(refusal),
            Err(Unanswered::Failed(error)) => {
                tracing::warn!(%error, "cannot answer a pull");
                Err(Refusal::Storage)
            }
        }
    }

    /// As [`Store::answer`], for a way that carries no more than `bounds`, and without what has
    /// expired by `wall_ms`.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn answer_within(
        &self,
        viewer: IdentityId,
        request: &PullRequest,
        bounds: PageBounds,
        wall_ms: u64,
    ) -> Result<Answer, Unanswered> {
        let txn = self.read()?;
        if contacts::is_blocked(&txn, viewer)? {
            return Err(Unanswered::Refused(Refusal::Blocked));
        }
        if request.viewer != viewer {
            return Err(Unanswered::Refused(Refusal::Viewer));
        }
        if request.scope == Scope::Author(viewer) && viewer != self.keys.identity() {
            let heads_max = bounds.heads_max(0);
            let (page, read_bytes) = own_logs::heads_of(&txn, viewer, request, heads_max)?;
            return Ok(Answer {
                page,
                left_out: None,
                read_bytes,
            });
        }
        if request.scope != Scope::Author(self.keys.identity()) {
            return Err(Unanswered::Refused(Refusal::Scope));
        }
        Ok(self.page(&txn, viewer, request, bounds, wall_ms)?)
    }

    fn page(
        &self,
        txn: &ReadTransaction,
        viewer: IdentityId,
        request: &PullRequest,
        bounds: PageBounds,
        wall_ms: u64,
    ) -> Result<Answer, StoreError> {
        let feed = ViewerFeed::open(txn, viewer, &request.types)?;
        let limit = (request.limit as usize).clamp(1, PAGE_ITEMS_MAX);
        let selection = sync_strategy::select(&request.state, &feed, limit + 1)?;
        let ops = txn.open_table(OPS)?;
        let wraps = txn.open_table(WRAPS)?;
        let mut page = PullPage {
            items: Vec::new(),
            next: selection.start,
            end: None,
            lapsed: self.lapsed(),
        };
        let mut weight_bytes = page.lapsed.weight_bytes();
        let mut all = true;
        let mut left_out = None;
        let mut read_bytes = 0;
        for (op, next) in selection.ops {
            let is_heavy = weight_bytes >= bounds.items_bytes && !page.items.is_empty();
            if page.items.len() == limit || is_heavy {
                all = false;
                break;
            }
            let Some(record) = ops.get(&op.0)? else {
                page.next = next;
                continue;
            };
            read_bytes += record.value().len();
            let record = Record::decode(record.value())?;
            let header = record.header()?;
            record.check(op, &header)?;
            if Record::is_expired(&header, wall_ms) {
                page.next = next;
                continue;
            }
            let wrap = wraps.get((&op.0, &viewer.0))?;
            let wrap = wrap.map(|wrap| decode_wrap(wrap.value())).transpose()?;
            let mut item = Item {
                wrap,
                ..record.item
            };
            if Delegation::is_of_version_1(&item.delegation) {
                item.delegation = self.certificate_for(&item)?;
            }
            if weight_bytes + item.weight_bytes() > bounds.whole_bytes {
                left_out = Some(item.weight_bytes() + page.lapsed.weight_bytes());
                all = false;
                break;
            }
            page.next = next;
            weight_bytes += item.weight_bytes();
            page.items.push(item);
        }
        if all && selection.exhausted {
            let (heads, bytes) = heads(txn, viewer, bounds.heads_max(weight_bytes))?;
            read_bytes += bytes;
            page.end = Some(End {
                complete: true,
                delegation: self.keys.delegation().encode(),
                heads,
            });
        } else if all && let Some(looked_to) = selection.looked_to {
            page.next = looked_to;
        }
        Ok(Answer {
            page,
            left_out,
            read_bytes,
        })
    }

    /// The last certificate of the device that made an own op.
    fn certificate_for(&self, item: &Item) -> Result<Vec<u8>, StoreError> {
        let header = Header::decode(&item.header.bytes).map_err(StoreError::DamagedEntry)?;
        let certificate = self.keys.certificate_of(&header.device);
        Ok(certificate.unwrap_or(self.keys.delegation()).encode())
    }

    /// What readers are told of devices that are not in use any more.
    fn lapsed(&self) -> Lapsed {
        Lapsed {
            certificates: self.keys.former().iter().map(Delegation::encode).collect(),
            revocations: self
                .keys
                .revocations()
                .iter()
                .map(Revocation::encode)
                .collect(),
        }
    }
}

fn decode_wrap(bytes: &[u8]) -> Result<Wrap, StoreError> {
    Wrap::read(&mut Reader::new("index entry of a wrap", bytes)).map_err(StoreError::DamagedEntry)
}

/// Newest op of each log that `viewer` reads whole; by log, of the `max` logs written to last.
/// With them, the bytes that were read for it.
fn heads(
    txn: &ReadTransaction,
    viewer: IdentityId,
    max: usize,
) -> Result<(Vec<SignedHeader>, usize), StoreError> {
    let introduced = txn.open_table(INTRODUCED)?;
    let heads = txn.open_table(HEADS)?;
    let mut newest = Vec::new();
    for reader in [&ANYBODY, &viewer.0] {
        for entry in introduced.range((reader, &[0; 16])..=(reader, &[0xff; 16]))? {
            let (key, _) = entry?;
            let (_, log) = key.value();
            if let Some(head) = heads.get(log)? {
                let (_, op, arrival) = head.value();
                newest.push((arrival, *log, *op));
            }
        }
    }
    newest.sort_unstable_by(|a, b| b.cmp(a));
    newest.truncate(max);
    newest.sort_unstable_by_key(|(_, log, _)| *log);
    let ops = txn.open_table(OPS)?;
    let mut signed = Vec::with_capacity(newest.len());
    let mut bytes = 0;
    for (_, _, op) in newest {
        if let Some(record) = ops.get(&op)? {
            bytes += record.value().len();
            signed.push(Record::decode(record.value())?.item.header);
        }
    }
    Ok((signed, bytes))
}
