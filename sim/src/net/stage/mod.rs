//! Stages: what a link does to packets, one impairment a file.
//!
//! Owns the trait, the verdicts and the pipeline that runs packets through
//! stages in order. It moves no packet itself: a pipeline says when a packet
//! departs or why it is dropped, and the caller schedules the rest.
//!
//! A stage computes its answer at arrival. That is exact for first-in
//! first-out disciplines, whose departures no later packet changes, and it
//! costs one event for a whole link. Stages see non-decreasing instants, so a
//! stage that reorders comes after all that need order: put jitter after rate.

mod delay;
mod jitter;
mod loss;
mod mtu;
mod pipeline;
mod rate;

use std::fmt;

pub use delay::Delay;
pub use jitter::{Jitter, Spread};
pub use loss::Loss;
pub use mtu::Mtu;
pub use pipeline::{Counters, Fate, Pipeline, PipelineError};
pub use rate::{QueueLimit, RateQueue};

use super::packet::Packet;
use crate::random::Stream;
use crate::time::SimTime;

/// One impairment of a link.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use orrery_sim::net::packet::Packet;
/// use orrery_sim::net::stage::{Delay, Stage, Verdict};
/// use orrery_sim::random::Stream;
/// use orrery_sim::time::SimTime;
///
/// let mut stage = Delay::new(Duration::from_millis(3));
/// let to = "10.0.0.2:53".parse().unwrap();
/// let packet = Packet::udp("10.0.0.1:53".parse().unwrap(), to, Bytes::new());
/// let verdict = stage.on_packet(SimTime::ZERO, &packet, &mut Stream::new(1, "link", 0));
/// assert_eq!(verdict, Verdict::Until(SimTime::from_millis(3)));
/// ```
pub trait Stage: fmt::Debug + Send {
    /// Decides about `packet`, which arrives at `now`.
    fn on_packet(&mut self, now: SimTime, packet: &Packet, rng: &mut Stream) -> Verdict;

    /// Whether a packet may leave before one that arrived earlier.
    fn reorders(&self) -> bool {
        false
    }

    /// Whether the stage remembers earlier packets and therefore needs them in
    /// the order of their arrival.
    fn needs_order(&self) -> bool {
        false
    }
}

/// What a stage decides about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on at once.
    Pass,
    /// It goes on at that instant, which is not in the past.
    Until(SimTime),
    /// It is gone.
    Drop(DropReason),
}

/// Why a stage dropped a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Lost at random.
    Loss,
    /// No room in a queue.
    QueueFull,
    /// Larger than the link takes.
    TooLarge,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 3] = [Self::Loss, Self::QueueFull, Self::TooLarge];

    /// The reason as metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::QueueFull => "queue-full",
            Self::TooLarge => "too-large",
        }
    }
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

    pub(crate) fn rng() -> Stream {
        Stream::new(1, "stage", 0)
    }
}
