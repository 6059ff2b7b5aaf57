//! What is under way in a queue, for the one that follows it when a link is changed.

use std::collections::VecDeque;

use super::QueueLimit;
use super::control_law::ControlLaw;
use super::pace::{Pace, Transmission};
use crate::time::SimTime;

/// What is under way in a queue. Each kind of queue takes over of it what it can.
#[derive(Debug, Clone, Copy)]
pub struct Backlog<'a> {
    /// When the transmission of all packets whose departure was told is over.
    pub(super) busy_until: SimTime,
    /// Start of transmission and size of those of them that wait.
    pub(super) told: Option<&'a VecDeque<(SimTime, u32)>>,
    /// The packets that are held and wait.
    pub(super) held: Option<&'a Waiting>,
    /// The one that is held and is being transmitted, and at which pace.
    pub(super) on_wire: Option<(&'a Pace, &'a Transmission)>,
    /// What drops from the head.
    pub(super) law: Option<&'a ControlLaw>,
}

impl Backlog<'_> {
    /// Nothing but a wire that is busy.
    pub(super) const fn busy(busy_until: SimTime) -> Self {
        Self {
            busy_until,
            told: None,
            held: None,
            on_wire: None,
            law: None,
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
