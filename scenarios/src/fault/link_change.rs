//! What faults change of a link.
//!
//! Owns what several changes make together.

use serde::{Deserialize, Serialize};

/// What changes of an access link; the rest stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// Rate up in bits per second.
    pub up_bps: Option<u64>,
    /// Rate down in bits per second.
    pub down_bps: Option<u64>,
    /// One-way delay, each way.
    pub delay_ns: Option<u64>,
    /// Share of packets lost in parts per million, each way.
    pub loss_ppm: Option<u32>,
}

impl LinkChange {
    /// What several changes make together: the lowest rate, the largest delay, and losses that
    /// are independent of each other. Their order does not matter.
    pub fn sum<'a>(changes: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let lowest = |rate: fn(&Self) -> Option<u64>| changes.clone().filter_map(rate).min();
        Self {
            up_bps: lowest(|change| change.up_bps),
            down_bps: lowest(|change| change.down_bps),
            delay_ns: changes.clone().filter_map(|change| change.delay_ns).max(),
            loss_ppm: independent_ppm(changes.filter_map(|change| change.loss_ppm).collect()),
        }
    }
}

/// The share that at least one of several independent losses takes; `None` without any.
fn independent_ppm(mut losses_ppm: Vec<u32>) -> Option<u32> {
    const MILLION: u128 = 1_000_000;
    /// Digits that are kept on the way.
    const FINE: u128 = MILLION * MILLION * MILLION;
    if losses_ppm.is_empty() {
        return None;
    }
    // Rounding must not depend on which of them began first.
    losses_ppm.sort_unstable();
    let pass = losses_ppm.iter().fold(FINE, |pass, &loss| {
        pass * MILLION.saturating_sub(u128::from(loss)) / MILLION
    });
    let unit = FINE / MILLION;
    Some((MILLION - (pass + unit / 2) / unit) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_independent_in_any_order() {
        let check = |losses: &[u32], expected: Option<u32>| {
            assert_eq!(independent_ppm(losses.to_vec()), expected, "{losses:?}");
            let back = losses.iter().rev().copied().collect();
            assert_eq!(independent_ppm(back), expected, "{losses:?}");
        };
        check(&[], None);
        check(&[0], Some(0));
        check(&[123_457], Some(123_457));
        check(&[100_000, 500_000], Some(550_000));
        check(&[500_000, 1_000_000], Some(1_000_000));
        check(&[1; 6], Some(6));
        check(&[333_333, 777_777, 123], Some(851_869));
    }

    #[test]
    fn the_lowest_rate_and_the_largest_delay_count() {
        let change = |up_bps, down_bps, delay_ns| LinkChange {
            up_bps,
            down_bps,
            delay_ns,
            loss_ppm: None,
        };
        let parts = [
            change(Some(3), None, Some(7)),
            change(Some(2), Some(9), None),
            change(None, None, Some(5)),
        ];
        let expected = change(Some(2), Some(9), Some(7));
        assert_eq!(LinkChange::sum(parts.iter()), expected);
        assert_eq!(LinkChange::sum([].iter()), LinkChange::default());
    }
}
