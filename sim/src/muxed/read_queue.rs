//! What a substream received and its program has not read.
//!
//! Owns the bytes and their number; windows bound it, from outside. Large
//! pieces are shared with the segments that brought them. Small ones that have
//! to wait are gathered, so that a sleeping reader keeps no segment for the
//! sake of a byte.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// Pieces below this are copied if others wait before them.
const GATHER_BELOW: usize = 1_024;
/// How much is gathered in one allocation.
const GATHER_BYTES: usize = 4_096;
/// An idle queue keeps no more slots than this.
const IDLE_SLOTS: usize = 4;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct ReadQueue {
    pieces: VecDeque<Bytes>,
    /// Small pieces; they follow the last of `pieces`.
    gathered: BytesMut,
    len: usize,
}

impl ReadQueue {
    /// Bytes that can be read.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds bytes at the end.
    pub(super) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.len == 0 || piece.len() >= GATHER_BELOW {
            self.len += piece.len();
            self.settle();
            self.pieces.push_back(piece);
            return;
        }
        self.len += piece.len();
        if self.gathered.capacity() - self.gathered.len() < piece.len() {
            self.settle();
            self.gathered = BytesMut::with_capacity(GATHER_BYTES);
        }
        self.gathered.extend_from_slice(&piece);
    }

    fn settle(&mut self) {
        if !self.gathered.is_empty() {
            self.pieces.push_back(self.gathered.split().freeze());
        }
    }

    /// Moves bytes from the front to `buffer`; returns how many.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() && filled < self.len {
            if self.pieces.is_empty() {
                self.settle();
            }
            let Some(front) = self.pieces.front_mut() else {
                break;
            };
            let count = front.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&front[..count]);
            filled += count;
            front.advance(count);
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.len -= filled;
        if self.len == 0 {
            self.gathered = BytesMut::new();
            self.pieces.shrink_to(IDLE_SLOTS);
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_emptied_queue_gives_its_memory_back() {
        let mut queue = ReadQueue::default();
        for _ in 0..1_000 {
            queue.push(Bytes::from(vec![1; 2_000]));
            queue.push(Bytes::from_static(b"x"));
        }
        let mut buffer = vec![0; queue.len()];
        assert_eq!(queue.read(&mut buffer), 1_000 * 2_001);
        assert!(queue.pieces.capacity() <= 2 * IDLE_SLOTS);
        assert_eq!(queue.gathered.capacity(), 0);
    }

    #[test]
    fn small_pieces_that_wait_let_their_segments_go() {
        let mut queue = ReadQueue::default();
        let segments: Vec<Bytes> = (0..1_000).map(|_| Bytes::from(vec![0; 1_460])).collect();
        for segment in &segments {
            queue.push(segment.slice(..1));
        }
        let held = segments.iter().filter(|segment| !segment.is_unique());
        assert_eq!(held.count(), 1, "the first had nothing to wait for");
        assert_eq!(queue.len(), 1_000);
    }

    proptest! {
        #[test]
        fn what_was_pushed_is_read_in_order(
            pieces in prop::collection::vec(0usize..3_000, 1..40),
            reads in prop::collection::vec(1usize..5_000, 1..40),
        ) {
            let mut queue = ReadQueue::default();
            let (mut expected, mut out) = (Vec::new(), Vec::new());
            let mut reads = reads.into_iter().cycle();
            for (place, len) in pieces.into_iter().enumerate() {
                let piece: Vec<u8> = (0..len).map(|i| (place * 7 + i) as u8).collect();
                expected.extend_from_slice(&piece);
                queue.push(piece.into());
                if place % 3 == 2 {
                    let mut buffer = vec![0; reads.next().expect("a cycle does not end")];
                    let count = queue.read(&mut buffer);
                    out.extend_from_slice(&buffer[..count]);
                }
            }
            let mut buffer = vec![0; queue.len()];
            prop_assert_eq!(queue.read(&mut buffer), buffer.len());
            out.extend_from_slice(&buffer);
            prop_assert_eq!(out, expected);
            prop_assert_eq!(queue.len(), 0);
        }
    }
}
