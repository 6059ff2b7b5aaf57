//! Parameters of laws as fixed-point numbers with 32 fraction bits.

/// `value` in fixed point, if it is between `min` and `max`. Multiplying by a power of two is exact
/// on every platform, and so is rounding.
pub(super) fn within(value: f64, min: f64, max: f64) -> Option<i64> {
    let is_within = value >= min && value <= max;
    is_within.then(|| (value * 4_294_967_296.0).round() as i64)
}

/// The quotient of two fixed-point numbers; `divisor` is not zero.
pub(super) fn quotient(dividend: i64, divisor: i64) -> i64 {
    ((i128::from(dividend) << 32) / i128::from(divisor)) as i64
}
