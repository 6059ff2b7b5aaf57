//! When to drop from the head of a queue, by RFC 8289: the part of `CoDel` that queues of a fixed
//! and of a changing rate have in common.

use std::time::Duration;

use super::waiting::Waiting;
use crate::time::{SimTime, saturating_nanos};

/// Settings of the discipline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controlled {
    /// `TARGET`: wait that is acceptable in the long run.
    pub target: Duration,
    /// `INTERVAL`: how long waits may stay above it; about the largest round
    /// trip of the flows. Above zero.
    pub interval: Duration,
}

impl Default for Controlled {
    /// 5 ms and 100 ms, as RFC 8289 §4.2 and §4.3 recommend for the internet.
    fn default() -> Self {
        Self {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
        }
    }
}

/// When to drop from the head of a queue, as RFC 8289 §5 has it; the names are those of
/// its pseudocode.
#[derive(Debug, Clone)]
pub(super) struct ControlLaw {
    settings: Controlled,
    /// `maxpacket`: at most this many bytes waiting are no standing queue.
    maxpacket: u64,
    /// When waits will have been above the target for an interval.
    first_above_time: Option<SimTime>,
    dropping: bool,
    /// When to drop next, while dropping; else when it would have been.
    drop_next: SimTime,
    /// Drops since dropping began.
    count: u32,
    lastcount: u32,
}

/// A packet at the head of the queue, taken out.
struct Head {
    bytes: u32,
    ok_to_drop: bool,
}

impl ControlLaw {
    pub(super) const fn new(settings: Controlled, mtu: usize) -> Self {
        Self {
            settings,
            maxpacket: mtu as u64,
            first_above_time: None,
            dropping: false,
            drop_next: SimTime::ZERO,
            count: 0,
            lastcount: 0,
        }
    }

    /// Goes on where another law was, with the settings of this one.
    pub(super) fn take_over(&mut self, before: &Self) {
        *self = Self {
            settings: self.settings,
            maxpacket: self.maxpacket,
            ..before.clone()
        };
    }

    /// A packet leaves the queue as it comes, so waits are below the target.
    pub(super) fn passed_at_once(&mut self) {
        self.first_above_time = None;
        self.dropping = false;
    }

    /// `dodequeue`.
    fn take_head(&mut self, now: SimTime, waiting: &mut Waiting) -> Option<Head> {
        let Some((arrived, bytes)) = waiting.pop() else {
            self.first_above_time = None;
            return None;
        };
        let mut ok_to_drop = false;
        if now - arrived < self.settings.target || waiting.bytes() <= self.maxpacket {
            self.first_above_time = None;
        } else if let Some(above) = self.first_above_time {
            ok_to_drop = now >= above;
        } else {
            self.first_above_time = Some(now + self.settings.interval);
        }
        Some(Head { bytes, ok_to_drop })
    }

    /// `dequeue`: the size of the packet to transmit, if one is left, and how many before
    /// it are dropped.
    pub(super) fn dequeue(&mut self, now: SimTime, waiting: &mut Waiting) -> (usize, Option<u32>) {
        let may_drop = |head: &Option<Head>| head.as_ref().is_some_and(|head| head.ok_to_drop);
        let mut dropped = 0;
        let mut head = self.take_head(now, waiting);
        if self.dropping {
            self.dropping = may_drop(&head);
            while self.dropping && now >= self.drop_next {
                dropped += 1;
                self.count += 1;
                head = self.take_head(now, waiting);
                if may_drop(&head) {
                    self.drop_next = self.control_law(self.drop_next);
                } else {
                    self.dropping = false;
                }
            }
        } else if may_drop(&head) {
            dropped = 1;
            head = self.take_head(now, waiting);
            self.dropping = true;
            // If waits have just been above the target, the rate of drops that
            // controlled them then is where to begin.
            let delta = self.count - self.lastcount;
            let recent = now < self.drop_next + self.settings.interval * 16;
            self.count = if delta > 1 && recent { delta } else { 1 };
            self.drop_next = self.control_law(now);
            self.lastcount = self.count;
        }
        (dropped, head.map(|head| head.bytes))
    }

    /// The next drop is due `INTERVAL / √count` after `from`.
    fn control_law(&self, from: SimTime) -> SimTime {
        let interval = u128::from(saturating_nanos(self.settings.interval));
        let step = (interval * interval / u128::from(self.count)).isqrt();
        from + Duration::from_nanos(step as u64)
    }
}
