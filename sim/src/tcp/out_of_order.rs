//! What has arrived beyond a gap, until the gap closes.
//!
//! Owns the pieces and the ranges that selective acknowledgements tell of them.
//! Most connections have none most of the time, so it exists only while it
//! holds something.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};

use super::segment::SackBlocks;

/// Ranges remembered for selective acknowledgements, of which the latest four
/// are told; an older one has been told before.
const RANGES_MAX: usize = 32;

/// Bytes that wait for others before them, addressed by stream offset.
#[derive(Debug, Default)]
pub(super) struct OutOfOrder {
    /// Disjoint pieces by offset, all beyond what is in order.
    pieces: BTreeMap<u64, Bytes>,
    /// What the pieces cover, joined, the latest first.
    ranges: Vec<(u64, u64)>,
}

impl OutOfOrder {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.values().map(|piece| piece.len() as u64).sum()
    }

    /// Bytes of memory held, the slack of tree nodes aside.
    pub(super) fn memory_bytes(&self) -> usize {
        let waiting: usize = self.pieces.values().map(Bytes::len).sum();
        size_of::<Self>()
            + waiting
            + self.pieces.len() * size_of::<(u64, Bytes)>()
            + self.ranges.capacity() * size_of::<(u64, u64)>()
    }

    /// Keeps those parts of `data`, which begins at `at`, that no piece holds yet.
    /// Beyond `pieces_max` pieces it takes only what begins at `next`, which becomes
    /// readable at once.
    pub(super) fn keep(&mut self, mut at: u64, mut data: Bytes, next: u64, pieces_max: usize) {
        if let Some((&start, piece)) = self.pieces.range(..=at).next_back() {
            let known = (start + piece.len() as u64).saturating_sub(at);
            let known = known.min(data.len() as u64);
            data.advance(known as usize);
            if known > 0 {
                self.note_range(at, at);
            }
            at += known;
        }
        let in_order = at == next;
        while !data.is_empty() {
            let following = self.pieces.range(at..).next();
            let following = following.map(|(&start, piece)| (start, piece.len() as u64));
            let (gap, known) = match following {
                Some((start, len)) if start < at + data.len() as u64 => {
                    ((start - at) as usize, len)
                }
                _ => (data.len(), 0),
            };
            let part = data.split_to(gap);
            if !part.is_empty() && (in_order || self.pieces.len() < pieces_max) {
                self.note_range(at, at + part.len() as u64);
                self.pieces.insert(at, part);
            }
            let known_here = known.min(data.len() as u64);
            data.advance(known_here as usize);
            at += gap as u64 + known_here;
        }
    }

    /// Takes the piece that begins at `next`, if there is one.
    pub(super) fn take(&mut self, next: u64) -> Option<Bytes> {
        let entry = self.pieces.first_entry()?;
        (*entry.key() == next).then(|| entry.remove())
    }

    /// Everything before `next` is in order.
    pub(super) fn forget_before(&mut self, next: u64) {
        self.ranges.retain(|range| range.1 > next);
    }

    /// The option's blocks (RFC 2018 §4): the range of the latest segment first,
    /// then those before it. `irs` is the initial sequence number.
    pub(super) fn sack_blocks(&self, irs: u32) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        for &(start, end) in self.ranges.iter().take(SackBlocks::MAX) {
            blocks.push(irs.wrapping_add(start as u32), irs.wrapping_add(end as u32));
        }
        blocks
    }

    /// `start..end` has arrived, or is known and arrived again: its range is now
    /// the latest.
    fn note_range(&mut self, mut start: u64, mut end: u64) {
        let empty = start == end;
        let before = self.ranges.len();
        self.ranges.retain(|range| {
            let joins = range.0 <= end && start <= range.1;
            if joins {
                (start, end) = (start.min(range.0), end.max(range.1));
            }
            !joins
        });
        if empty && self.ranges.len() == before {
            return;
        }
        self.ranges.truncate(RANGES_MAX - 1);
        self.ranges.insert(0, (start, end));
    }
}

#[cfg(test)]
impl OutOfOrder {
    /// How many pieces wait.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Whether every range lies beyond `next` and is held to its last byte.
    pub(super) fn is_sound(&self, next: u64) -> bool {
        let held = |at| {
            let piece = self.pieces.range(..=at).next_back();
            piece.is_some_and(|(start, piece)| start + piece.len() as u64 > at)
        };
        let sound =
            |&(start, end): &(u64, u64)| start > next && start < end && (start..end).all(held);
        self.ranges.iter().all(sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_ranges_are_bounded() {
        let mut waiting = OutOfOrder::default();
        for at in (3..1_000).step_by(20) {
            waiting.keep(at, Bytes::from_static(&[1]), 1, usize::MAX);
        }
        assert_eq!(waiting.ranges.len(), RANGES_MAX);
    }
}
