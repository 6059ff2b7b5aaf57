//! Virtual time: nanoseconds since the start of a run.
//!
//! Owns the one representation of an instant in the world. It never reads a
//! clock: the caller that advances time hands the instant on.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// An instant of the world: nanoseconds since the start of the run.
///
/// Arithmetic saturates: [`SimTime::MAX`] means *never*, about 584 years ahead.
///
/// ```
/// use std::time::Duration;
/// use orrery_sim::time::SimTime;
///
/// let later = SimTime::ZERO + Duration::from_millis(12_345);
/// assert_eq!(later.to_string(), "12.345000000s");
/// assert_eq!(later - SimTime::ZERO, Duration::from_millis(12_345));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimTime(u64);

impl SimTime {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// The end of representable time.
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the start, saturating.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The instant `secs` seconds after the start, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for reports only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time since the start of the run.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Time from `earlier` to this instant; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in whole nanoseconds, saturating at the longest that fits.
pub(crate) fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for SimTime {
    type Output = Self;

    fn add(self, delta: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(delta)))
    }
}

impl AddAssign<Duration> for SimTime {
    fn add_assign(&mut self, delta: Duration) {
        *self = *self + delta;
    }
}

impl Sub for SimTime {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_seconds_with_nine_decimals() {
        let time = SimTime::from_nanos(12_345_678_901);
        assert_eq!(time.to_string(), "12.345678901s");
        assert_eq!(SimTime::from_nanos(7).to_string(), "0.000000007s");
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(SimTime::MAX + Duration::from_secs(1), SimTime::MAX);
        assert_eq!(SimTime::ZERO + Duration::MAX, SimTime::MAX);
        assert_eq!(SimTime::ZERO - SimTime::from_secs(1), Duration::ZERO);
        assert_eq!(SimTime::from_secs(u64::MAX), SimTime::MAX);
    }
}
