//! The gamma law, of which length-biased Weibull lifetimes are powers, and the gamma function.

use super::fixed_point::{ONE, quotient};
use crate::random::Stream;
use crate::random::fixed::{self, LOG2_E};

/// A variate of the gamma law with `shape` ≥ 1 and scale 1, all in fixed point.
///
/// Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000.
pub(super) fn draw(shape: i64, stream: &mut Stream) -> i64 {
    let d = shape - ONE / 3;
    // 1 / √(9 d): 96 bits less 32 are 64, and the root has half of them.
    let c = ((1_u128 << 96) / (9 * d as u128)).isqrt() as i64;
    loop {
        let (magnitude, negative) = stream.standard_normal();
        let z = if negative {
            -(magnitude as i64)
        } else {
            magnitude as i64
        };
        let base = ONE + fixed::product(c, z);
        let uniform = stream.next_u64();
        if base <= 0 {
            continue;
        }
        let cube = fixed::product(fixed::product(base, base), base);
        if cube <= 0 {
            continue;
        }
        let ln_cube = quotient(fixed::log2(cube as u64), LOG2_E);
        let right =
            fixed::product(z, z) / 2 + d - fixed::product(d, cube) + fixed::product(d, ln_cube);
        if -(fixed::minus_ln(uniform) as i64) < right {
            return fixed::product(d, cube);
        }
    }
}

/// log₂ Γ(x) for x from 1 to 64, in fixed point, to about 10⁻⁴.
///
/// Stirling's series at x + 8, and Γ(x + 1) = x Γ(x) back from there.
pub(super) fn log2_gamma(x: i64) -> i64 {
    /// ½ log₂ 2π.
    const HALF_LOG2_TAU: i64 = 0x1_5364_39a4;
    let mut below = 0;
    for step in 0..8 {
        below += fixed::log2((x + step * ONE) as u64);
    }
    let x = x + 8 * ONE;
    let series =
        quotient(ONE, 12 * x) - quotient(ONE, fixed::product(fixed::product(x, x), 360 * x));
    fixed::product(x - ONE / 2, fixed::log2(x as u64))
        + HALF_LOG2_TAU
        + fixed::product(series - x, LOG2_E)
        - below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gamma_function_has_its_values() {
        let check = |x: f64, expected: f64| {
            let got = log2_gamma((x * 4_294_967_296.0) as i64) as f64 / 4_294_967_296.0;
            assert!(
                (got.exp2() / expected - 1.0).abs() < 1e-4,
                "{x}: {}",
                got.exp2()
            );
        };
        check(1.0, 1.0);
        check(1.5, 0.886_226_925);
        check(2.0, 1.0);
        check(2.625_721_6, 1.457_740);
        check(5.0, 24.0);
        check(11.0, 3_628_800.0);
    }

    #[test]
    fn variates_have_mean_and_variance_of_their_shape() {
        let mut stream = Stream::new(1, "test", 0);
        for shape in [1.0, 2.6, 9.0] {
            let fixed = (shape * 4_294_967_296.0) as i64;
            let samples: Vec<f64> = (0..40_000)
                .map(|_| draw(fixed, &mut stream) as f64 / 4_294_967_296.0)
                .collect();
            let mean = samples.iter().sum::<f64>() / 40_000.0;
            let variance = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40_000.0;
            // Both are the shape; four standard errors of each.
            assert!(
                (mean - shape).abs() < 4.0 * (shape / 40_000.0).sqrt(),
                "{shape}: {mean}"
            );
            let error = ((2.0 * shape * shape + 6.0 * shape) / 40_000.0_f64).sqrt();
            assert!(
                (variance - shape).abs() < 4.0 * error,
                "{shape}: {variance}"
            );
        }
    }
}
