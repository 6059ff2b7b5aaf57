//! Serialisation at a fixed rate, with a bounded tail-drop queue before it.
//!
//! Both are one stage: what waits in the queue follows from the rate. The
//! packet being transmitted no longer waits, as in a queueing system M/M/1/K
//! with K = `packets` + 1.

use std::collections::VecDeque;

use super::backlog::Backlog;
use super::{Draws, DropReason, QueueLimit, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Rate;

/// Transmits one packet after the other; packets that find the queue full are
/// dropped.
#[derive(Debug, Clone)]
pub struct RateQueue {
    rate: Rate,
    limit: QueueLimit,
    /// When the transmission of all accepted packets is over.
    busy_until: SimTime,
    waiting_bytes: u64,
    /// Start of transmission and size of the packets that wait; made when one first has to.
    /// No packet is empty, so while `waiting_bytes` is 0 this need not be read.
    #[expect(
        clippy::box_collection,
        reason = "a word where a queue is four, in thousands of links that seldom have one"
    )]
    waiting: Option<Box<VecDeque<(SimTime, u32)>>>,
}

impl RateQueue {
    /// A link of `rate` with a queue of `limit` before it.
    pub const fn new(rate: Rate, limit: QueueLimit) -> Self {
        Self {
            rate,
            limit,
            busy_until: SimTime::ZERO,
            waiting_bytes: 0,
            waiting: None,
        }
    }

    /// Forgets the packets whose transmission has begun.
    fn advance(&mut self, now: SimTime) {
        if self.waiting_bytes == 0 {
            return;
        }
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        while let Some(&(start, bytes)) = waiting.front() {
            if start > now {
                break;
            }
            self.waiting_bytes -= u64::from(bytes);
            waiting.pop_front();
        }
    }

    /// Packets that wait.
    fn waiting(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }
}

impl Stage for RateQueue {
    fn on_packet(&mut self, now: SimTime, packet: &Packet, _draws: &mut Draws) -> Verdict {
        self.advance(now);
        let bytes = packet.wire_len() as u32;
        let start = self.busy_until.max(now);
        if start > now {
            let full = self.waiting() >= self.limit.packets
                || self.waiting_bytes + u64::from(bytes) > self.limit.bytes;
            if full {
                return Verdict::Drop(DropReason::QueueFull);
            }
            self.waiting
                .get_or_insert_default()
                .push_back((start, bytes));
            self.waiting_bytes += u64::from(bytes);
        }
        self.busy_until = start + self.rate.transmit_time(u64::from(bytes));
        Verdict::Until(self.busy_until)
    }

    fn needs_order(&self) -> bool {
        true
    }

    fn backlog(&self) -> Option<Backlog<'_>> {
        Some(Backlog {
            told: self.waiting.as_deref(),
            ..Backlog::busy(self.busy_until)
        })
    }

    /// What waits keeps the times that it was given, and its place.
    fn take_over(&mut self, _now: SimTime, before: &dyn Stage) {
        let Some(before) = before.backlog() else {
            return;
        };
        self.busy_until = before.busy_until;
        if let Some(told) = before.told {
            let sizes = told.iter().map(|&(_, bytes)| u64::from(bytes));
            self.waiting_bytes = sizes.sum();
            self.waiting = Some(Box::new(told.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::stage::tests::{draws, packet};
    use crate::random::Stream;

    /// 1,000 bytes take a millisecond.
    fn link(limit: QueueLimit) -> RateQueue {
        RateQueue::new(Rate::from_mbps(8), limit)
    }

    fn send(link: &mut RateQueue, now_us: u64, len: usize) -> Option<u64> {
        let now = SimTime::from_nanos(now_us * 1_000);
        match link.on_packet(now, &packet(len), &mut draws()) {
            Verdict::Until(at) => Some(at.as_nanos() / 1_000),
            Verdict::Drop(DropReason::QueueFull) => None,
            other => panic!("a rate delays or drops: {other:?}"),
        }
    }

    #[test]
    fn packets_leave_one_after_the_other() {
        let mut link = link(QueueLimit::packets(100));
        assert_eq!(send(&mut link, 0, 1_000), Some(1_000));
        assert_eq!(send(&mut link, 0, 500), Some(1_500));
        assert_eq!(send(&mut link, 1_400, 1_000), Some(2_500));
        assert_eq!(send(&mut link, 9_000, 100), Some(9_100));
    }

    #[test]
    fn a_full_queue_drops_the_newest() {
        let mut by_packets = link(QueueLimit::packets(2));
        let departures: Vec<_> = (0..4).map(|_| send(&mut by_packets, 0, 1_000)).collect();
        assert_eq!(departures, [Some(1_000), Some(2_000), Some(3_000), None]);
        // At 1 ms the second begins, so one place is free.
        assert_eq!(send(&mut by_packets, 1_000, 1_000), Some(4_000));
        assert_eq!(send(&mut by_packets, 1_000, 1_000), None);

        let mut by_bytes = link(QueueLimit::bytes(1_500));
        assert_eq!(send(&mut by_bytes, 0, 1_000), Some(1_000));
        assert_eq!(send(&mut by_bytes, 0, 1_000), Some(2_000));
        assert_eq!(send(&mut by_bytes, 0, 1_000), None);
        assert_eq!(send(&mut by_bytes, 0, 500), Some(2_500));
    }

    #[test]
    fn a_change_leaves_what_waits_before_what_comes() {
        let mut before = link(QueueLimit::packets(2));
        for _ in 0..3 {
            send(&mut before, 0, 1_000);
        }
        let mut after = RateQueue::new(Rate::from_mbps(80), QueueLimit::packets(2));
        after.take_over(SimTime::ZERO, &before);
        assert_eq!(send(&mut after, 0, 1_000), None);
        assert_eq!(send(&mut after, 1_000, 1_000), Some(3_100));
    }

    #[test]
    fn waiting_for_service_follows_pollaczek_khinchine() {
        // M/D/1 at ρ = 0.7: mean wait ρ/(2(1−ρ))·S.
        let mut link = link(QueueLimit::packets(10_000));
        let (mut draws, packet) = (draws(), packet(1_000));
        let mut gaps = Stream::new(1, "gaps", 0);
        let service = Duration::from_millis(1);
        let mean_gap = Duration::from_nanos(1_428_571);
        let (mut now, mut waited) = (SimTime::ZERO, Duration::ZERO);
        let count = 200_000;
        for _ in 0..count {
            now += gaps.exponential(mean_gap);
            let Verdict::Until(at) = link.on_packet(now, &packet, &mut draws) else {
                panic!("the queue is large enough");
            };
            waited += (at - now).saturating_sub(service);
        }
        let mean_ms = waited.as_secs_f64() * 1e3 / f64::from(count);
        assert!((mean_ms - 1.166_7).abs() < 0.06, "{mean_ms}");
    }
}
