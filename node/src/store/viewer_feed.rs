//! The feed that one viewer may read: what anybody may, and what was opened to them.
//!
//! Owns how it is gone through, of all types or of some: in steps that are bounded whatever was
//! asked for, without reading an op.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};

use redb::ReadTransaction;

use super::StoreError;
use super::tables::{
    ANYBODY, ByArrival, ByStamp, EPOCH, FEED_BY_ARRIVAL, FEED_BY_STAMP, KINDS, NEXT_ARRIVAL,
    NUMBERS, Name,
};
use crate::identity::IdentityId;
use crate::op::OpId;
use crate::sync_strategy::{Feed, Found};

/// Most entries looked at in one step to find those of a type that the viewer may read.
const SCAN_MAX: usize = 4_096;

type Stamps = redb::ReadOnlyTable<ByStamp, ()>;
type Arrivals = redb::ReadOnlyTable<ByArrival, Name>;
type Kinds = redb::ReadOnlyTable<(&'static str, u8, u64, Name), ()>;

/// In what order the index of types lists ops.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// By arrival.
    Arrival = 0,
    /// By stamp.
    Stamp = 1,
}

/// What one viewer may read.
pub(super) struct ViewerFeed<'a> {
    readers: [[u8; 32]; 2],
    epoch: [u8; 16],
    next_arrival: u64,
    /// Only these; all if there are none.
    types: &'a [String],
    stamps: Stamps,
    arrivals: Arrivals,
    kinds: Kinds,
}

impl<'a> ViewerFeed<'a> {
    /// The feed of `viewer`, of these `types`, or of all if none is named.
    pub(super) fn open(
        txn: &ReadTransaction,
        viewer: IdentityId,
        types: &'a [String],
    ) -> Result<Self, StoreError> {
        let epoch = txn.open_table(EPOCH)?;
        let epoch = epoch.get(())?.map(|epoch| *epoch.value());
        let next_arrival = txn.open_table(NUMBERS)?.get(NEXT_ARRIVAL)?;
        Ok(Self {
            readers: [ANYBODY, viewer.0],
            epoch: epoch.unwrap_or_default(),
            next_arrival: next_arrival.map_or(0, |number| number.value()),
            types,
            stamps: txn.open_table(FEED_BY_STAMP)?,
            arrivals: txn.open_table(FEED_BY_ARRIVAL)?,
            kinds: txn.open_table(KINDS)?,
        })
    }

    /// Whether the viewer may read `op`, which the index of types lists at `number`.
    fn may_read(&self, order: Order, number: u64, op: OpId) -> Result<bool, StoreError> {
        for reader in &self.readers {
            let listed = match order {
                Order::Arrival => {
                    let at = self.arrivals.get((reader, number))?;
                    at.is_some_and(|at| *at.value() == op.0)
                }
                Order::Stamp => self.stamps.get((reader, number, &op.0))?.is_some(),
            };
            if listed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Up to `max` ops of the types asked for that sort after `after`, or at `from` and later.
    fn of_types(
        &self,
        order: Order,
        from: (u64, OpId),
        excluding: bool,
        max: usize,
    ) -> Result<Found, StoreError> {
        let mut ranges = Vec::new();
        for kind in self.types {
            let from = (kind.as_str(), order as u8, from.0, &from.1.0);
            let from = if excluding {
                Excluded(from)
            } else {
                Included(from)
            };
            let to = Included((kind.as_str(), order as u8, u64::MAX, &[0xff; 32]));
            ranges.push(self.kinds.range((from, to))?);
        }
        // The first entry of each type; the smallest of them goes next.
        let mut firsts = BTreeSet::new();
        for (number, range) in ranges.iter_mut().enumerate() {
            if let Some(first) = next_of(range)? {
                firsts.insert((first, number));
            }
        }
        let mut found = Found::default();
        for _ in 0..SCAN_MAX {
            let Some(((number, op), kind)) = firsts.pop_first() else {
                break;
            };
            if let Some(next) = next_of(&mut ranges[kind])? {
                firsts.insert((next, kind));
            }
            if self.may_read(order, number, op)? {
                found.ops.push((number, op));
            }
            found.looked_to = Some((number, op));
            if found.ops.len() == max {
                break;
            }
        }
        if firsts.is_empty() {
            found.looked_to = None;
        }
        Ok(found)
    }
}

/// The next entry of one type.
fn next_of(
    range: &mut redb::Range<'_, (&'static str, u8, u64, Name), ()>,
) -> Result<Option<(u64, OpId)>, StoreError> {
    let entry = range.next().transpose()?;
    Ok(entry.map(|(key, _)| {
        let (_, _, number, op) = key.value();
        (number, OpId(*op))
    }))
}

impl Feed for ViewerFeed<'_> {
    type Error = StoreError;

    fn epoch(&self) -> [u8; 16] {
        self.epoch
    }

    fn next_arrival(&self) -> u64 {
        self.next_arrival
    }

    fn by_stamp(&self, after: Option<(u64, OpId)>, max: usize) -> Result<Found, StoreError> {
        if !self.types.is_empty() {
            let from = after.unwrap_or((0, OpId([0; 32])));
            return self.of_types(Order::Stamp, from, after.is_some(), max);
        }
        let mut ops = Vec::new();
        for reader in &self.readers {
            let from = match &after {
                None => Included((reader, 0, &[0; 32])),
                Some((stamp, op)) => Excluded((reader, *stamp, &op.0)),
            };
            let to = Included((reader, u64::MAX, &[0xff; 32]));
            for entry in self.stamps.range((from, to))?.take(max) {
                let (key, _) = entry?;
                let (_, stamp, op) = key.value();
                ops.push((stamp, OpId(*op)));
            }
        }
        ops.sort_unstable();
        ops.truncate(max);
        Ok(Found {
            ops,
            looked_to: None,
        })
    }

    fn by_arrival(&self, from: u64, max: usize) -> Result<Found, StoreError> {
        if !self.types.is_empty() {
            return self.of_types(Order::Arrival, (from, OpId([0; 32])), false, max);
        }
        let mut ops = Vec::new();
        for reader in &self.readers {
            let range = (reader, from)..=(reader, u64::MAX);
            for entry in self.arrivals.range(range)?.take(max) {
                let (key, op) = entry?;
                ops.push((key.value().1, OpId(*op.value())));
            }
        }
        ops.sort_unstable();
        ops.truncate(max);
        Ok(Found {
            ops,
            looked_to: None,
        })
    }
}
