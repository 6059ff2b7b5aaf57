//! What reports state of random records: nothing that contradicts an interval, and no seed that is
//! missing in silence.

mod fixture;

use std::collections::BTreeMap;

use orrery_reports::{
    headline::{self, Row},
    html,
    key::Key,
    metrics_csv,
    record::{Difference, Dimension, Expectation, Judged, Metric, Record, SeedResult, Variant},
    stats::{PAIRS_MIN, Recorder, summarise},
    summary_md,
    table::{Colour, table},
};
use proptest::prelude::*;

/// Figures that each record may have, one of each kind.
const FIGURES: [&str; 5] = [
    "op.latency.p50",
    "op.lost{cause=cut}",
    "op.lost",
    "op.share",
    "op.size",
];

/// What one seed has seen.
#[derive(Debug, Clone)]
struct Seen {
    ended_early: bool,
    samples_us: Vec<u64>,
    lost: u64,
    share: Option<f64>,
    size: u32,
}

fn seen() -> impl Strategy<Value = Seen> {
    let samples = prop::collection::vec(1_000_u64..60_000_000, 0..4);
    let share = prop::option::weighted(0.8, 0.0..=1.0);
    (
        prop::bool::weighted(0.1),
        samples,
        0_u64..4,
        share,
        0_u32..2_000,
    )
        .prop_map(|(ended_early, samples_us, lost, share, size)| Seen {
            ended_early,
            samples_us,
            lost,
            share,
            size,
        })
}

fn result(seed: usize, seen: &Seen) -> SeedResult {
    let value = |unit: &str, value: f64| Metric::Value {
        unit: unit.into(),
        value,
    };
    let mut metrics = BTreeMap::from([
        (Key::of("op.lost"), value("1", seen.lost as f64)),
        (Key::of("op.size"), value("B", f64::from(seen.size))),
    ]);
    if seen.lost > 0 {
        let key = Key::of("op.lost").with("cause", "cut");
        metrics.insert(key, value("1", seen.lost as f64));
    }
    if let Some(share) = seen.share {
        metrics.insert(Key::of("op.share"), value("ratio", share));
    }
    let mut latency = Recorder::of_microseconds();
    for sample in &seen.samples_us {
        latency.record(0, *sample);
    }
    // An engine leaves out what nothing came of, or tells it without samples.
    if latency.count() > 0 || seed.is_multiple_of(2) {
        metrics.insert(Key::of("op.latency"), latency.finish());
    }
    SeedResult {
        seed: seed.to_string(),
        trace_hash: format!("{seed:064x}"),
        failure: seen.ended_early.then(|| "it panicked".into()),
        metrics,
        ..SeedResult::default()
    }
}

fn record() -> impl Strategy<Value = Record> {
    (1_usize..11, 1_usize..4)
        .prop_flat_map(|(seeds, variants)| {
            prop::collection::vec(prop::collection::vec(seen(), seeds), variants)
        })
        .prop_map(|all| {
            let mut record = fixture::skewed_clocks(1);
            let variants = all.iter().enumerate();
            record.variants = variants
                .map(|(place, seeds)| Variant {
                    name: format!("variant-{place}"),
                    seeds: (1..)
                        .zip(seeds)
                        .map(|(nth, seen)| result(nth, seen))
                        .collect(),
                    ..Variant::default()
                })
                .collect();
            record.expectations = FIGURES.map(|figure| expected(&record, figure)).to_vec();
            summarise(&mut record).expect("valid histograms");
            record
        })
}

fn expected(record: &Record, figure: &str) -> Expectation {
    let judged = |variant: &Variant| Judged {
        variant: variant.name.clone(),
        key: Key::read(figure),
        value: None,
        held: true,
        seeds: variant.seeds.len() as u32,
        missing: 0,
        worst_seed: None,
    };
    Expectation {
        expr: format!("{figure} >= 0"),
        value: None,
        held: true,
        bound: ">= 0".into(),
        figures: record.variants.iter().map(judged).collect(),
    }
}

fn whole_seeds(variant: &Variant) -> Vec<&SeedResult> {
    let seeds = variant.seeds.iter();
    seeds.filter(|seed| seed.failure.is_none()).collect()
}

/// What a statement may say of a difference.
fn may_say(difference: &Difference) -> &'static str {
    let [low, high] = difference.ci95;
    let enough = difference.n as usize >= PAIRS_MIN;
    match () {
        () if low == 0.0 && high == 0.0 => "the same",
        () if !enough => "with",
        () if low > 0.0 => "higher",
        () if high < 0.0 => "lower",
        () => "not shown to differ",
    }
}

fn check_sentences(record: &Record, rows: &[Row]) {
    let sentences = headline::sentences(record);
    let claims = ["the same", "higher", "lower", "not shown to differ"];
    for row in rows {
        for difference in row.differences.iter().flatten() {
            let of_row = |sentence: &&String| {
                let start = format!("{} ", row.key);
                sentence.starts_with(&start) && sentence.contains(&difference.b)
            };
            let sentence = sentences
                .iter()
                .find(of_row)
                .expect("one of each difference");
            let said: Vec<&str> = claims
                .into_iter()
                .filter(|claim| sentence.contains(&format!("is {claim}")))
                .collect();
            let expected = may_say(difference);
            let expected: Vec<&str> = claims.into_iter().filter(|it| *it == expected).collect();
            assert_eq!(said, expected, "{sentence} {difference:?}");
        }
    }
}

fn check_words(record: &Record, rows: &[Row]) {
    for row in rows {
        for (place, difference) in (1..).zip(&row.differences) {
            let compared = headline::compared(record, row, place);
            let (Some(difference), Some(compared)) = (difference, compared) else {
                assert!(difference.is_none());
                continue;
            };
            let [low, high] = difference.ci95;
            let words = compared.words.split(',').next().unwrap_or_default();
            match words {
                "higher" => assert!(low > 0.0 && difference.n as usize >= PAIRS_MIN),
                "lower" => assert!(high < 0.0 && difference.n as usize >= PAIRS_MIN),
                "undecided" => assert!(low <= 0.0 && high >= 0.0),
                "equal" => assert!(low.abs() + high.abs() == 0.0, "{difference:?}"),
                _ => assert!((difference.n as usize) < PAIRS_MIN, "{compared:?}"),
            }
            assert_eq!(row.unit == "ratio", compared.mean.ends_with("points"));
            assert!(row.unit != "ratio" || compared.relative.is_none());
            // Else the sign of the relative difference would be another.
            if let Some(relative) = &compared.relative {
                assert_eq!(relative.starts_with('+'), compared.mean.starts_with('+'));
            }
        }
    }
}

/// A mean over fewer seeds than were played says so in every report; counts have all seeds.
fn check_missing(record: &Record, rows: &[Row]) {
    let reports = [
        table(record, Colour::Never),
        summary_md::summary(record),
        html::page(record).expect("valid"),
    ];
    for row in rows {
        for (variant, cell) in record.variants.iter().zip(&row.cells) {
            let played = whole_seeds(variant).len();
            let Some(cell) = cell else { continue };
            let missing = played - cell.n as usize;
            assert!(missing == 0 || row.key.metric() != "op.lost", "{row:?}");
            let noun = if played == 1 { "seed" } else { "seeds" };
            let words = format!("n = {}: no event in {missing} of {played} {noun}", cell.n);
            for report in &reports {
                assert!(missing == 0 || report.contains(&words), "{words}\n{report}");
            }
        }
    }
}

fn check_counts(record: &Record) {
    let csv = metrics_csv::table(record).expect("fits");
    for variant in &record.variants {
        let seeds = whole_seeds(variant);
        let lost = |seed: &&SeedResult| match seed.metrics["op.lost"] {
            Metric::Value { value, .. } => value,
            Metric::Distribution { .. } => 0.0,
        };
        let mean = seeds.iter().map(lost).sum::<f64>() / seeds.len().max(1) as f64;
        let Some(by_cause) = variant.summary.get("op.lost{cause=cut}") else {
            continue;
        };
        assert!((by_cause.mean - mean).abs() < 1e-6, "{by_cause:?} {mean}");
        for seed in seeds {
            let row = format!(
                ",{},wire,{},op.lost,cause=cut,value,",
                variant.name, seed.seed
            );
            assert_eq!(csv.matches(&row).count(), 1, "{row}");
            let row = format!(",{},wire,{},op.latency,,count,", variant.name, seed.seed);
            let some = variant.summary.contains_key("op.latency.count");
            assert_eq!(csv.matches(&row).count(), usize::from(some), "{row}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_statement_contradicts_its_interval_and_no_seed_is_missing_in_silence(record in record()) {
        let rows = headline::rows(&record);
        let rows: Vec<Row> = rows.into_iter().filter(|row| row.named.is_some()).collect();
        check_sentences(&record, &rows);
        check_words(&record, &rows);
        check_missing(&record, &rows);
        check_counts(&record);
    }
}

/// Five seeds, two of which lost nothing by the cause: the mean is over five.
#[test]
fn a_seed_in_which_nothing_came_of_a_cause_counts_as_none() {
    let seen = |lost| Seen {
        ended_early: false,
        samples_us: Vec::new(),
        lost,
        share: None,
        size: 1,
    };
    let mut record = fixture::skewed_clocks(1);
    record.variants.truncate(1);
    let losses = (1..).zip([0, 3, 0, 5, 2]);
    record.variants[0].seeds = losses.map(|(nth, lost)| result(nth, &seen(lost))).collect();
    summarise(&mut record).expect("no histograms");
    let lost = record.variants[0].summary["op.lost{cause=cut}"];
    assert!((lost.mean - 2.0).abs() < 1e-9 && lost.n == 5, "{lost:?}");
    assert_eq!(record.variants[0].summary["op.latency.count"].n, 5);
    assert!(!record.variants[0].summary.contains_key("op.latency.p50"));
}

/// What one cell of a grid counts under a cause, the others count, too.
#[test]
fn a_cell_in_which_nothing_came_of_a_cause_counts_as_none() {
    let mut record = fixture::skewed_clocks(1);
    record.variants.truncate(1);
    record.grid = vec![Dimension {
        label: "rate".into(),
        values: vec!["1".into(), "2".into()],
    }];
    let count = |value: f64| Metric::Value {
        unit: "1".into(),
        value,
    };
    let told = [
        "op.lost{rate=1}",
        "op.lost{cause=cut,rate=1}",
        "op.lost{rate=2}",
    ];
    let figures = told.map(Key::read).into_iter().zip([3.0, 3.0, 0.0]);
    let seed = &mut record.variants[0].seeds[0];
    seed.metrics = figures.map(|(key, value)| (key, count(value))).collect();
    summarise(&mut record).expect("no histograms");
    let summary = &record.variants[0].summary;
    assert!(summary["op.lost{cause=cut,rate=1}"].is_all(3.0));
    assert!(summary["op.lost{cause=cut,rate=2}"].is_all(0.0));
}
