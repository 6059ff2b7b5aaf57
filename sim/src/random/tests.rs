use super::*;

const DRAWS: usize = 200_000;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn streams_are_pinned() {
    // A changed value here changes every result of every seed.
    let mut stream = Stream::new(1, "loss", 2);
    assert_eq!(stream.next_u64(), 9_084_269_972_921_803_973);
    assert_eq!(stream.below(1_000), 44);
    assert_eq!(stream.exponential(SECOND).as_nanos(), 294_384_361);
    assert_eq!(stream.normal_nanos(SECOND), -285_784_325);
}

#[test]
fn seed_purpose_and_host_all_matter() {
    let first = |seed, purpose, host| Stream::new(seed, purpose, host).next_u64();
    let base = first(1, "loss", 2);
    assert_ne!(base, first(2, "loss", 2));
    assert_ne!(base, first(1, "jitter", 2));
    assert_ne!(base, first(1, "loss", 3));
}

#[test]
fn below_reaches_every_value_and_none_beyond() {
    let mut stream = Stream::new(1, "test", 0);
    let mut seen = [0u32; 7];
    for _ in 0..70_000 {
        seen[stream.below(7) as usize] += 1;
    }
    for count in seen {
        assert!((9_500..10_500).contains(&count), "{seen:?}");
    }
    assert_eq!(stream.below(1), 0);
    assert!(stream.below(u64::MAX) < u64::MAX);
}

#[test]
fn chance_keeps_its_ratio() {
    let mut stream = Stream::new(1, "test", 0);
    for ratio in [
        Ratio::ZERO,
        Ratio::from_ppm(1_000),
        Ratio::from_percent(30),
        Ratio::ONE,
    ] {
        let hits = (0..DRAWS).filter(|_| stream.chance(ratio)).count() as f64;
        let expected = DRAWS as f64 * f64::from(ratio.ppb()) / 1e9;
        assert!(
            (hits - expected).abs() <= 4.0 * expected.sqrt(),
            "{ratio:?}"
        );
    }
}

#[test]
fn uniform_includes_both_ends() {
    let mut stream = Stream::new(1, "test", 0);
    let (min, max) = (Duration::from_nanos(5), Duration::from_nanos(7));
    let mut seen = [false; 3];
    for _ in 0..100 {
        seen[stream.uniform(min, max).as_nanos() as usize - 5] = true;
    }
    assert_eq!(seen, [true; 3]);
    assert_eq!(stream.uniform(max, min), max);
    assert_eq!(stream.uniform(max, max), max);
}

/// Asserts that the share of `samples` below each point is as given.
fn check_quantiles(samples: &[f64], quantiles: &[(f64, f64)]) {
    for &(point, share) in quantiles {
        let below = samples.iter().filter(|&&x| x < point).count() as f64;
        let got = below / samples.len() as f64;
        let sigma = (share * (1.0 - share) / samples.len() as f64).sqrt();
        assert!((got - share).abs() < 4.0 * sigma, "{point}: {got} {share}");
    }
}

fn check_moments(samples: &[f64], mean: f64, variance: f64) {
    let n = samples.len() as f64;
    let got_mean = samples.iter().sum::<f64>() / n;
    let got_variance = samples.iter().map(|x| (x - got_mean).powi(2)).sum::<f64>() / n;
    assert!((got_mean - mean).abs() < 0.01, "mean {got_mean}");
    assert!(
        (got_variance - variance).abs() < 0.02,
        "variance {got_variance}"
    );
}

#[test]
fn exponential_has_its_quantiles_and_moments() {
    let mut stream = Stream::new(1, "test", 0);
    let samples: Vec<f64> = (0..DRAWS)
        .map(|_| stream.exponential(SECOND).as_secs_f64())
        .collect();
    check_moments(&samples, 1.0, 1.0);
    // 1 − e^−x.
    check_quantiles(
        &samples,
        &[
            (0.105_36, 0.1),
            (0.693, 0.499_926),
            (2.3, 0.899_741),
            (4.605_17, 0.99),
            (6.907_755, 0.999),
        ],
    );
}

#[test]
fn normal_has_its_quantiles_and_moments() {
    let mut stream = Stream::new(1, "test", 0);
    let samples: Vec<f64> = (0..DRAWS)
        .map(|_| stream.normal_nanos(SECOND) as f64 / 1e9)
        .collect();
    check_moments(&samples, 0.0, 1.0);
    // Standard tables of the normal distribution.
    check_quantiles(
        &samples,
        &[
            (-3.090_232, 0.001),
            (-2.326_348, 0.01),
            (-1.281_552, 0.1),
            (0.0, 0.5),
            (0.674_490, 0.75),
            (1.644_854, 0.95),
            (3.090_232, 0.999),
        ],
    );
}

#[test]
fn normal_durations_stop_at_zero() {
    let mut stream = Stream::new(1, "test", 0);
    let zeros = (0..1_000)
        .filter(|_| stream.normal(Duration::ZERO, SECOND).is_zero())
        .count();
    assert!((400..600).contains(&zeros), "{zeros}");
}
