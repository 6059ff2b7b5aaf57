//! Answering pulls: one bounded page of what a viewer may read.
//!
//! Which ops and in which order is the engine's decision; who may read is
//! decided here, by what was published to the viewer or to anybody.

use redb::ReadTransaction;

use super::record::Record;
use super::tables::{
    ANYBODY, EPOCH, FEED_BY_ARRIVAL, FEED_BY_STAMP, HEADS, INTRODUCED, OPS, WRAPS,
};
use super::{Store, StoreError, contacts};
use crate::codec::Reader;
use crate::delegation::Delegation;
use crate::engine::{self, Feed};
use crate::identity::IdentityId;
use crate::op::{Header, OpId};
use crate::pull::{
    End, Item, Lapsed, PAGE_ITEMS_MAX, PageBounds, PullPage, PullRequest, Refusal, Scope,
};
use crate::revocation::Revocation;
use crate::seal::Wrap;

/// Most ops looked at for one page when many are of types not asked for.
const SCAN_MAX: usize = 1_024;

/// A page, and what it had no room for.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The page.
    pub page: PullPage,
    /// Bytes of the item that would be next, if it is too large for the page.
    pub left_out: Option<usize>,
}

impl Store {
    /// One page for `viewer`, as whom the connection was authenticated. Ask
    /// again with the page's `next` as state until its `end` is set.
    ///
    /// # Errors
    /// [`Refusal`], to be sent to the viewer.
    pub fn answer(&self, viewer: IdentityId, request: &PullRequest) -> Result<PullPage, Refusal> {
        let answer = self.answer_within(viewer, request, PageBounds::default())?;
        Ok(answer.page)
    }

    /// As [`Store::answer`], for a way that carries no more than `bounds`.
    ///
    /// # Errors
    /// [`Refusal`], to be sent to the viewer.
    pub fn answer_within(
        &self,
        viewer: IdentityId,
        request: &PullRequest,
        bounds: PageBounds,
    ) -> Result<Answer, Refusal> {
        let storage = |error: StoreError| {
            tracing::warn!(%error, "cannot answer a pull");
            Refusal::Storage
        };
        let txn = self.read().map_err(storage)?;
        if contacts::is_blocked(&txn, viewer).map_err(storage)? {
            return Err(Refusal::Blocked);
        }
        if request.viewer != viewer {
            return Err(Refusal::Viewer);
        }
        if request.scope != Scope::Author(self.keys.identity()) {
            return Err(Refusal::Scope);
        }
        self.page(&txn, viewer, request, bounds).map_err(storage)
    }

    fn page(
        &self,
        txn: &ReadTransaction,
        viewer: IdentityId,
        request: &PullRequest,
        bounds: PageBounds,
    ) -> Result<Answer, StoreError> {
        let feed = ViewerFeed::open(txn, viewer)?;
        let limit = (request.limit as usize).clamp(1, PAGE_ITEMS_MAX);
        let scan = if request.types.is_empty() {
            limit + 1
        } else {
            SCAN_MAX
        };
        let selection = engine::select(&request.state, &feed, scan)?;
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
        for (op, next) in selection.ops {
            if page.items.len() == limit || weight_bytes >= bounds.items_bytes {
                all = false;
                break;
            }
            let Some(record) = ops.get(&op.0)? else {
                page.next = next;
                continue;
            };
            let record = Record::decode(record.value())?;
            if !request.types.is_empty() && !request.types.contains(&record.kind) {
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
                left_out = Some(item.weight_bytes());
                all = false;
                break;
            }
            page.next = next;
            weight_bytes += item.weight_bytes();
            page.items.push(item);
        }
        if all && selection.exhausted {
            page.end = Some(End {
                complete: true,
                delegation: self.keys.delegation().encode(),
                heads: heads(txn, viewer, bounds.heads_max(weight_bytes))?,
            });
        }
        Ok(Answer { page, left_out })
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
fn heads(
    txn: &ReadTransaction,
    viewer: IdentityId,
    max: usize,
) -> Result<Vec<crate::op::SignedHeader>, StoreError> {
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
    for (_, _, op) in newest {
        if let Some(record) = ops.get(&op)? {
            signed.push(Record::decode(record.value())?.item.header);
        }
    }
    Ok(signed)
}

type Stamps = redb::ReadOnlyTable<(super::tables::Name, u64, super::tables::Name), ()>;
type Arrivals = redb::ReadOnlyTable<(super::tables::Name, u64), super::tables::Name>;

/// What one viewer may read: what anybody may, and what was opened to them.
struct ViewerFeed {
    readers: [[u8; 32]; 2],
    epoch: [u8; 16],
    stamps: Stamps,
    arrivals: Arrivals,
}

impl ViewerFeed {
    fn open(txn: &ReadTransaction, viewer: IdentityId) -> Result<Self, StoreError> {
        let epoch = txn.open_table(EPOCH)?;
        let epoch = epoch.get(())?.map(|epoch| *epoch.value());
        Ok(Self {
            readers: [ANYBODY, viewer.0],
            epoch: epoch.unwrap_or_default(),
            stamps: txn.open_table(FEED_BY_STAMP)?,
            arrivals: txn.open_table(FEED_BY_ARRIVAL)?,
        })
    }
}

impl Feed for ViewerFeed {
    type Error = StoreError;

    fn epoch(&self) -> [u8; 16] {
        self.epoch
    }

    fn by_stamp(
        &self,
        after: Option<(u64, OpId)>,
        max: usize,
    ) -> Result<Vec<(u64, OpId)>, StoreError> {
        use std::ops::Bound::{Excluded, Included};
        let mut found = Vec::new();
        for reader in &self.readers {
            let from = match &after {
                None => Included((reader, 0, &[0; 32])),
                Some((stamp, op)) => Excluded((reader, *stamp, &op.0)),
            };
            let to = Included((reader, u64::MAX, &[0xff; 32]));
            for entry in self.stamps.range((from, to))?.take(max) {
                let (key, _) = entry?;
                let (_, stamp, op) = key.value();
                found.push((stamp, OpId(*op)));
            }
        }
        found.sort_unstable();
        found.truncate(max);
        Ok(found)
    }

    fn by_arrival(&self, from: u64, max: usize) -> Result<Vec<(u64, OpId)>, StoreError> {
        let mut found = Vec::new();
        for reader in &self.readers {
            let range = (reader, from)..=(reader, u64::MAX);
            for entry in self.arrivals.range(range)?.take(max) {
                let (key, op) = entry?;
                found.push((key.value().1, OpId(*op.value())));
            }
        }
        found.sort_unstable();
        found.truncate(max);
        Ok(found)
    }
}
