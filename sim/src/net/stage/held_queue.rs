//! The queue of a link whose rate changes: it holds each packet until the last bit has left.
//!
//! A queue that tells departures when packets arrive ([`RateQueue`]) cannot take them back.
//! Here nothing is told before it is so: a change meets all that waits, the packet on the
//! wire with the rest of its bits, and what later stages do to a packet is decided by the
//! link as it is when the packet leaves. That costs one event for each packet of a limited
//! rate, so only links that are to change, or that follow a trace, have it.

use super::backlog::Backlog;
use super::control_law::{ControlLaw, Controlled};
use super::pace::{Left, Transmission};
use super::waiting::Waiting;
use super::{Draws, DropReason, Pace, QueueLimit, Release, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;

/// Transmits one packet after the other at a pace that a change may replace.
#[derive(Debug, Clone)]
pub struct HeldQueue {
    pace: Pace,
    limit: QueueLimit,
    /// Drops from the head as well, if the queue is managed.
    law: Option<ControlLaw>,
    /// The oldest packet that is held.
    on_wire: Option<Transmission>,
    /// The others.
    waiting: Waiting,
    /// When the wire was or will be free, if nothing of ours is on it.
    free_at: SimTime,
    /// What left then: the next one goes on where it ended.
    last: Option<Transmission>,
}

impl HeldQueue {
    /// A link of this pace behind a queue of at most `limit`.
    pub fn new(pace: Pace, limit: QueueLimit) -> Self {
        Self {
            pace,
            limit,
            law: None,
            on_wire: None,
            waiting: Waiting::default(),
            free_at: SimTime::ZERO,
            last: None,
        }
    }

    /// The same, with `CoDel` on the queue, for packets of up to `mtu` bytes.
    #[must_use]
    pub fn managed(mut self, settings: Controlled, mtu: usize) -> Self {
        self.law = Some(ControlLaw::new(settings, mtu));
        self
    }

    /// Puts a packet on the wire.
    fn transmit(&mut self, now: SimTime, bytes: u32) {
        let before = self.last.take().filter(|last| last.until == now);
        self.on_wire = Some(self.pace.begin(now, Left::bytes(bytes), before));
    }

    /// Takes the next packet from the queue to the wire; returns how many were dropped.
    fn serve(&mut self, now: SimTime) -> usize {
        let (dropped, head) = match &mut self.law {
            Some(law) => law.dequeue(now, &mut self.waiting),
            None => (0, self.waiting.pop().map(|(_, bytes)| bytes)),
        };
        if let Some(bytes) = head {
            self.transmit(now, bytes);
        }
        dropped
    }
}

impl Stage for HeldQueue {
    fn on_packet(&mut self, now: SimTime, packet: &Packet, _draws: &mut Draws) -> Verdict {
        let bytes = packet.wire_len() as u32;
        if self.on_wire.is_none() && self.waiting.is_empty() && self.free_at <= now {
            if let Some(law) = &mut self.law {
                law.passed_at_once();
            }
            if self.pace == Pace::Unlimited {
                return Verdict::Pass;
            }
            self.last = None;
            self.transmit(now, bytes);
            return Verdict::Hold;
        }
        // The wire may be free already although its event is yet to come.
        let free = self.on_wire.map_or(self.free_at, |sent| sent.until) <= now;
        let gone = usize::from(free && !self.waiting.is_empty());
        if self.waiting.has_no_room(bytes, self.limit, gone) {
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
        self.waiting.len() + usize::from(self.on_wire.is_some())
    }

    fn next_wakeup(&self) -> Option<SimTime> {
        match &self.on_wire {
            Some(sent) => Some(sent.until),
            None => (!self.waiting.is_empty()).then_some(self.free_at),
        }
    }

    /// First the packet on the wire leaves; then, at the same instant, the next takes its
    /// place, and those are dropped that the discipline has no patience with.
    fn release(&mut self, now: SimTime) -> Release {
        let departs = self.on_wire.take().map(|sent| {
            self.free_at = sent.until;
            self.last = Some(sent);
            sent.until
        });
        let dropped = match departs {
            Some(_) => 0,
            None => self.serve(now),
        };
        Release {
            dropped,
            reason: DropReason::Codel,
            departs,
        }
    }

    fn backlog(&self) -> Option<Backlog<'_>> {
        Some(Backlog {
            held: Some(&self.waiting),
            on_wire: self.on_wire.as_ref().map(|sent| (&self.pace, sent)),
            law: self.law.as_ref(),
            ..Backlog::busy(self.free_at)
        })
    }

    /// All that waits meets the new pace, the packet on the wire with what is left of it.
    /// What another kind of queue has told the departure of keeps it.
    fn take_over(&mut self, now: SimTime, before: &dyn Stage) {
        let Some(before) = before.backlog() else {
            return;
        };
        self.free_at = before.busy_until;
        if let Some(waiting) = before.held {
            self.waiting = waiting.clone();
        }
        if let Some((pace, sent)) = before.on_wire {
            let left = pace.left(now, sent);
            self.on_wire = Some(self.pace.begin(now, left, None));
        }
        if let (Some(law), Some(before)) = (&mut self.law, before.law) {
            law.take_over(before);
        }
    }
}

#[cfg(test)]
mod tests;
