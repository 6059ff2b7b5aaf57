//! The bootstrap over seeds, and the number of seeds that would settle a question.
//!
//! An interval is the *expanded percentile* interval: the plain percentile bootstrap is too
//! narrow for ten values, because it divides by n and knows no t distribution; taking its tails
//! at Φ(−t·√(n/(n−1))) instead of 2.5 % mends both (T. Hesterberg, "What Teachers Should Know
//! About the Bootstrap", The American Statistician 69, 2015, section 4.4).

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::round9;
use crate::record::Interval;

/// Resamples per interval.
pub const RESAMPLES: usize = 4_000;

/// Fewer pairs than this never count as a significant difference: even if all of five pairs
/// point one way, chance does that once in sixteen times (sign test, two-sided: 2 · 2⁻⁵); six
/// pairs bring it below 5 %.
pub const PAIRS_MIN: usize = 6;

/// More seeds than this are not a suggestion worth making.
const SEEDS_MAX: u32 = 10_000;

/// Mean of `values` and its 95 % interval; `key` names what is estimated and seeds the draw.
///
/// One value gives an interval of no width; no value gives `None`.
pub fn interval(key: &str, values: &[f64]) -> Option<Interval> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mean = round9(mean_of(&sorted));
    if n == 1 || sorted.first() == sorted.last() {
        return Some(Interval {
            mean,
            ci95: [mean, mean],
            n: n as u32,
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(fnv1a(key));
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = (0..n).map(|_| sorted[draw_below(&mut rng, n)]).sum();
            sum / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let rank = (tail(n) * RESAMPLES as f64) as usize;
    let ci95 = [round9(means[rank]), round9(means[RESAMPLES - 1 - rank])];
    Some(Interval {
        mean,
        ci95,
        n: n as u32,
    })
}

/// Seeds that would bring the half width of a 95 % interval down to `half_width`, judged by the
/// spread of `values`; `None` if fewer than two values are known or no reasonable number would do.
pub fn needed_seeds(values: &[f64], half_width: f64) -> Option<u32> {
    if values.len() < 2 || half_width <= 0.0 {
        return None;
    }
    let mean = mean_of(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let deviation = (squares / (values.len() - 1) as f64).sqrt();
    let mut n = 30_u32;
    // The quantile depends on n and n on the quantile; three rounds settle it.
    for _ in 0..3 {
        let wanted = (t_975(n as usize - 1) * deviation / half_width)
            .powi(2)
            .ceil();
        if wanted > f64::from(SEEDS_MAX) {
            return None;
        }
        n = (wanted as u32).max(PAIRS_MIN as u32);
    }
    Some(n)
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A number below `n` by multiplication; its bias is below n/2³².
fn draw_below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}

/// The share of resamples to cut at each end.
fn tail(n: usize) -> f64 {
    let widened = t_975(n - 1) * (n as f64 / (n - 1) as f64).sqrt();
    normal_upper_tail(widened)
}

/// The 97.5 % quantile of Student's t with `df` degrees of freedom.
fn t_975(df: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    match df {
        0 => f64::INFINITY,
        1..=30 => TABLE[df - 1],
        // First term of the Cornish–Fisher expansion: z + (z³ + z) / 4df.
        _ => 1.96 + 2.372 / df as f64,
    }
}

/// 1 − Φ(x) for x ≥ 0, to 1e-5 (Abramowitz and Stegun 26.2.16); ranks among 4,000 need no more.
fn normal_upper_tail(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.332_67 * x);
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    density * t * (0.436_183_6 + t * (-0.120_167_6 + t * 0.937_298))
}

/// FNV-1a, 64 bits: names the stream of a key, guards nothing.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum of twelve uniform numbers, less six: mean 0, deviation 1.
    fn bell(rng: &mut ChaCha8Rng) -> f64 {
        (0..12)
            .map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX))
            .sum::<f64>()
            - 6.0
    }

    fn coverage(n: usize, trials: usize, truth: f64, draw: fn(&mut ChaCha8Rng) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let covered = (0..trials)
            .filter(|trial| {
                let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
                let found = interval(&format!("trial {trial}"), &values).expect("values");
                found.ci95[0] <= truth && truth <= found.ci95[1]
            })
            .count();
        covered as f64 / trials as f64
    }

    #[test]
    fn ten_bell_shaped_seeds_are_covered_nineteen_times_in_twenty() {
        let found = coverage(10, 1_000, 0.0, bell);
        assert!((0.93..=0.97).contains(&found), "covered {found}");
    }

    #[test]
    fn skewed_seeds_are_covered_nearly_as_often() {
        let found = coverage(20, 300, 1.0, |rng| bell(rng).powi(2));
        assert!((0.87..=0.97).contains(&found), "covered {found}");
    }

    #[test]
    fn tails_are_those_of_the_t_distribution() {
        // Hesterberg's table for n = 10: 0.0086; the plain percentile takes 0.025.
        assert!((tail(10) - 0.0086).abs() < 2e-4, "{}", tail(10));
        assert!((tail(1_000) - 0.025).abs() < 5e-4, "{}", tail(1_000));
        assert!(tail(3) < 1e-4, "{}", tail(3));
    }

    #[test]
    fn equal_values_and_one_value_have_no_width() {
        for values in [&[4.0][..], &[4.0, 4.0, 4.0]] {
            let found = interval("x", values).expect("values");
            assert_eq!((found.mean, found.ci95), (4.0, [4.0, 4.0]));
        }
        assert_eq!(interval("x", &[]), None);
    }

    #[test]
    fn order_of_values_does_not_matter_and_the_key_does() {
        let forward = interval("k", &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
        assert_eq!(
            forward,
            interval("k", &[64.0, 1.0, 32.0, 2.0, 16.0, 4.0, 8.0])
        );
        assert_ne!(
            forward,
            interval("l", &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
        );
    }

    #[test]
    fn needed_seeds_follow_the_square_of_the_spread() {
        let values = [9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0];
        // Deviation 1.054: half width 0.5 needs (2.09 · 1.054 / 0.5)² ≈ 20.
        assert_eq!(needed_seeds(&values, 0.5), Some(20));
        assert_eq!(needed_seeds(&values, 5.0), Some(PAIRS_MIN as u32));
        assert_eq!(needed_seeds(&values, 1e-6), None);
        assert_eq!(needed_seeds(&[1.0], 1.0), None);
    }
}
