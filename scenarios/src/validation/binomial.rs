//! How many of so many independent events of one probability are believable.
//!
//! Floating point is good enough here: it judges a count, and decides nothing in a world.

use std::ops::RangeInclusive;

/// The smallest central range that a binomial count misses on either side with probability
/// `tail` at most.
pub fn central_range(trials: u64, probability: f64, tail: f64) -> RangeInclusive<u64> {
    // In logarithms: the first terms are far below the smallest number.
    let odds = (probability / (1.0 - probability)).ln();
    let mut log_term = trials as f64 * (1.0 - probability).ln();
    let mut below = 0.0;
    let mut low = None;
    for count in 0..trials {
        let upto = below + log_term.exp();
        if upto > tail {
            low.get_or_insert(count);
        }
        if upto >= 1.0 - tail {
            return low.unwrap_or(count)..=count;
        }
        below = upto;
        log_term += ((trials - count) as f64 / (count + 1) as f64).ln() + odds;
    }
    low.unwrap_or(trials)..=trials
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_tables() {
        let check = |trials, probability, tail, expected: RangeInclusive<u64>| {
            assert_eq!(
                central_range(trials, probability, tail),
                expected,
                "{trials} at {probability}"
            );
        };
        // P(X ≤ 1) = 11/1024 and P(X ≤ 2) = 56/1024.
        check(10, 0.5, 0.025, 2..=8);
        check(10, 0.5, 0.010, 1..=9);
        check(1, 0.5, 0.4, 0..=1);
        // Mean 10,000 and deviation 89.44: 2.5758 deviations either way.
        check(50_000, 0.2, 0.005, 9_770..=10_231);
    }
}
