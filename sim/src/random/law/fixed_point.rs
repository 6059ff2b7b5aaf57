//! Parameters of laws as fixed-point numbers with 32 fraction bits.

use crate::random::fixed::FRACTION_BITS;

/// 1 in fixed point.
pub(super) const ONE: i64 = 1 << FRACTION_BITS;

/// `value` in fixed point, if it is between `min` and `max`. Multiplying by a power of two is exact
/// on every platform, and so is rounding.
pub(super) fn within(value: f64, min: f64, max: f64) -> Option<i64> {
    let is_within = value >= min && value <= max;
    is_within.then(|| (value * ONE as f64).round() as i64)
}

/// The quotient of two fixed-point numbers; `divisor` is not zero.
pub(super) fn quotient(dividend: i64, divisor: i64) -> i64 {
    ((i128::from(dividend) << FRACTION_BITS) / i128::from(divisor)) as i64
}
