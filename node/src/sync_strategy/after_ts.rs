//! `after_ts`: "give me everything after timestamp T", to the letter.
//!
//! T is the highest stamp, by its author's raw wall clock in milliseconds,
//! that the reader holds of that author; the request is `stamp > T - overlap`.
//! An op whose stamp is not after T when the reader asks is missed: that is
//! the idea being tested, and nothing here softens it. Within one pull, pages
//! go on by (stamp, op), so that a page border between equal stamps loses
//! nothing.

use super::{Feed, PullState, Selection};
use crate::codec::{DecodeError, Reader, Writer};
use crate::op::OpId;

/// What the reader has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AfterTs {
    /// T; `None` if nothing is held.
    pub after_ms: Option<u64>,
    /// How far before T to ask again.
    pub overlap_ms: u64,
    /// Where the page before this one of the same pull ended.
    pub within: Option<(u64, OpId)>,
}

impl AfterTs {
    /// Nothing sorts between this and the first op that is asked for.
    fn position(&self) -> Option<(u64, OpId)> {
        let last_of = |stamp| (stamp, OpId([0xff; 32]));
        self.within.or_else(|| {
            self.after_ms
                .and_then(|after| after.checked_sub(self.overlap_ms))
                .map(last_of)
        })
    }

    pub(super) fn select<F: Feed>(&self, feed: &F, max: usize) -> Result<Selection, F::Error> {
        let found = feed.by_stamp(self.position(), max)?;
        let after = |place| {
            PullState::AfterTs(Self {
                within: Some(place),
                ..*self
            })
        };
        Ok(Selection {
            exhausted: found.is_all(max),
            looked_to: found.looked_to.map(after),
            ops: found
                .ops
                .into_iter()
                .map(|place| (place.1, after(place)))
                .collect(),
            start: PullState::AfterTs(*self),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer
            .array(3)
            .option(self.after_ms, |writer, after| {
                writer.u64(after);
            })
            .u64(self.overlap_ms)
            .option(self.within, |writer, (stamp, op)| {
                writer.array(2).u64(stamp).bytes(&op.0);
            });
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(3)?;
        Ok(Self {
            after_ms: reader.option(Reader::u64)?,
            overlap_ms: reader.u64()?,
            within: reader.option(|reader| {
                reader.array(2)?;
                Ok((reader.u64()?, OpId(reader.fixed()?)))
            })?,
        })
    }
}
