//! `cursor`: "give me what arrived at you since you last answered".
//!
//! The responder numbers what becomes readable in the order in which it does,
//! a late grant included, and the reader gives back the number it was told.
//! No clock takes part. The epoch names the numbering: a reader that comes
//! with another one, because the responder's store was lost, starts anew, and
//! so does one with a number that has not been given out yet.

use super::{Feed, PullState, Selection};
use crate::codec::{DecodeError, Reader, Writer};

/// What the reader has. Opaque to it: only the responder reads meaning in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The numbering, if the responder was asked before.
    pub epoch: Option<[u8; 16]>,
    /// The first arrival that the reader has not been sent.
    pub arrival: u64,
}

impl Cursor {
    pub(super) fn select<F: Feed>(&self, feed: &F, max: usize) -> Result<Selection, F::Error> {
        let epoch = feed.epoch();
        // A number that was never given out: the responder's store is a copy from before.
        let is_ours = self.epoch == Some(epoch) && self.arrival <= feed.next_arrival();
        let arrival = if is_ours { self.arrival } else { 0 };
        let at = |arrival| {
            let epoch = Some(epoch);
            PullState::Cursor(Self { epoch, arrival })
        };
        let found = feed.by_arrival(arrival, max)?;
        Ok(Selection {
            exhausted: found.is_all(max),
            looked_to: found
                .looked_to
                .map(|(arrival, _)| at(arrival.saturating_add(1))),
            ops: found
                .ops
                .into_iter()
                .map(|(arrival, op)| (op, at(arrival.saturating_add(1))))
                .collect(),
            start: at(arrival),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer
            .array(2)
            .option(self.epoch, |writer, epoch| {
                writer.bytes(&epoch);
            })
            .u64(self.arrival);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(2)?;
        Ok(Self {
            epoch: reader.option(Reader::fixed)?,
            arrival: reader.u64()?,
        })
    }
}
