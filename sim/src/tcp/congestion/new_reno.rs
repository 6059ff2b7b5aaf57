//! Slow start and congestion avoidance of RFC 5681, counting bytes as RFC 3465
//! does, so that delayed acknowledgements do not slow the growth.

use super::{Acked, CongestionControl, SLOW_START_LIMIT};
use crate::time::SimTime;

/// State of the algorithm; windows are in bytes.
#[derive(Debug, Clone)]
pub struct NewReno {
    mss: u64,
    initial_window: u64,
    window: u64,
    threshold: u64,
    /// Bytes acknowledged in congestion avoidance since the last increase.
    counted: u64,
}

impl NewReno {
    /// Starts with a window of `initial_segments` segments of `mss` bytes.
    pub fn new(mss: u64, initial_segments: u32) -> Self {
        let initial_window = mss * u64::from(initial_segments.max(1));
        Self {
            mss,
            initial_window,
            window: initial_window,
            // RFC 5681 §3.1: arbitrarily high at first.
            threshold: u64::MAX,
            counted: 0,
        }
    }

    /// RFC 5681 equation 4.
    fn halve(&mut self, in_flight: u64) {
        self.threshold = (in_flight / 2).max(2 * self.mss);
        self.counted = 0;
    }
}

impl CongestionControl for NewReno {
    fn window(&self) -> u64 {
        self.window
    }

    fn slow_start_threshold(&self) -> u64 {
        self.threshold
    }

    fn on_ack(&mut self, acked: Acked) {
        if self.window < self.threshold {
            // A window that was not nearly used proves nothing about the path
            // (RFC 7661 §4.1; Linux grows up to twice what was in flight).
            if 2 * acked.in_flight >= self.window {
                let limit = SLOW_START_LIMIT * self.mss;
                self.window += acked.bytes.min(limit);
            }
        } else if acked.in_flight + self.mss >= self.window {
            // RFC 3465 §2.1: one segment for each window acknowledged.
            self.counted += acked.bytes;
            if self.counted >= self.window {
                self.counted -= self.window;
                self.window += self.mss;
            }
        }
    }

    fn on_loss(&mut self, _now: SimTime, in_flight: u64) {
        self.halve(in_flight);
        self.window = self.threshold;
    }

    fn on_recovered(&mut self, _now: SimTime, in_flight: u64) {
        // RFC 6582 §3.2 step 3, option 1: no burst after the repair.
        let unburst = in_flight.max(self.mss) + self.mss;
        self.window = self.threshold.min(unburst);
    }

    fn on_timeout(&mut self, _now: SimTime, in_flight: u64, first: bool) {
        // RFC 5681 §3.1: the threshold holds while one segment times out again.
        if first {
            self.halve(in_flight);
        }
        self.window = self.mss;
    }

    fn on_idle(&mut self, _now: SimTime) {
        self.window = self.window.min(self.initial_window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1_000;

    fn ack(reno: &mut NewReno, bytes: u64) {
        let in_flight = reno.window();
        reno.on_ack(Acked {
            now: SimTime::ZERO,
            bytes,
            in_flight,
            rtt: None,
        });
    }

    #[test]
    fn slow_start_doubles_each_round() {
        let mut reno = NewReno::new(MSS, 10);
        for _ in 0..10 {
            ack(&mut reno, MSS);
        }
        assert_eq!(reno.window(), 20 * MSS);
        for _ in 0..10 {
            ack(&mut reno, 2 * MSS);
        }
        assert_eq!(reno.window(), 40 * MSS);
        ack(&mut reno, 30 * MSS);
        assert_eq!(reno.window(), 42 * MSS);
    }

    #[test]
    fn avoidance_adds_one_segment_a_round() {
        let mut reno = NewReno::new(MSS, 10);
        reno.on_loss(SimTime::ZERO, 20 * MSS);
        assert_eq!(
            (reno.window(), reno.slow_start_threshold()),
            (10_000, 10_000)
        );
        for _ in 0..10 {
            ack(&mut reno, MSS);
        }
        assert_eq!(reno.window(), 11 * MSS);
        for _ in 0..11 {
            ack(&mut reno, MSS);
        }
        assert_eq!(reno.window(), 12 * MSS);
    }

    #[test]
    fn an_unused_window_does_not_grow() {
        let mut reno = NewReno::new(MSS, 10);
        for _ in 0..100 {
            reno.on_ack(Acked {
                now: SimTime::ZERO,
                bytes: MSS,
                in_flight: MSS,
                rtt: None,
            });
        }
        assert_eq!(reno.window(), 10 * MSS);
    }

    #[test]
    fn timeouts_start_over_and_keep_the_first_threshold() {
        let mut reno = NewReno::new(MSS, 10);
        reno.on_timeout(SimTime::ZERO, 20 * MSS, true);
        reno.on_timeout(SimTime::ZERO, MSS, false);
        assert_eq!(
            (reno.window(), reno.slow_start_threshold()),
            (MSS, 10 * MSS)
        );
        reno.on_timeout(SimTime::ZERO, MSS, true);
        assert_eq!(reno.slow_start_threshold(), 2 * MSS);
    }

    #[test]
    fn recovery_ends_without_a_burst() {
        let mut reno = NewReno::new(MSS, 10);
        reno.on_loss(SimTime::ZERO, 40 * MSS);
        reno.on_recovered(SimTime::ZERO, 3 * MSS);
        assert_eq!(reno.window(), 4 * MSS);
    }

    #[test]
    fn idleness_restores_the_initial_window() {
        let mut reno = NewReno::new(MSS, 10);
        for _ in 0..50 {
            ack(&mut reno, MSS);
        }
        reno.on_idle(SimTime::ZERO);
        assert_eq!(reno.window(), 10 * MSS);
    }
}
