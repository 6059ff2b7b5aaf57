//! Draws amounts from world streams.

use std::time::Duration;

use orrery_sim::random::Stream;

use crate::format::reading::amount::{Amount, Draw};

/// Draws an amount, in its own unit.
pub fn amount(amount: Amount, stream: &mut Stream) -> i64 {
    match amount.draw {
        Draw::Constant(value) => value,
        Draw::Uniform(low, high) => {
            let width = high.abs_diff(low);
            low.wrapping_add_unsigned(stream.below(width.saturating_add(1)))
        }
        Draw::Normal(mean, deviation) => {
            let offset = stream.normal_nanos(Duration::from_nanos(deviation.unsigned_abs()));
            mean.saturating_add(offset)
        }
        Draw::Exponential(mean) => {
            let drawn = stream.exponential(Duration::from_nanos(mean.unsigned_abs()));
            i64::try_from(drawn.as_nanos()).unwrap_or(i64::MAX)
        }
    }
}

/// Draws an amount that cannot be negative.
pub fn positive(what: Amount, stream: &mut Stream) -> u64 {
    amount(what, stream).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut stream = Stream::new(1, "test", 0);
        let uniform = Amount {
            each: false,
            draw: Draw::Uniform(-2, 2),
        };
        let seen: std::collections::BTreeSet<i64> =
            (0..200).map(|_| amount(uniform, &mut stream)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        let normal = Amount {
            each: false,
            draw: Draw::Normal(1_000, 10),
        };
        let mean = (0..1_000).map(|_| amount(normal, &mut stream)).sum::<i64>() / 1_000;
        assert!((998..=1_002).contains(&mean), "{mean}");
    }
}
