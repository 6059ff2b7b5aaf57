//! A host's wall clock: how far it is from true time.
//!
//! Monotonic time is true on every host that does not sleep; only the wall clock may be off, run
//! fast or slow, and be set.

use crate::time::SimTime;

/// Offset, drift and steps of one wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// Distance from true time at `since`, in nanoseconds; positive is ahead.
    offset_ns: i64,
    /// Nanoseconds gained per second (parts per billion).
    drift_ppb: i64,
    since: SimTime,
}

impl WallClock {
    /// A clock that is `offset_ns` ahead at time 0 and gains `drift_ppb`
    /// nanoseconds each second.
    pub fn new(offset_ns: i64, drift_ppb: i64) -> Self {
        Self {
            offset_ns,
            drift_ppb,
            since: SimTime::ZERO,
        }
    }

    /// How far ahead of true time it is at `now`, in nanoseconds.
    pub fn offset_ns(&self, now: SimTime) -> i64 {
        let elapsed = i128::from(now.as_nanos() - self.since.as_nanos());
        let gained = elapsed * i128::from(self.drift_ppb) / 1_000_000_000;
        let offset = i128::from(self.offset_ns) + gained;
        offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    /// Sets the clock forward (or back) by `by_ns` at `now`.
    pub fn step(&mut self, now: SimTime, by_ns: i64) {
        self.offset_ns = self.offset_ns(now).saturating_add(by_ns);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_moves_the_clock_and_leaves_its_drift() {
        let second = 1_000_000_000;
        let mut clock = WallClock::new(5, 50_000);
        assert_eq!(clock.offset_ns(SimTime::ZERO), 5);
        assert_eq!(clock.offset_ns(SimTime::from_nanos(10 * second)), 500_005);
        clock.step(SimTime::from_nanos(10 * second), -1_000_000);
        assert_eq!(clock.offset_ns(SimTime::from_nanos(10 * second)), -499_995);
        assert_eq!(clock.offset_ns(SimTime::from_nanos(20 * second)), 5);
    }

    #[test]
    fn extreme_steps_saturate() {
        let mut clock = WallClock::new(i64::MAX, 0);
        clock.step(SimTime::ZERO, i64::MAX);
        assert_eq!(clock.offset_ns(SimTime::ZERO), i64::MAX);
    }
}
