//! `CoDel`, controlled delay (RFC 8289): serialisation at a fixed rate behind a
//! queue that drops from its head when packets have waited too long for too
//! long.
//!
//! What becomes of a packet is decided when it leaves the queue, and depends on
//! what has come behind it by then. So this stage holds packets and is woken
//! whenever the link becomes free. A packet that finds the link free is never
//! held.

use super::backlog::Backlog;
use super::control_law::{ControlLaw, Controlled};
use super::waiting::Waiting;
use super::{Draws, DropReason, QueueLimit, Release, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Rate;

/// Transmits one packet after the other at a rate that never changes, and drops from the
/// head of the queue.
#[derive(Debug, Clone)]
pub struct Codel {
    rate: Rate,
    limit: QueueLimit,
    law: ControlLaw,
    /// When the transmission of the packet on the wire is over.
    busy_until: SimTime,
    waiting: Waiting,
}

impl Codel {
    /// A link of `rate` behind a queue of at most `limit`, for packets of up to
    /// `mtu` bytes.
    pub fn new(rate: Rate, limit: QueueLimit, settings: Controlled, mtu: usize) -> Self {
        Self {
            rate,
            limit,
            law: ControlLaw::new(settings, mtu),
            busy_until: SimTime::ZERO,
            waiting: Waiting::default(),
        }
    }

    fn transmit(&mut self, now: SimTime, bytes: u32) -> SimTime {
        self.busy_until = now + self.rate.transmit_time(u64::from(bytes));
        self.busy_until
    }
}

impl Stage for Codel {
    fn on_packet(&mut self, now: SimTime, packet: &Packet, _draws: &mut Draws) -> Verdict {
        let bytes = packet.wire_len() as u32;
        if self.waiting.is_empty() && self.busy_until <= now {
            self.law.passed_at_once();
            return Verdict::Until(self.transmit(now, bytes));
        }
        if self.waiting.has_no_room(bytes, self.limit, 0) {
            return Verdict::Drop(DropReason::QueueFull);
        }
        self.waiting.push(now, bytes);
        Verdict::Hold
    }

    fn needs_order(&self) -> bool {
        true
    }

    fn holds(&self) -> bool {
        true
    }

    fn held(&self) -> usize {
        self.waiting.len()
    }

    fn next_wakeup(&self) -> Option<SimTime> {
        (!self.waiting.is_empty()).then_some(self.busy_until)
    }

    fn release(&mut self, now: SimTime) -> Release {
        let (dropped, head) = self.law.dequeue(now, &mut self.waiting);
        Release {
            dropped,
            reason: DropReason::Codel,
            departs: head.map(|bytes| self.transmit(now, bytes)),
        }
    }

    fn backlog(&self) -> Option<Backlog<'_>> {
        Some(Backlog {
            held: Some(&self.waiting),
            law: Some(&self.law),
            ..Backlog::busy(self.busy_until)
        })
    }

    fn take_over(&mut self, _now: SimTime, before: &dyn Stage) {
        // What is on the wire of another kind of queue arrives anew, and all behind it.
        let Some(before) = before.backlog().filter(|before| before.on_wire.is_none()) else {
            return;
        };
        self.busy_until = before.busy_until;
        if let Some(waiting) = before.held {
            self.waiting = waiting.clone();
        }
        if let Some(law) = before.law {
            self.law.take_over(law);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::net::stage::tests::{draws, packet};

    const MS: u64 = 1_000_000;

    /// 1,000 bytes take a millisecond.
    fn link(limit: QueueLimit) -> Codel {
        Codel::new(Rate::from_mbps(8), limit, Controlled::default(), 1_000)
    }

    /// Sends `count` packets of 1,000 bytes, `gap_ns` apart from the start, and
    /// lets the link work until it is empty. Returns, by packet, the wait in
    /// nanoseconds, or `None` with the instant if `CoDel` dropped it.
    fn play(link: &mut Codel, count: u64, gap_ns: u64) -> Vec<(SimTime, Option<u64>)> {
        let mut arrivals = VecDeque::new();
        let mut fates = Vec::new();
        let mut release = |link: &mut Codel, arrivals: &mut VecDeque<SimTime>, due| {
            let release = link.release(due);
            for _ in 0..release.dropped {
                arrivals.pop_front().expect("only held packets are dropped");
                fates.push((due, None));
            }
            if release.departs.is_some() {
                let arrived = arrivals.pop_front().expect("only held packets depart");
                fates.push((due, Some((due - arrived).as_nanos() as u64)));
            }
        };
        for i in 0..count {
            let now = SimTime::from_nanos(i * gap_ns);
            while let Some(due) = link.next_wakeup().filter(|due| *due <= now) {
                release(link, &mut arrivals, due);
            }
            match link.on_packet(now, &packet(1_000), &mut draws()) {
                Verdict::Hold => arrivals.push_back(now),
                Verdict::Until(_) => {}
                other => panic!("the queue is large enough: {other:?}"),
            }
        }
        while let Some(due) = link.next_wakeup() {
            release(link, &mut arrivals, due);
        }
        assert!(arrivals.is_empty(), "nothing stays behind");
        fates
    }

    #[test]
    fn a_free_link_holds_nothing() {
        let mut link = link(QueueLimit::packets(10));
        for i in 0..1_000 {
            let now = SimTime::from_nanos(i * MS);
            let verdict = link.on_packet(now, &packet(1_000), &mut draws());
            assert_eq!(verdict, Verdict::Until(SimTime::from_nanos((i + 1) * MS)));
            assert_eq!(link.next_wakeup(), None);
        }
    }

    #[test]
    fn a_burst_that_drains_within_an_interval_is_left_alone() {
        // 100 packets wait up to 99 ms, but only once.
        let mut link = link(QueueLimit::packets(1_000));
        let fates = play(&mut link, 100, 0);
        assert_eq!(fates.len(), 99);
        assert!(fates.iter().all(|(_, wait)| wait.is_some()));
        assert_eq!(fates.last().expect("99").1, Some(99 * MS));
    }

    #[test]
    fn a_queue_of_one_packet_is_left_alone_however_slow_the_link() {
        // 8 kbit/s: a packet takes a second, far above the target.
        let rate = Rate::from_bps(8_000).expect("not zero");
        let mut link = Codel::new(rate, QueueLimit::packets(10), Controlled::default(), 1_000);
        let fates = play(&mut link, 20, 1_000 * MS - 1);
        assert!(fates.iter().all(|(_, wait)| wait.is_some()));
    }

    #[test]
    fn drops_follow_the_control_law() {
        // 1.25 times what the link carries, for ten seconds.
        let mut link = link(QueueLimit::packets(100_000));
        let fates = play(&mut link, 12_500, 800_000);
        let drops: Vec<SimTime> = fates
            .iter()
            .filter_map(|(at, wait)| wait.is_none().then_some(*at))
            .collect();
        // Packet n waits n/5 ms. The first to wait 5 ms is that which leaves the
        // queue at 25 ms, and an interval later dropping begins.
        assert_eq!(drops[0], SimTime::from_millis(125));
        // Then drops come 100 ms/√n apart, each at the first departure that is due.
        let mut due_ns = 125.0e6;
        for (n, at) in drops.iter().enumerate().skip(1).take(50) {
            due_ns += 100.0e6 / (n as f64).sqrt();
            let late_ns = at.as_nanos() as f64 - due_ns;
            assert!((-50.0..1.0e6).contains(&late_ns), "drop {n}: {late_ns}");
        }
    }

    #[test]
    fn a_full_queue_drops_the_newest() {
        let mut link = link(QueueLimit::packets(2));
        let mut push = || link.on_packet(SimTime::ZERO, &packet(1_000), &mut draws());
        assert_eq!(push(), Verdict::Until(SimTime::from_millis(1)));
        assert_eq!(push(), Verdict::Hold);
        assert_eq!(push(), Verdict::Hold);
        assert_eq!(push(), Verdict::Drop(DropReason::QueueFull));
    }

    #[test]
    fn a_changed_rate_holds_for_what_waits() {
        let mut before = link(QueueLimit::packets(10));
        for _ in 0..3 {
            before.on_packet(SimTime::ZERO, &packet(1_000), &mut draws());
        }
        let mut after = Codel::new(
            Rate::from_mbps(1),
            QueueLimit::packets(10),
            Controlled::default(),
            1_000,
        );
        after.take_over(SimTime::ZERO, &before);
        // The packet on the wire leaves as it was, the others take 8 ms each.
        assert_eq!(after.next_wakeup(), Some(SimTime::from_millis(1)));
        let departs = after.release(SimTime::from_millis(1)).departs;
        assert_eq!(departs, Some(SimTime::from_millis(9)));
        let departs = after.release(SimTime::from_millis(9)).departs;
        assert_eq!(departs, Some(SimTime::from_millis(17)));
        assert_eq!(after.next_wakeup(), None);
    }
}
