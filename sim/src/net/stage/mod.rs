//! Stages: what a link does to packets, one impairment a file.
//!
//! Owns the trait, the verdicts and the pipeline that runs packets through
//! stages in order. It moves no packet itself: a pipeline says when a packet
//! departs or why it is dropped, and the caller schedules the rest.
//!
//! A stage decides at arrival where it can. That is exact for first-in
//! first-out disciplines whose departures no later packet changes, and costs
//! one event for a whole link. A stage whose decision depends on what comes
//! later holds the packet and is woken. Stages see non-decreasing instants, so
//! a stage that reorders comes after all that need order.

mod backlog;
mod codel;
mod control_law;
mod corrupt;
mod delay;
mod draws;
mod duplicate;
mod gilbert_elliott;
mod held_queue;
mod jitter;
mod loss;
mod mtu;
mod pace;
mod pipeline;
mod police;
mod rate;
mod rate_trace;
mod reorder;
mod slot;
mod waiting;

use std::any::Any;
use std::fmt;

pub use backlog::Backlog;
pub use codel::Codel;
pub use control_law::Controlled;
pub use corrupt::Corrupt;
pub use delay::Delay;
pub use draws::{Draws, Purpose};
pub use duplicate::Duplicate;
pub use gilbert_elliott::{BurstLoss, GilbertElliott};
pub use held_queue::HeldQueue;
pub use jitter::{Jitter, Spread};
pub use loss::Loss;
pub use mtu::Mtu;
pub use pace::Pace;
pub use pipeline::{Condition, Counters, Fate, LinkCounts, Pipeline, PipelineError};
pub use police::{Police, Policing};
pub use rate::RateQueue;
pub use rate_trace::{RateTrace, RateTraceError, TraceShape};
pub use reorder::{Reorder, Reordering};
pub use waiting::QueueLimit;

pub use super::drop_reason::DropReason;
use super::packet::Packet;
use crate::time::SimTime;

/// One impairment of a link.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use orrery_sim::net::packet::Packet;
/// use orrery_sim::net::stage::{Delay, Draws, Stage, Verdict};
/// use orrery_sim::time::SimTime;
///
/// let mut stage = Delay::new(Duration::from_millis(3));
/// let to = "10.0.0.2:53".parse().unwrap();
/// let packet = Packet::udp("10.0.0.1:53".parse().unwrap(), to, Bytes::new());
/// let verdict = stage.on_packet(SimTime::ZERO, &packet, &mut Draws::new(1, "link", 0));
/// assert_eq!(verdict, Verdict::Until(SimTime::from_millis(3)));
/// ```
pub trait Stage: Any + fmt::Debug + Send {
    /// Decides about `packet`, which arrives at `now`.
    fn on_packet(&mut self, now: SimTime, packet: &Packet, draws: &mut Draws) -> Verdict;

    /// Whether a packet may leave before one that arrived earlier.
    fn reorders(&self) -> bool {
        false
    }

    /// Whether the stage remembers earlier packets and therefore needs them in
    /// the order of their arrival.
    fn needs_order(&self) -> bool {
        false
    }

    /// Whether it may answer [`Verdict::Hold`].
    fn holds(&self) -> bool {
        false
    }

    /// When it wants to let go of packets that it holds; nothing before that
    /// instant makes it earlier.
    fn next_wakeup(&self) -> Option<SimTime> {
        None
    }

    /// Lets go of packets, at the instant of [`Stage::next_wakeup`]. The first
    /// that came is the first that goes. A stage with nothing to let go has no
    /// next wake-up.
    fn release(&mut self, _now: SimTime) -> Release {
        Release {
            dropped: 0,
            reason: DropReason::QueueFull,
            departs: None,
        }
    }

    /// How many packets it holds.
    fn held(&self) -> usize {
        0
    }

    /// Takes over what is under way at `now` from `before`, a stage of the link
    /// as it was until then. Called for each of them; what is of another kind is
    /// ignored. A stage that holds takes over all that another of its kind
    /// holds, or nothing.
    fn take_over(&mut self, _now: SimTime, _before: &dyn Stage) {}

    /// What is under way in it, if it is a queue.
    fn backlog(&self) -> Option<Backlog<'_>> {
        None
    }
}

/// What a stage decides about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on at once.
    Pass,
    /// It goes on at that instant, which is not in the past.
    Until(SimTime),
    /// It goes on at once, and a copy behind it.
    Twice,
    /// It goes on at once, damaged.
    Corrupt,
    /// It stays, behind others that the stage holds, until a
    /// [`Release`] tells its fate.
    Hold,
    /// It is gone.
    Drop(DropReason),
}

/// Packets that a stage held and lets go, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// So many are dropped first.
    pub dropped: usize,
    /// Why.
    pub reason: DropReason,
    /// Then one leaves the stage at this instant, if any does.
    pub departs: Option<SimTime>,
}

#[cfg(test)]
pub(crate) mod tests {
    use bytes::Bytes;

    use super::*;

    /// A packet of `len` bytes on the wire, at least 28.
    pub(crate) fn packet(len: usize) -> Packet {
        let address = |host| std::net::SocketAddr::from(([10, 0, 0, host], 4_001));
        let payload = Bytes::from(vec![0; len - 28]);
        Packet::udp(address(1), address(2), payload)
    }

    pub(crate) fn draws() -> Draws {
        Draws::new(1, "stage", 0)
    }

    /// Of 100,000 packets at the start, how many meet `verdict`; the others
    /// pass.
    pub(crate) fn share(stage: &mut dyn Stage, verdict: Verdict) -> usize {
        let (mut draws, packet) = (draws(), packet(100));
        let met = |_: &usize| match stage.on_packet(SimTime::ZERO, &packet, &mut draws) {
            Verdict::Pass => false,
            other => {
                assert_eq!(other, verdict);
                true
            }
        };
        (0..100_000).filter(met).count()
    }
}
