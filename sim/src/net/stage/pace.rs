//! How fast a link transmits: without limit, at a rate, or as a trace tells.
//!
//! Owns when a transmission is over, and how much of it is left before. It knows no queue.

use std::sync::Arc;
use std::time::Duration;

use super::rate_trace::{NANOBITS, RateTrace};
use crate::time::SimTime;
use crate::units::Rate;

/// How fast a link transmits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// In no time.
    Unlimited,
    /// At a constant rate.
    Constant(Rate),
    /// As a trace tells.
    Traced(Arc<RateTrace>),
}

impl Pace {
    /// The pace of a link with that rate and trace: the lower of both at every instant.
    pub fn of(rate: Option<Rate>, trace: Option<&Arc<RateTrace>>) -> Self {
        match (rate, trace) {
            (None, None) => Self::Unlimited,
            (Some(rate), None) => Self::Constant(rate),
            (None, Some(trace)) => Self::Traced(Arc::clone(trace)),
            (Some(rate), Some(trace)) => Self::Traced(Arc::new(trace.limited(rate))),
        }
    }

    /// Begins to transmit what is left of a packet at `now`, behind `before` if that ended
    /// just now: when it is over.
    pub(super) fn begin(
        &self,
        now: SimTime,
        left: Left,
        before: Option<Transmission>,
    ) -> Transmission {
        let nanobits = left.0;
        let (until, position) = match self {
            Self::Unlimited => (now, 0),
            Self::Constant(rate) => (now + time_for(nanobits, *rate), 0),
            Self::Traced(trace) => {
                // What an opportunity has left serves packets that wait, and is lost to those that come later.
                let start = match before {
                    Some(before) => before.position,
                    None => trace.carried(now),
                };
                let position = start + nanobits;
                (trace.when(position).max(now), position)
            }
        };
        Transmission {
            nanobits,
            until,
            position,
        }
    }

    /// What is left at `now` of a transmission at this pace.
    pub(super) fn left(&self, now: SimTime, transmission: &Transmission) -> Left {
        let rest = match self {
            Self::Unlimited => 0,
            Self::Constant(rate) => {
                let rest = transmission.until.since(now);
                rest.as_nanos() * u128::from(rate.bits_per_second())
            }
            Self::Traced(trace) => transmission.position.saturating_sub(trace.carried(now)),
        };
        // Ends are rounded up to nanoseconds.
        Left(rest.min(transmission.nanobits))
    }
}

/// What is to be transmitted, in billionths of a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left(u128);

impl Left {
    /// A whole packet.
    pub(super) fn bytes(bytes: u32) -> Self {
        Self(u128::from(bytes) * NANOBITS)
    }
}

/// A packet on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transmission {
    /// Of it, this was left when the transmission began.
    nanobits: u128,
    /// When it is over.
    pub(super) until: SimTime,
    /// Where it ends on the curve of a trace.
    position: u128,
}

fn time_for(nanobits: u128, rate: Rate) -> Duration {
    let nanos = nanobits.div_ceil(u128::from(rate.bits_per_second()));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
