//! Summaries, merged distributions and differences of whole records.

mod fixture;

use orrery_reports::{
    asked,
    key::Key,
    record::{Metric, Record},
    stats::{Recorder, summarise},
};

fn with_values(a: &[f64], b: &[f64]) -> Record {
    let mut record = fixture::skewed_clocks(a.len() as u64);
    for (variant, values) in record.variants.iter_mut().zip([a, b]) {
        for (seed, value) in variant.seeds.iter_mut().zip(values) {
            let metric = Metric::Value {
                unit: "1".into(),
                value: *value,
            };
            seed.metrics = [(Key::of("m"), metric)].into();
        }
    }
    summarise(&mut record).expect("no histograms");
    record
}

#[test]
fn an_expectation_on_all_cells_of_a_grid_has_their_unit() {
    let mut record = fixture::skewed_clocks(2);
    for variant in &mut record.variants {
        for seed in &mut variant.seeds {
            let metric = Metric::Value {
                unit: "bit/s".into(),
                value: 7e6,
            };
            let key = "flow.goodput{congestion=cubic,loss=1%}";
            seed.metrics.insert(Key::read(key), metric);
        }
    }
    summarise(&mut record).expect("valid");
    for (expr, expected) in [
        ("flow.goodput > 4Mbit/s", "bit/s"),
        ("flow.goodput{loss=1%} > 4Mbit/s", "bit/s"),
        ("flow.goodput{congestion=cubic,loss=1%} > 4Mbit/s", "bit/s"),
        ("feed.delivery.latency.p99 < 3m", "ms"),
        ("flow.good > 4Mbit/s", ""),
    ] {
        let mut expectation = record.expectations[0].clone();
        expectation.expr = expr.into();
        let found = asked::expected_unit(&record, &expectation);
        assert_eq!(found, expected, "{expr}");
    }
}

#[test]
fn order_of_seeds_does_not_matter() {
    let summarised = fixture::skewed_clocks(10);
    let mut turned = summarised.clone();
    for variant in &mut turned.variants {
        variant.seeds.reverse();
        variant.seeds.swap(2, 7);
    }
    summarise(&mut turned).expect("valid");
    assert_eq!(turned, summarised);
    let seeds: Vec<&str> = turned.variants[0]
        .seeds
        .iter()
        .map(|s| s.seed.as_str())
        .collect();
    assert_eq!(seeds.join(" "), "1 2 3 4 5 6 7 8 9 10");
}

#[test]
fn merged_percentiles_are_those_of_all_samples() {
    let mut record = fixture::skewed_clocks(2);
    let mut whole = Recorder::of_microseconds();
    for (place, seed) in record.variants[0].seeds.iter_mut().enumerate() {
        let mut part = Recorder::of_microseconds();
        for sample in 0..5_000 {
            let (at_ns, us) = (sample * 7_000_000, sample * 100 + 400_000 * place as u64);
            part.record(at_ns, us);
            whole.record(at_ns, us);
        }
        seed.metrics.insert(Key::of("op.latency"), part.finish());
    }
    summarise(&mut record).expect("valid");
    assert_eq!(record.variants[0].merged["op.latency"], whole.finish());
}

#[test]
fn pairing_sees_through_worlds_that_differ_more_than_variants() {
    let a = [10.0, 90.0, 35.0, 70.0, 55.0, 20.0, 80.0, 45.0];
    let b = a.map(|value| value + 1.0 + value / 100.0);
    let record = with_values(&a, &b);
    let difference = &record.differences[0];
    assert_eq!(
        (difference.a.as_str(), difference.b.as_str()),
        ("after_ts", "cursor")
    );
    assert!(
        difference.significant && difference.mean > 1.0,
        "{difference:?}"
    );
    let [of_a, of_b] = [0, 1].map(|place: usize| record.variants[place].summary["m"].ci95);
    assert!(
        of_a[1] > of_b[0],
        "unpaired intervals overlap, so pairing did the work"
    );
}

#[test]
fn equal_variants_differ_by_nothing() {
    let record = with_values(
        &[3.0, 5.0, 4.0, 6.0, 8.0, 1.0],
        &[3.0, 5.0, 4.0, 6.0, 8.0, 1.0],
    );
    let difference = &record.differences[0];
    assert_eq!(
        (difference.mean, difference.ci95, difference.n),
        (0.0, [0.0, 0.0], 6)
    );
    assert!(!difference.significant);
}

#[test]
fn five_pairs_are_never_significant() {
    let record = with_values(&[1.0, 2.0, 3.0, 4.0, 5.0], &[11.0, 12.5, 13.0, 14.2, 15.0]);
    assert!(record.differences[0].ci95[0] > 0.0 && !record.differences[0].significant);
}

#[test]
fn a_seed_that_ended_early_is_left_out() {
    let mut record = with_values(&[1.0, 1.0, 1.0, 900.0], &[2.0, 2.0, 2.0, 2.0]);
    record.variants[0].seeds[3].failure = Some("stalled".into());
    summarise(&mut record).expect("no histograms");
    let summary = &record.variants[0].summary["m"];
    assert_eq!((summary.mean, summary.n), (1.0, 3));
    assert_eq!(
        (record.differences[0].mean, record.differences[0].n),
        (1.0, 3)
    );
}

#[test]
fn a_broken_histogram_is_an_error() {
    let mut record = fixture::skewed_clocks(1);
    for metric in record.variants[0].seeds[0].metrics.values_mut() {
        if let Metric::Distribution { histogram, .. } = metric {
            *histogram = Some("nonsense".into());
        }
    }
    assert!(matches!(
        summarise(&mut record),
        Err(orrery_reports::Error::Histogram(_))
    ));
}
