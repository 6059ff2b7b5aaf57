//! The receive buffer: reassembly, the window, and bytes for the application.
//!
//! Owns RCV.NXT, the advertised window and all bytes received but not read.
//! What is accepted never exceeds what was advertised, so the capacity bounds
//! the bytes held; a second bound holds for the number of pieces.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::out_of_order::OutOfOrder;
use super::segment::SackBlocks;

/// Bytes of capacity for each piece held out of order. A peer that sends
/// smaller ones out of order has to send them again.
const BYTES_PER_PIECE: usize = 256;
/// Pieces that even the smallest buffer holds.
const PIECES_MIN: usize = 16;
/// What an arrival did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Nothing new, or no room for it.
    Nothing,
    /// Kept for later: something before it is missing.
    OutOfOrder,
    /// In order, with nothing waiting behind it.
    InOrder,
    /// In order, and it closed a gap or ended the stream.
    ClosedGap,
}

/// Bytes received, addressed by stream offset.
#[derive(Debug)]
pub(super) struct ReceiveBuffer {
    /// In order and unread.
    ready: VecDeque<Bytes>,
    ready_len: usize,
    /// Out of order, if anything is.
    waiting: Option<Box<OutOfOrder>>,
    /// RCV.NXT.
    next: u64,
    /// Offset of the FIN, once known.
    fin: Option<u64>,
    /// Right edge of the largest window advertised.
    edge: u64,
    capacity: usize,
}

impl ReceiveBuffer {
    /// A buffer that expects `next`; nothing is advertised yet.
    pub(super) fn new(next: u64, capacity: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            ready_len: 0,
            waiting: None,
            next,
            fin: None,
            edge: next,
            capacity,
        }
    }

    /// RCV.NXT.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Right edge of the advertised window.
    pub(super) fn edge(&self) -> u64 {
        self.edge
    }

    /// Bytes in order and unread.
    pub(super) fn readable(&self) -> usize {
        self.ready_len
    }

    /// Bytes beyond a gap.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.as_ref().map_or(0, |all| all.bytes())
    }

    /// Bytes of memory held beside itself, the slack of tree nodes aside.
    pub(super) fn memory_bytes(&self) -> usize {
        let waiting = self.waiting.as_ref().map_or(0, |all| all.memory_bytes());
        self.ready_len + self.ready.capacity() * size_of::<Bytes>() + waiting
    }

    /// Whether the peer's FIN was reached; unread bytes may be left.
    pub(super) fn finished(&self) -> bool {
        self.fin.is_some_and(|fin| self.next > fin)
    }

    /// The window to advertise, in units of `1 << scale` bytes, at most
    /// `limit` units. Promises the peer that much.
    pub(super) fn advertise(&mut self, scale: u8, limit: u16, mss: usize) -> u16 {
        let free = (self.capacity - self.ready_len) as u64;
        let open = self.next + free;
        // RFC 9293 §3.8.6.2.2: no silly small steps of the right edge, and
        // §3.8.6: no shrinking.
        let step = (self.capacity / 2).min(mss) as u64;
        let edge = if open >= self.edge + step {
            open
        } else {
            self.edge
        };
        let window = (edge.saturating_sub(self.next) >> scale).min(u64::from(limit));
        self.edge = self.edge.max(self.next + (window << scale));
        window as u16
    }

    /// Whether reading has opened the window so far that the peer should hear
    /// of it: to at least twice what it knows of, as Linux decides.
    pub(super) fn wants_update(&self, mss: usize) -> bool {
        let known = self.edge.saturating_sub(self.next);
        let free = (self.capacity - self.ready_len) as u64;
        free >= 2 * known && free - known >= (self.capacity / 2).min(mss) as u64
    }

    /// Takes what of `data`, which begins at `at`, is new and within the
    /// window. `fin` says that the stream ends after it.
    pub(super) fn insert(&mut self, at: u64, mut data: Bytes, fin: bool) -> Arrival {
        let end = at + data.len() as u64;
        if fin && self.fin.is_none() && end >= self.next && end <= self.edge {
            self.fin = Some(end);
        }
        let limit = self.fin.map_or(self.edge, |fin| fin.min(self.edge));
        data.truncate(limit.saturating_sub(at).min(data.len() as u64) as usize);
        let mut at = at;
        if at < self.next {
            let known = (self.next - at).min(data.len() as u64);
            data.advance(known as usize);
            at += known;
        }
        let waiting = self.waiting.is_some();
        let before = self.next;
        if at == self.next && !data.is_empty() && !waiting {
            self.push_ready(data);
        } else if !data.is_empty() {
            self.keep(at, data);
        }
        if self.fin == Some(self.next) {
            self.next += 1;
            self.waiting = None;
            return Arrival::ClosedGap;
        }
        match (self.next > before, waiting) {
            (true, true) => Arrival::ClosedGap,
            (true, false) => Arrival::InOrder,
            (false, _) if self.waiting.is_none() => Arrival::Nothing,
            (false, _) => Arrival::OutOfOrder,
        }
    }

    fn push_ready(&mut self, data: Bytes) {
        self.next += data.len() as u64;
        self.ready_len += data.len();
        self.ready.push_back(data);
    }

    /// The blocks of the option that tells what waits (RFC 2018 §4); `irs` is the
    /// initial sequence number.
    pub(super) fn sack_blocks(&self, irs: u32) -> SackBlocks {
        let waiting = self.waiting.as_ref();
        waiting.map_or_else(SackBlocks::default, |waiting| waiting.sack_blocks(irs))
    }

    /// Keeps `data` until what is missing before it has arrived, and moves what has
    /// become in order to the application.
    fn keep(&mut self, at: u64, data: Bytes) {
        let mut waiting = self.waiting.take().unwrap_or_default();
        let pieces_max = self.capacity / BYTES_PER_PIECE + PIECES_MIN;
        waiting.keep(at, data, self.next, pieces_max);
        while let Some(piece) = waiting.take(self.next) {
            self.push_ready(piece);
        }
        if !waiting.is_empty() {
            waiting.forget_before(self.next);
            self.waiting = Some(waiting);
        }
    }

    /// Moves unread bytes to `buffer`; returns how many.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(front) = self.ready.front_mut() else {
                break;
            };
            let count = front.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&front[..count]);
            filled += count;
            front.advance(count);
            if front.is_empty() {
                self.ready.pop_front();
            }
        }
        self.ready_len -= filled;
        self.shrink_when_idle();
        filled
    }

    /// Takes the next unread bytes as they arrived.
    pub(super) fn read_chunk(&mut self) -> Option<Bytes> {
        let chunk = self.ready.pop_front()?;
        self.ready_len -= chunk.len();
        self.shrink_when_idle();
        Some(chunk)
    }

    /// An idle connection holds no memory for bytes.
    fn shrink_when_idle(&mut self) {
        if self.ready.is_empty() {
            self.ready = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MSS: usize = 100;

    fn buffer(capacity: usize) -> ReceiveBuffer {
        let mut buffer = ReceiveBuffer::new(1, capacity);
        buffer.advertise(0, u16::MAX, MSS);
        buffer
    }

    fn insert(buffer: &mut ReceiveBuffer, at: u64, len: usize) -> Arrival {
        buffer.insert(at, Bytes::from(vec![1; len]), false)
    }

    #[test]
    fn arrivals_are_told_apart() {
        let mut buffer = buffer(1_000);
        assert_eq!(insert(&mut buffer, 1, 10), Arrival::InOrder);
        assert_eq!(insert(&mut buffer, 1, 10), Arrival::Nothing);
        assert_eq!(insert(&mut buffer, 21, 10), Arrival::OutOfOrder);
        assert_eq!(insert(&mut buffer, 11, 10), Arrival::ClosedGap);
        assert_eq!(buffer.next(), 31);
        assert_eq!(buffer.insert(31, Bytes::new(), true), Arrival::ClosedGap);
        assert!(buffer.finished());
        assert_eq!(buffer.readable(), 30);
    }

    fn sacked(buffer: &ReceiveBuffer) -> Vec<(u32, u32)> {
        buffer.sack_blocks(100).iter().collect()
    }

    #[test]
    fn the_latest_range_is_told_first() {
        let mut buffer = buffer(10_000);
        for at in [101, 301, 501, 701, 901] {
            insert(&mut buffer, at, 100);
        }
        let block = |start: u32| (100 + start, 200 + start);
        let latest = |starts: [u32; 4]| starts.map(block).to_vec();
        assert_eq!(sacked(&buffer), latest([901, 701, 501, 301]));
        assert_eq!(insert(&mut buffer, 501, 100), Arrival::OutOfOrder);
        assert_eq!(sacked(&buffer), latest([501, 901, 701, 301]));
        insert(&mut buffer, 401, 100);
        assert_eq!(sacked(&buffer)[0], (401, 701));
        insert(&mut buffer, 1, 100);
        assert_eq!(buffer.next(), 201);
        assert!(!sacked(&buffer).contains(&block(101)));
        insert(&mut buffer, 201, 800);
        assert_eq!(buffer.next(), 1_001);
        assert_eq!(sacked(&buffer), []);
        assert!(buffer.waiting.is_none());
    }

    #[test]
    fn an_early_fin_waits_for_its_turn() {
        let mut buffer = buffer(1_000);
        buffer.insert(11, Bytes::new(), true);
        assert!(!buffer.finished());
        insert(&mut buffer, 1, 30);
        assert!(buffer.finished());
        assert_eq!(buffer.readable(), 10, "nothing follows the end");
    }

    #[test]
    fn nothing_beyond_the_window_is_taken() {
        let mut buffer = buffer(100);
        insert(&mut buffer, 1, 500);
        assert_eq!(buffer.readable(), 100);
        assert_eq!(insert(&mut buffer, 101, 1), Arrival::Nothing);
        assert_eq!(buffer.advertise(0, u16::MAX, MSS), 0);
    }

    #[test]
    fn the_number_of_pieces_is_bounded() {
        let mut buffer = buffer(10_000);
        for at in (3..10_000).step_by(2) {
            insert(&mut buffer, at, 1);
        }
        let pieces = buffer.waiting.as_ref().map(|waiting| waiting.pieces());
        assert_eq!(pieces, Some(10_000 / BYTES_PER_PIECE + PIECES_MIN));
        insert(&mut buffer, 1, 2);
        assert!(buffer.next() > 3);
    }

    #[test]
    fn windows_open_in_no_silly_steps() {
        let mut buffer = buffer(1_000);
        insert(&mut buffer, 1, 1_000);
        assert_eq!(buffer.advertise(0, u16::MAX, MSS), 0);
        let mut out = [0; 99];
        buffer.read(&mut out);
        assert!(!buffer.wants_update(MSS));
        assert_eq!(buffer.advertise(0, u16::MAX, MSS), 0);
        buffer.read(&mut out[..1]);
        assert!(buffer.wants_update(MSS));
        assert_eq!(buffer.advertise(0, u16::MAX, MSS), 100);
    }

    #[test]
    fn scaled_windows_round_down() {
        let mut buffer = ReceiveBuffer::new(1, 1_000);
        assert_eq!(buffer.advertise(4, u16::MAX, MSS), 62);
        assert_eq!(buffer.edge(), 1 + 62 * 16);
        assert_eq!(
            ReceiveBuffer::new(1, 100_000).advertise(0, 65_535, MSS),
            65_535
        );
    }

    proptest! {
        #[test]
        fn any_order_and_overlap_gives_the_stream(
            parts in prop::collection::vec((0usize..400, 1usize..120), 1..60),
            reads in prop::collection::vec(1usize..50, 1..60),
        ) {
            let stream: Vec<u8> = (0..520).map(|i| (i * 31 % 251) as u8).collect();
            let mut buffer = buffer(1_000);
            let mut out = Vec::new();
            let mut reads = reads.into_iter().cycle();
            for (at, len) in parts {
                let data = Bytes::copy_from_slice(&stream[at..at + len]);
                buffer.insert(1 + at as u64, data, false);
                if let Some(waiting) = &buffer.waiting {
                    prop_assert!(waiting.is_sound(buffer.next));
                }
                let mut chunk = vec![0; reads.next().expect("a cycle does not end")];
                let count = buffer.read(&mut chunk);
                out.extend_from_slice(&chunk[..count]);
            }
            buffer.insert(1, Bytes::copy_from_slice(&stream), true);
            while let Some(chunk) = buffer.read_chunk() {
                out.extend_from_slice(&chunk);
            }
            prop_assert_eq!(out, stream);
            prop_assert!(buffer.finished() && buffer.waiting.is_none());
        }
    }
}
