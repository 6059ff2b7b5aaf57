//! How long to wait before what has failed is tried again.

use std::time::Duration;

use crate::config::Dial;

/// Failures after which the pause no longer doubles; 2^20 exceeds any bound.
const DOUBLINGS_MAX: u32 = 20;

/// Counts failures in a row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure: doubled with each, bounded, and drawn
    /// from its upper half, so that those who failed together return apart.
    pub fn fail(&mut self, config: &Dial) -> Duration {
        let longest = config
            .backoff_first
            .get()
            .saturating_mul(1 << self.failures.min(DOUBLINGS_MAX))
            .min(config.backoff_max.get());
        self.failures = self.failures.saturating_add(1);
        rand::random_range(longest / 2..=longest)
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound() {
        let config = Dial::default();
        let mut backoff = Backoff::default();
        for expected_s in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
            let longest = Duration::from_secs(expected_s);
            let pause = backoff.fail(&config);
            assert!(
                (longest / 2..=longest).contains(&pause),
                "{expected_s}: {pause:?}"
            );
        }
        backoff.reset();
        assert!(backoff.fail(&config) <= Duration::from_secs(1));
    }
}
