//! `CoDel`, controlled delay (RFC 8289): serialisation at a fixed rate behind a
//! queue that drops from its head when packets have waited too long for too
//! long.
//!
//! What becomes of a packet is decided when it leaves the queue, and depends on
//! what has come behind it by then. So this stage holds packets and is woken
//! whenever the link becomes free. A packet that finds the link free is never
//! held.

use std::any::Any;
use std::collections::VecDeque;
use std::time::Duration;

use super::{Draws, DropReason, QueueLimit, RateQueue, Release, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::{SimTime, saturating_nanos};
use crate::units::Rate;

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
        if now - arrived < self.settings.target || waiting.bytes <= self.maxpacket {
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

    /// When the transmission of the packet on the wire is over.
    pub(super) const fn busy_until(&self) -> SimTime {
        self.busy_until
    }

    /// What waits, and the law that rules it.
    pub(super) const fn queue(&self) -> (&Waiting, &ControlLaw) {
        (&self.waiting, &self.law)
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

    fn take_over(&mut self, _now: SimTime, before: &dyn Any) {
        if let Some(before) = before.downcast_ref::<Self>() {
            self.law.take_over(&before.law);
            self.waiting = before.waiting.clone();
            self.busy_until = before.busy_until;
        } else if let Some(before) = before.downcast_ref::<RateQueue>() {
            self.busy_until = before.busy_until();
        }
    }
}

#[cfg(test)]
mod tests {
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
