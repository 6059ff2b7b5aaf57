//! Packets that wait in a queue, and how many may.

use std::collections::VecDeque;

use crate::time::SimTime;

/// Bounds of a queue; both hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimit {
    /// Most packets that wait.
    pub packets: usize,
    /// Most bytes that wait.
    pub bytes: u64,
}

impl QueueLimit {
    /// At most `bytes` wait, in however many packets.
    pub const fn bytes(bytes: u64) -> Self {
        Self {
            packets: usize::MAX,
            bytes,
        }
    }

    /// At most `packets` wait, of whatever size.
    pub const fn packets(packets: usize) -> Self {
        Self {
            packets,
            bytes: u64::MAX,
        }
    }
}

/// Packets that wait in a queue, first in first out.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    /// Arrival and size, oldest first.
    packets: VecDeque<(SimTime, u32)>,
    bytes: u64,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether one more of `bytes` is too much, once `gone` of those that wait have left.
    pub(super) fn has_no_room(&self, bytes: u32, limit: QueueLimit, gone: usize) -> bool {
        let left = self.packets.iter().take(gone);
        let left_bytes: u64 = left.map(|&(_, bytes)| u64::from(bytes)).sum();
        self.packets.len() - gone >= limit.packets
            || self.bytes - left_bytes + u64::from(bytes) > limit.bytes
    }

    pub(super) fn push(&mut self, now: SimTime, bytes: u32) {
        self.packets.push_back((now, bytes));
        self.bytes += u64::from(bytes);
    }

    pub(super) fn pop(&mut self) -> Option<(SimTime, u32)> {
        let (arrived, bytes) = self.packets.pop_front()?;
        self.bytes -= u64::from(bytes);
        Some((arrived, bytes))
    }
}
