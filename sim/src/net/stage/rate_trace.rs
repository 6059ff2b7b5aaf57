//! Rates that follow a trace: how much a link can have carried by each instant.
//!
//! Owns that curve and its inverse, exactly, in integers. A trace begins with the
//! simulation and repeats when it ends. It reads no files.

use std::time::Duration;

use crate::time::SimTime;
use crate::units::Rate;

/// Billionths of a bit in a byte: a bit per second carries one in a nanosecond.
pub(super) const NANOBITS: u128 = 8_000_000_000;

/// Over how long a limit bounds the mean of opportunities: they come in bursts, which a
/// bound for each would cut down far below it.
const LIMIT_OVER: Duration = Duration::from_millis(100);

/// How a trace tells what a link carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceShape {
    /// From each instant on, so many bits per second, until the next.
    Rates {
        /// Instants in nanoseconds, ascending from 0, and the rates.
        steps: Vec<(u64, u64)>,
        /// When it repeats, in nanoseconds, behind the last instant.
        period_ns: u64,
    },
    /// At each instant so many bytes at once, which are lost if nothing waits.
    Opportunities {
        /// Instants in nanoseconds, ascending, and the bytes.
        steps: Vec<(u64, u64)>,
        /// When it repeats, in nanoseconds, not before the last instant.
        period_ns: u64,
    },
}

/// A trace that no link can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateTraceError {
    /// Nothing is in it.
    #[error("it has no entries")]
    Empty,
    /// Times do not ascend.
    #[error("entry {0} is not later than the one before it")]
    Backwards(
        /// Place of the entry, from 1.
        usize,
    ),
    /// It would repeat before it has ended.
    #[error("it ends before its last entry")]
    EndsEarly,
    /// It never carries anything.
    #[error("it carries nothing at any time")]
    Dead,
    /// Its figures are beyond what links have.
    #[error("entry {0} is beyond 1000 Gbit/s or a year")]
    TooLarge(
        /// Place of the entry, from 1.
        usize,
    ),
}

/// What a link carries over time, as a trace tells.
///
/// ```
/// use orrery_sim::net::stage::{RateTrace, TraceShape};
///
/// // 8 Mbit/s for a second, nothing for another, and so on.
/// let steps = vec![(0, 8_000_000), (1_000_000_000, 0)];
/// let trace = RateTrace::new(TraceShape::Rates { steps, period_ns: 2_000_000_000 })?;
/// assert_eq!(trace.mean_bps(), 4_000_000);
/// # Ok::<(), orrery_sim::net::stage::RateTraceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateTrace {
    shape: TraceShape,
    /// Billionths of a bit: for rates those carried before each entry, for opportunities
    /// those carried with it.
    carried: Vec<u128>,
    /// Those of a whole period.
    total: u128,
}

/// Rates at most: 1000 Gbit/s.
const BPS_MAX: u64 = 1_000_000_000_000;
/// Times at most: a year.
const TIME_MAX_NS: u64 = 365 * 24 * 3_600 * 1_000_000_000;

impl TraceShape {
    fn parts(&self) -> (&[(u64, u64)], u64) {
        match self {
            Self::Rates { steps, period_ns } | Self::Opportunities { steps, period_ns } => {
                (steps, *period_ns)
            }
        }
    }
}

impl RateTrace {
    /// The trace of that shape.
    ///
    /// # Errors
    /// [`RateTraceError`] if no link can follow it.
    pub fn new(shape: TraceShape) -> Result<Self, RateTraceError> {
        let (steps, period_ns) = shape.parts();
        check(&shape)?;
        let mut carried = Vec::with_capacity(steps.len());
        let mut total = 0;
        for (place, &(at_ns, amount)) in steps.iter().enumerate() {
            match shape {
                TraceShape::Rates { .. } => {
                    carried.push(total);
                    let until_ns = steps.get(place + 1).map_or(period_ns, |&(at_ns, _)| at_ns);
                    total += u128::from(amount) * u128::from(until_ns - at_ns);
                }
                TraceShape::Opportunities { .. } => {
                    total += u128::from(amount) * NANOBITS;
                    carried.push(total);
                }
            }
        }
        if total == 0 {
            return Err(RateTraceError::Dead);
        }
        Ok(Self {
            shape,
            carried,
            total,
        })
    }

    /// How it tells what a link carries.
    pub const fn shape(&self) -> &TraceShape {
        &self.shape
    }

    /// The mean in bits per second over a whole period, rounded down.
    pub fn mean_bps(&self) -> u64 {
        let (_, period_ns) = self.shape.parts();
        (self.total / u128::from(period_ns)) as u64
    }

    /// The trace of a link that never carries more than `limit`: with opportunities, in the
    /// mean of any tenth of a second.
    #[must_use]
    pub fn limited(&self, limit: Rate) -> Self {
        let limit_bps = limit.bits_per_second();
        let shape = match &self.shape {
            TraceShape::Rates { steps, period_ns } => TraceShape::Rates {
                steps: steps
                    .iter()
                    .map(|&(at_ns, bps)| (at_ns, bps.min(limit_bps)))
                    .collect(),
                period_ns: *period_ns,
            },
            TraceShape::Opportunities { steps, period_ns } => TraceShape::Opportunities {
                steps: limited_opportunities(steps, limit),
                period_ns: *period_ns,
            },
        };
        // Each entry that carried something still does, so the trace is as sound as before.
        Self::new(shape).unwrap_or_else(|_| self.clone())
    }

    /// Billionths of a bit that a link can have carried from the start until `at`.
    pub(super) fn carried(&self, at: SimTime) -> u128 {
        let (steps, period_ns) = self.shape.parts();
        let (periods, into_ns) = (at.as_nanos() / period_ns, at.as_nanos() % period_ns);
        let begun = steps.partition_point(|&(step_ns, _)| step_ns <= into_ns);
        let within = begun.checked_sub(1).map_or(0, |last| {
            let before = self.carried[last];
            match self.shape {
                TraceShape::Rates { .. } => {
                    let (step_ns, bps) = steps[last];
                    before + u128::from(bps) * u128::from(into_ns - step_ns)
                }
                TraceShape::Opportunities { .. } => before,
            }
        });
        u128::from(periods) * self.total + within
    }

    /// When a link can first have carried `nanobits`.
    pub(super) fn when(&self, nanobits: u128) -> SimTime {
        let (steps, period_ns) = self.shape.parts();
        let Some(last) = nanobits.checked_sub(1) else {
            return SimTime::ZERO;
        };
        let (periods, rest) = (last / self.total, last % self.total + 1);
        let into_ns = match self.shape {
            TraceShape::Rates { .. } => {
                let begun = self.carried.partition_point(|&before| before < rest);
                let (at_ns, bps) = steps[begun - 1];
                let over = (rest - self.carried[begun - 1]).div_ceil(u128::from(bps));
                at_ns + over as u64
            }
            TraceShape::Opportunities { .. } => {
                steps[self.carried.partition_point(|&with| with < rest)].0
            }
        };
        let at_ns = periods
            .saturating_mul(u128::from(period_ns))
            .saturating_add(u128::from(into_ns));
        SimTime::from_nanos(u64::try_from(at_ns).unwrap_or(u64::MAX))
    }
}

fn check(shape: &TraceShape) -> Result<(), RateTraceError> {
    let (steps, period_ns) = shape.parts();
    let (Some(&(first_ns, _)), Some(&(last_ns, _))) = (steps.first(), steps.last()) else {
        return Err(RateTraceError::Empty);
    };
    for (place, &(at_ns, amount)) in steps.iter().enumerate() {
        if at_ns > TIME_MAX_NS || amount > BPS_MAX {
            return Err(RateTraceError::TooLarge(place + 1));
        }
        if place > 0 && at_ns <= steps[place - 1].0 {
            return Err(RateTraceError::Backwards(place + 1));
        }
    }
    let ends_early = match shape {
        TraceShape::Rates { .. } => period_ns <= last_ns || first_ns != 0,
        TraceShape::Opportunities { .. } => period_ns < last_ns || period_ns == 0,
    };
    if ends_early || period_ns > TIME_MAX_NS {
        return Err(RateTraceError::EndsEarly);
    }
    Ok(())
}

/// Opportunities behind a bucket of tokens that come at the limit and fill it in
/// [`LIMIT_OVER`].
fn limited_opportunities(steps: &[(u64, u64)], limit: Rate) -> Vec<(u64, u64)> {
    let bps = u128::from(limit.bits_per_second());
    let depth = bps * LIMIT_OVER.as_nanos();
    let (mut tokens, mut counted_ns) = (depth, 0);
    let cut = |&(at_ns, bytes): &(u64, u64)| {
        tokens = depth.min(tokens + bps * u128::from(at_ns - counted_ns));
        counted_ns = at_ns;
        let passes = u128::from(bytes).min(tokens / NANOBITS);
        tokens -= passes * NANOBITS;
        (at_ns, passes as u64)
    };
    steps.iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn rates(steps: &[(u64, u64)], period_ms: u64) -> Result<RateTrace, RateTraceError> {
        let steps = steps.iter().map(|&(ms, bps)| (ms * MS, bps)).collect();
        let period_ns = period_ms * MS;
        RateTrace::new(TraceShape::Rates { steps, period_ns })
    }

    fn opportunities(ms: &[u64], period_ms: u64) -> Result<RateTrace, RateTraceError> {
        let steps = ms.iter().map(|&ms| (ms * MS, 1_500)).collect();
        let period_ns = period_ms * MS;
        RateTrace::new(TraceShape::Opportunities { steps, period_ns })
    }

    #[test]
    fn bytes_leave_when_the_curve_has_carried_them() {
        let check = |trace: &RateTrace, bytes: u128, expected_ns: u64| {
            let at = trace.when(bytes * NANOBITS);
            assert_eq!(at.as_nanos(), expected_ns, "{bytes}");
            assert!(trace.carried(at) >= bytes * NANOBITS);
            let before = SimTime::from_nanos(expected_ns - 1);
            assert!(trace.carried(before) < bytes * NANOBITS, "{bytes}");
        };
        // 1,000 B in the first ms, nothing in the second, 2,000 B in the third.
        let trace = rates(&[(0, 8_000_000), (1, 0), (2, 16_000_000)], 3).expect("it is sound");
        check(&trace, 500, MS / 2);
        check(&trace, 1_000, MS);
        check(&trace, 1_001, 2 * MS + 500);
        check(&trace, 3_000, 3 * MS);
        check(&trace, 4_001, 5 * MS + 500);
        let trace = opportunities(&[1, 4, 10], 10).expect("it is sound");
        check(&trace, 1, MS);
        check(&trace, 1_500, MS);
        check(&trace, 1_501, 4 * MS);
        check(&trace, 4_500, 10 * MS);
        check(&trace, 4_501, 11 * MS);
    }

    #[test]
    fn what_no_link_can_follow_is_refused() {
        let check = |trace: Result<RateTrace, RateTraceError>, expected| {
            assert_eq!(trace.err(), Some(expected));
        };
        check(rates(&[], 1), RateTraceError::Empty);
        check(rates(&[(0, 1), (0, 1)], 1), RateTraceError::Backwards(2));
        check(rates(&[(0, 1), (1, 1)], 1), RateTraceError::EndsEarly);
        check(rates(&[(0, 0), (1, 0)], 2), RateTraceError::Dead);
        check(rates(&[(0, u64::MAX)], 2), RateTraceError::TooLarge(1));
        check(opportunities(&[0], 0), RateTraceError::EndsEarly);
    }

    #[test]
    fn a_limit_bounds_what_is_carried_and_leaves_bursts_below_it() {
        let limit = Rate::from_mbps(5);
        let trace = rates(&[(0, 8_000_000), (1, 2_000_000)], 2).expect("it is sound");
        assert_eq!(trace.limited(limit).mean_bps(), 3_500_000);
        // Ten at once every 30 ms are 4 Mbit/s, every 20 ms 6 Mbit/s.
        for (gap_ms, expected_bps) in [(30, 4_000_000), (20, 5_000_000)] {
            let steps = (1..=100)
                .map(|burst| (burst * gap_ms * MS, 15_000))
                .collect();
            let period_ns = 100 * gap_ms * MS;
            let trace = RateTrace::new(TraceShape::Opportunities { steps, period_ns });
            let mean = trace.expect("it is sound").limited(limit).mean_bps();
            // The bucket is full at the beginning: a tenth of a second more in two or three.
            assert!(mean.abs_diff(expected_bps) <= expected_bps / 20, "{mean}");
        }
    }

    proptest! {
        #[test]
        fn when_is_the_first_instant_of_carried(
            entries in proptest::collection::vec((1_u64..5_000, 0_u64..100_000_000), 1..40),
            bits in 1_u128..10_000_000,
            opportunities in any::<bool>(),
        ) {
            let mut at_ns = 0;
            let steps: Vec<(u64, u64)> = entries
                .iter()
                .map(|&(gap_ns, amount)| {
                    let step = (at_ns, if opportunities { amount % 3_000 } else { amount });
                    at_ns += gap_ns * 1_000;
                    step
                })
                .collect();
            let period_ns = at_ns;
            let shape = if opportunities {
                TraceShape::Opportunities { steps, period_ns }
            } else {
                TraceShape::Rates { steps, period_ns }
            };
            let Ok(trace) = RateTrace::new(shape) else { return Ok(()) };
            let nanobits = bits * 1_000_000_000;
            let at = trace.when(nanobits);
            prop_assert!(trace.carried(at) >= nanobits);
            if at > SimTime::ZERO {
                let before = SimTime::from_nanos(at.as_nanos() - 1);
                prop_assert!(trace.carried(before) < nanobits);
            }
        }
    }
}
