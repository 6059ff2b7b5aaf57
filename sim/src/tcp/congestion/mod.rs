//! Congestion control: how much may be in flight.
//!
//! Owns the window's growth and its reductions, one algorithm a file. Finding
//! out what was lost, and the window's inflation while a loss is repaired, is
//! the connection's business.

mod cubic;
mod new_reno;

use std::fmt;
use std::time::Duration;

pub use cubic::Cubic;
pub use new_reno::NewReno;

use crate::time::SimTime;

/// RFC 3465 §2.3: an acknowledgement opens the window by at most this many
/// segments in slow start.
const SLOW_START_LIMIT: u64 = 2;

/// What a new acknowledgement told.
#[derive(Debug, Clone, Copy)]
pub struct Acked {
    /// When it arrived.
    pub now: SimTime,
    /// Bytes newly acknowledged.
    pub bytes: u64,
    /// Bytes that were in flight before it.
    pub in_flight: u64,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
}

/// A congestion control algorithm of one connection; windows are in bytes.
///
/// ```
/// use orrery_sim::tcp::{CongestionControl, NewReno};
/// use orrery_sim::time::SimTime;
///
/// let mut reno = NewReno::new(1_460, 10);
/// assert_eq!(reno.window(), 14_600);
/// reno.on_loss(SimTime::ZERO, 14_600);
/// assert_eq!(reno.window(), 7_300);
/// ```
pub trait CongestionControl: fmt::Debug + Send {
    /// The congestion window; at least one segment.
    fn window(&self) -> u64;

    /// The slow-start threshold.
    fn slow_start_threshold(&self) -> u64;

    /// New data was acknowledged outside of a loss's repair.
    fn on_ack(&mut self, acked: Acked);

    /// A loss was noticed by duplicate acknowledgements.
    fn on_loss(&mut self, now: SimTime, in_flight: u64);

    /// Everything sent before the noticed loss has been acknowledged.
    fn on_recovered(&mut self, now: SimTime, in_flight: u64);

    /// The retransmission timer fired; `first` unless it already had for the
    /// same data.
    fn on_timeout(&mut self, now: SimTime, in_flight: u64, first: bool);

    /// Nothing was sent for a retransmission timeout (RFC 5681 §4.1).
    fn on_idle(&mut self, now: SimTime);
}

/// The algorithms to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9438, the default of Linux, macOS and Windows.
    Cubic,
    /// RFC 5681, with RFC 6582's repair of losses.
    NewReno,
    /// One that an experiment brings along.
    Other(Algorithm),
}

/// An algorithm that an experiment brings along.
#[derive(Debug, Clone, Copy)]
pub struct Algorithm {
    /// Its name, by which two are told apart.
    pub name: &'static str,
    /// Makes it for a connection of this MSS in bytes and this initial window in segments.
    pub build: fn(u64, u32) -> Box<dyn CongestionControl>,
}

impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Algorithm {}

impl Congestion {
    /// Makes the algorithm for a connection of this MSS in bytes.
    pub fn build(self, mss: u64, initial_segments: u32) -> Box<dyn CongestionControl> {
        match self {
            Self::Cubic => Box::new(Cubic::new(mss, initial_segments)),
            Self::NewReno => Box::new(NewReno::new(mss, initial_segments)),
            Self::Other(algorithm) => (algorithm.build)(mss, initial_segments),
        }
    }

    /// Bytes that the state of the algorithm takes before congestion avoidance.
    #[cfg(test)]
    pub(crate) fn size_bytes(self) -> usize {
        match self {
            Self::Cubic => size_of::<Cubic>(),
            Self::NewReno => size_of::<NewReno>(),
        }
    }
}
