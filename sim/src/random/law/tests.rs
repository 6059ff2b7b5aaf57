use super::*;
use crate::units::Ratio;

const DRAWS: usize = 40_000;
const MINUTE: Duration = Duration::from_mins(1);

fn stream() -> Stream {
    Stream::new(1, "test", 0)
}

/// The lifetimes of Steiner et al. (2009): sessions and absences.
fn kad() -> (Weibull, Weibull) {
    let law = |shape, minutes| Weibull::new(shape, MINUTE.mul_f64(minutes)).unwrap();
    (law(0.61511, 169.5385), law(0.47648, 413.6765))
}

fn minutes(duration: Duration) -> f64 {
    duration.as_secs_f64() / 60.0
}

/// Asserts by Kolmogorov and Smirnov that `samples` follow `distribution`, at p > 0.001.
fn check_follows(mut samples: Vec<f64>, distribution: impl Fn(f64) -> f64) {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let distance = samples
        .iter()
        .enumerate()
        .map(|(index, &x)| {
            let (below, share) = (index as f64 / n, distribution(x));
            (share - below).abs().max((share - below - 1.0 / n).abs())
        })
        .fold(0.0, f64::max);
    assert!(distance < 1.95 / n.sqrt(), "distance {distance}");
}

/// Asserts that `mean()` is what is drawn on average, to `tolerance`, and that length-biased draws
/// are so often above `point` as the mass of lifetimes there is.
fn check_biased(law: &dyn Law, point: Duration, tolerance: f64) {
    let mut stream = stream();
    let samples: Vec<f64> = (0..DRAWS).map(|_| minutes(law.draw(&mut stream))).collect();
    let sum: f64 = samples.iter().sum();
    let mean = minutes(law.mean());
    let got = sum / DRAWS as f64;
    assert!(
        (got / mean - 1.0).abs() < tolerance,
        "{law:?}: {got} {mean}"
    );
    let point = minutes(point);
    let mass: f64 = samples.iter().filter(|&&x| x > point).sum();
    let above = (0..DRAWS)
        .filter(|_| minutes(law.draw_length_biased(&mut stream)) > point)
        .count() as f64;
    let difference = above / DRAWS as f64 - mass / sum;
    assert!(difference.abs() < tolerance, "{law:?}: {difference}");
}

#[test]
fn sessions_and_absences_of_kad_follow_their_laws() {
    let (sessions, absences) = kad();
    let mut stream = stream();
    for (law, shape, scale, mean) in [
        (sessions, 0.61511, 169.5385, 247.143),
        (absences, 0.47648, 413.6765, 907.99),
    ] {
        let samples = (0..DRAWS).map(|_| minutes(law.draw(&mut stream))).collect();
        check_follows(samples, |t| 1.0 - (-(t / scale).powf(shape)).exp());
        let got = minutes(law.mean());
        assert!((got / mean - 1.0).abs() < 2e-4, "{got}");
    }
}

#[test]
fn what_is_left_in_the_steady_state_follows_the_tail() {
    // The density of what is left is the share of lifetimes that are longer, over the mean; for
    // the exponential law that is the law itself.
    let mut stream = stream();
    let exponential = Exponential::new(MINUTE);
    let samples = (0..DRAWS)
        .map(|_| minutes(residual(&exponential, &mut stream)))
        .collect();
    check_follows(samples, |t| 1.0 - (-t).exp());
    // Of the Weibull law with shape ½ it is 1 − (1 + √t) e^−√t.
    let weibull = Weibull::new(0.5, MINUTE).unwrap();
    let samples = (0..DRAWS)
        .map(|_| minutes(residual(&weibull, &mut stream)))
        .collect();
    check_follows(samples, |t| 1.0 - (1.0 + t.sqrt()) * (-t.sqrt()).exp());
}

#[test]
fn long_lifetimes_are_met_as_often_as_they_are_long() {
    let (sessions, _) = kad();
    check_biased(&sessions, MINUTE * 500, 0.05);
    check_biased(&Exponential::new(MINUTE), MINUTE * 2, 0.02);
    check_biased(&LogNormal::new(MINUTE, 0.8).unwrap(), MINUTE * 3, 0.03);
    check_biased(&Pareto::new(3.5, MINUTE).unwrap(), MINUTE * 2, 0.03);
    let share = |percent| Ratio::from_percent(percent);
    let measured = Empirical::new(vec![
        (share(0), Duration::ZERO),
        (share(50), MINUTE * 2),
        (share(80), MINUTE * 8),
        (share(100), MINUTE * 24),
    ]);
    check_biased(&measured.unwrap(), MINUTE * 8, 0.02);
}

#[test]
fn log_normal_and_pareto_follow_their_laws() {
    let mut stream = stream();
    let pareto = Pareto::new(1.2, MINUTE).unwrap();
    let samples = (0..DRAWS)
        .map(|_| minutes(pareto.draw(&mut stream)))
        .collect();
    check_follows(samples, |t| 1.0 - t.powf(-1.2));
    let log_normal = LogNormal::new(MINUTE, 2.0).unwrap();
    let below = (0..DRAWS)
        .filter(|_| log_normal.draw(&mut stream) < MINUTE.mul_f64((2.0_f64 * 1.281_552).exp()))
        .count();
    assert!((35_800..36_200).contains(&below), "{below} of 90 %");
}

#[test]
fn a_population_is_in_its_steady_state_from_the_first_minute_on() {
    let (sessions, absences) = kad();
    let (on, off) = (minutes(sessions.mean()), minutes(absences.mean()));
    let expected = on / (on + off);
    let mut stream = stream();
    let ends: Vec<(bool, f64)> = (0..DRAWS)
        .map(|_| {
            let online = stream.chance(Ratio::from_f64(expected).unwrap());
            let law: &dyn Law = if online { &sessions } else { &absences };
            (online, minutes(residual(law, &mut stream)))
        })
        .collect();
    // Two hours of every host, and how many are online at four moments.
    let mut online_at = [0_u32; 4];
    for (mut online, mut until) in ends {
        for (count, moment) in online_at.iter_mut().zip([0.0, 1.0, 30.0, 120.0]) {
            while until <= moment {
                online = !online;
                let law: &dyn Law = if online { &sessions } else { &absences };
                until += minutes(law.draw(&mut stream)).max(1e-9);
            }
            *count += u32::from(online);
        }
    }
    for count in online_at {
        let share = f64::from(count) / DRAWS as f64;
        assert!((share - expected).abs() < 0.008, "{share} {expected}");
        assert!((share - 0.214).abs() < 0.009, "{share}");
    }
}

#[test]
fn measured_lifetimes_have_their_quantiles() {
    let share = |percent| Ratio::from_percent(percent);
    let law = Empirical::new(vec![
        (share(0), MINUTE),
        (share(50), MINUTE * 3),
        (share(100), MINUTE * 3),
    ])
    .unwrap();
    let mut stream = stream();
    let samples: Vec<f64> = (0..DRAWS).map(|_| minutes(law.draw(&mut stream))).collect();
    let longest = samples.iter().filter(|&&x| x >= 3.0).count();
    assert!((19_600..20_400).contains(&longest), "{longest}");
    let short = samples.iter().filter(|&&x| x < 2.0).count();
    assert!((9_600..10_400).contains(&short), "{short}");
    assert!(samples.iter().all(|&x| (1.0..=3.0).contains(&x)));
}

#[test]
fn what_is_no_law_is_refused() {
    assert_eq!(Weibull::new(0.0, MINUTE), None);
    assert_eq!(Weibull::new(f64::NAN, MINUTE), None);
    assert_eq!(Pareto::new(1.0, MINUTE), None);
    assert_eq!(LogNormal::new(MINUTE, -1.0), None);
    let share = |percent| Ratio::from_percent(percent);
    assert_eq!(Empirical::new(Vec::new()), Err(BadQuantiles::Ends));
    assert_eq!(
        Empirical::new(vec![(share(0), MINUTE), (share(90), MINUTE)]),
        Err(BadQuantiles::Ends)
    );
    let falls = [(0, 1), (50, 3), (60, 2), (100, 4)].map(|(s, m)| (share(s), MINUTE * m));
    assert_eq!(Empirical::new(falls.to_vec()), Err(BadQuantiles::Falls(2)));
}
