//! Round-trip estimate and retransmission timeout (RFC 6298).
//!
//! Owns the arithmetic only; when to measure and what to do at a timeout is
//! the connection's business.

use std::time::Duration;

use super::config::{Config, RtoFloor};

/// Doublings after which the timeout has long reached its maximum.
const BACKOFF_MAX: u32 = 16;

/// Smoothed round-trip time and the timeout derived from it.
#[derive(Debug, Clone)]
pub(super) struct RttEstimator {
    /// SRTT, once there was a measurement.
    smoothed: Option<Duration>,
    /// RTTVAR.
    variation: Duration,
    /// The timeout before any backing off.
    base: Duration,
    /// Doublings since the last measurement.
    backoff: u32,
}

impl RttEstimator {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            smoothed: None,
            variation: Duration::ZERO,
            base: config.rto_initial,
            backoff: 0,
        }
    }

    /// SRTT.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The timeout to use now.
    pub(super) fn rto(&self, config: &Config) -> Duration {
        let backed_off = self.base.saturating_mul(1 << self.backoff);
        backed_off.min(config.rto_max)
    }

    /// Takes a measurement of a segment that was sent once (Karn's rule).
    pub(super) fn sample(&mut self, rtt: Duration, config: &Config) {
        let smoothed = match self.smoothed {
            // RFC 6298 §2.2.
            None => {
                self.variation = rtt / 2;
                rtt
            }
            // RFC 6298 §2.3, α = 1/8 and β = 1/4.
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(rtt)) / 4;
                (smoothed * 7 + rtt) / 8
            }
        };
        self.smoothed = Some(smoothed);
        let margin = self.variation * 4;
        self.base = match config.rto_floor {
            RtoFloor::AboveRtt(floor) => smoothed + margin.max(floor),
            RtoFloor::Total(floor) => (smoothed + margin).max(floor),
        };
        self.backoff = 0;
    }

    /// Doubles the timeout (RFC 6298 §5.5).
    pub(super) fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(BACKOFF_MAX);
    }

    /// The SYN was lost, so the path is unknown: three seconds until the first
    /// measurement (RFC 6298 §5.7).
    pub(super) fn forget_after_syn_timeout(&mut self) {
        if self.smoothed.is_none() {
            self.base = self.base.max(Duration::from_secs(3));
        }
        self.backoff = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn config(floor: RtoFloor) -> Config {
        Config {
            rto_floor: floor,
            ..Config::default()
        }
    }

    #[test]
    fn timeouts_follow_rfc_6298() {
        // Samples and the timeout after each, all in milliseconds: worked by
        // hand from §2.2 and §2.3 with a floor of zero.
        let config = config(RtoFloor::Total(Duration::ZERO));
        let mut rtt = RttEstimator::new(&config);
        assert_eq!(rtt.rto(&config), ms(1_000));
        for (sample, expected) in [(100, 300_000), (100, 250_000), (180, 302_500)] {
            rtt.sample(ms(sample), &config);
            assert_eq!(
                rtt.rto(&config),
                Duration::from_micros(expected),
                "{sample}"
            );
        }
    }

    #[test]
    fn floors_differ_as_documented() {
        let linux_config = config(RtoFloor::AboveRtt(ms(200)));
        let mut linux = RttEstimator::new(&linux_config);
        let total_config = config(RtoFloor::Total(ms(1_000)));
        let mut total = RttEstimator::new(&total_config);
        for _ in 0..100 {
            linux.sample(ms(80), &linux_config);
            total.sample(ms(80), &total_config);
        }
        assert_eq!(linux.rto(&linux_config), ms(280));
        assert_eq!(total.rto(&total_config), ms(1_000));
    }

    #[test]
    fn timeouts_double_up_to_their_maximum_until_a_sample() {
        let config = config(RtoFloor::Total(ms(200)));
        let mut rtt = RttEstimator::new(&config);
        let mut seen = Vec::new();
        for _ in 0..9 {
            seen.push(rtt.rto(&config).as_secs());
            rtt.back_off();
        }
        assert_eq!(seen, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        for _ in 0..100 {
            rtt.back_off();
        }
        rtt.sample(ms(100), &config);
        assert_eq!(rtt.rto(&config), ms(300));
    }

    #[test]
    fn a_lost_syn_leaves_three_seconds() {
        let config = config(RtoFloor::Total(ms(200)));
        let mut rtt = RttEstimator::new(&config);
        rtt.back_off();
        rtt.forget_after_syn_timeout();
        assert_eq!(rtt.rto(&config), ms(3_000));
    }
}
