//! What reports state of random grids: no sentence says more than the intervals of its cells, no cell and
//! no seed is missing in silence, and each figure on the page is one of `result.json`.

mod fixture;

use std::collections::BTreeMap;

use orrery_reports::{
    answer,
    format::{html_prose, interval_parts, numbers_beside},
    html,
    key::Key,
    matrix::matrices,
    record::{Difference, Dimension, Interval, Metric, Record, SeedResult, Variant},
    stats::{PAIRS_MIN, summarise},
    summary_md,
    table::{Colour, table},
};
use proptest::prelude::*;

/// The values of the one dimension, which is an axis.
const RATES: [&str; 3] = ["1", "2", "5"];

/// A time that seeds may lack, a count, and a yes or no that seeds may lack.
const FIGURES: [&str; 3] = ["op.time", "op.lost", "op.held"];

/// What a seed has of one cell.
#[derive(Debug, Clone)]
struct Seen {
    time_ms: Option<u32>,
    lost: u32,
    held: Option<bool>,
}

fn seen() -> impl Strategy<Value = Seen> {
    let time_ms = prop::option::weighted(0.9, 1_u32..30);
    let held = prop::option::weighted(0.9, prop::bool::weighted(0.9));
    (time_ms, 0_u32..3, held).prop_map(|(time_ms, lost, held)| Seen {
        time_ms,
        lost,
        held,
    })
}

/// How much a cell adds to what its seeds have seen, so that some cells differ for certain.
type Added = [u32; 2];

fn metrics(cells: &[Seen], added: &[Added]) -> BTreeMap<Key, Metric> {
    let value = |unit: &str, value: f64| Metric::Value {
        unit: unit.into(),
        value,
    };
    let mut all = BTreeMap::new();
    for ((rate, seen), [later, more]) in RATES.iter().zip(cells).zip(added) {
        let key = |metric: &str| Key::of(metric).with("rate", rate);
        let lost = f64::from(seen.lost + more);
        all.insert(key("op.lost"), value("1", lost));
        if let Some(time_ms) = seen.time_ms {
            all.insert(key("op.time"), value("ms", f64::from(time_ms + later)));
        }
        if let Some(held) = seen.held {
            all.insert(key("op.held"), value("ratio", f64::from(u8::from(held))));
        }
    }
    all
}

/// A record of one to three variants with one to ten seeds, in two or three cells.
fn record() -> impl Strategy<Value = Record> {
    (1_usize..11, 1_usize..4, 2_usize..4)
        .prop_flat_map(|(seeds, variants, cells)| {
            let seen = prop::collection::vec(seen(), cells);
            let steps = prop::array::uniform2(prop::sample::select(vec![0_u32, 40]));
            let added = prop::collection::vec(steps, cells);
            let variant = (prop::collection::vec(seen, seeds), added);
            prop::collection::vec(variant, variants)
        })
        .prop_map(|all| {
            let mut record = fixture::skewed_clocks(1);
            let cells = all[0].1.len();
            record.expectations.clear();
            record.marks.clear();
            record.losses = None;
            record.report = FIGURES.map(str::to_owned).to_vec();
            record.grid = vec![Dimension {
                label: "rate".into(),
                values: RATES[..cells].iter().map(ToString::to_string).collect(),
            }];
            let variants = all.iter().enumerate();
            record.variants = variants
                .map(|(place, (seeds, added))| Variant {
                    name: format!("variant-{place}"),
                    seeds: (1..)
                        .zip(seeds)
                        .map(|(nth, seen): (u32, _)| SeedResult {
                            seed: nth.to_string(),
                            trace_hash: format!("{nth:064x}"),
                            metrics: metrics(seen, added),
                            ..SeedResult::default()
                        })
                        .collect(),
                    ..Variant::default()
                })
                .collect();
            summarise(&mut record).expect("no histograms");
            record
        })
}

fn cell(record: &Record, variant: &str, figure: &str, rate: &str) -> Option<Interval> {
    let mut variants = record.variants.iter();
    let variant = variants.find(|known| known.name == variant);
    let key = Key::of(figure).with("rate", rate);
    variant.expect("it is there").summary.get(&key).copied()
}

/// Whether chance parts two sets of seeds, that are alike, from each other in less than one of twenty cases.
fn is_rare(a: u32, b: u32) -> bool {
    let ways = (1..=u64::from(a)).fold(1.0, |ways, k| ways * (u64::from(b) + k) as f64 / k as f64);
    2.0 / ways < 0.05
}

/// What a sentence says of a figure from one end of the axis to the other; whether it was such a sentence.
fn check_along(record: &Record, figure: &str, sentence: &str) -> bool {
    let said = [
        "rises from",
        "falls from",
        "is not shown to change from",
        "goes, in",
    ];
    let Some(said) = said.into_iter().find(|said| sentence.contains(said)) else {
        return false;
    };
    let named = record.variants.iter().map(|variant| &variant.name);
    let mut named = named.filter(|name| sentence.contains(&format!("with variant {name} ")));
    let variant = named.next_back().unwrap_or(&record.variants[0].name);
    let last = record.grid[0].values.last().expect("there are two");
    let [from, to] = ["1", last].map(|rate| cell(record, variant, figure, rate).expect(sentence));
    let enough = is_rare(from.n, to.n);
    let holds = match said {
        "rises from" => enough && to.ci95[0] > from.ci95[1],
        "falls from" => enough && to.ci95[1] < from.ci95[0],
        "goes, in" => !enough,
        _ => enough && to.ci95[0] <= from.ci95[1] && from.ci95[0] <= to.ci95[1],
    };
    assert!(holds, "{sentence} {from:?} {to:?}");
    let played = record.variants[0].seeds.len() as u32;
    for end in [from, to].iter().filter(|end| end.n < played) {
        assert!(sentence.contains(&format!("(n = {})", end.n)), "{sentence}");
    }
    true
}

fn of_pair<'a>(record: &'a Record, figure: &str, further: &str) -> Vec<&'a Difference> {
    let first = &record.variants[0].name;
    let all = record.differences.iter();
    let all = all.filter(|d| d.a == *first && d.b == further && d.metric.metric() == figure);
    all.collect()
}

/// What a sentence says of two variants, cell by cell; whether it was such a sentence.
fn check_variants(record: &Record, figure: &str, sentence: &str) -> bool {
    let first = &record.variants[0].name;
    let mut further = record.variants.iter().skip(1).map(|variant| &variant.name);
    let speaks_of = |name: &&String| {
        let pairs = [
            format!("with {name} than with {first} in"),
            format!("the same with {name} and {first} in"),
            format!("between {name} and {first} in any cell"),
            format!("with {name} against {first}:"),
        ];
        pairs.iter().any(|pair| sentence.contains(pair))
    };
    let Some(further) = further.find(speaks_of) else {
        return false;
    };
    let cells = of_pair(record, figure, further);
    let are_enough = |d: &&&Difference| d.n as usize >= PAIRS_MIN;
    let [higher, lower, equal] = [
        |d: &&&Difference| d.ci95[0] > 0.0,
        |d: &&&Difference| d.ci95[1] < 0.0,
        |d: &&&Difference| d.ci95 == [0.0, 0.0],
    ]
    .map(|is| cells.iter().filter(is).count());
    let all = cells.len();
    assert!(all > 0, "{sentence}");
    let is_sure = cells.iter().filter(are_enough).count() == all;
    let holds = if sentence.contains(" is the same with ") {
        equal == all
    } else if sentence.contains(" is higher with ") {
        is_sure && higher == all
    } else if sentence.contains(" is lower with ") {
        is_sure && lower == all
    } else if sentence.contains(" is not shown to differ between ") {
        higher + lower == 0 && cells.iter().all(|d| are_enough(&d) || d.ci95 == [0.0, 0.0])
    } else {
        let counts = format!(
            "higher in {higher} of {all} cells, lower in {lower}, not shown to differ in {}",
            all - higher - lower
        );
        sentence.contains(&counts)
    };
    assert!(holds, "{sentence} {cells:?}");
    let missing = record.grid[0].values.len() - all;
    let words = format!("no event in {missing} further cell");
    assert_eq!(sentence.contains(&words), missing > 0, "{sentence}");
    let fewest = cells.iter().map(|d| d.n as usize).min().unwrap_or(0);
    let played = record.variants[0].seeds.len();
    let words = format!("n = {fewest} of {played} ");
    assert_eq!(sentence.contains(&words), fewest < played, "{sentence}");
    true
}

/// What a sentence says of yes and no; whether it was such a sentence.
fn check_yes_no(record: &Record, figure: &str, sentence: &str) -> bool {
    if !sentence.contains(" is 100 % in ") {
        return false;
    }
    let rates = &record.grid[0].values;
    let of = |variant: &Variant| {
        let cells = rates
            .iter()
            .map(|rate| cell(record, &variant.name, figure, rate));
        cells.collect::<Vec<_>>()
    };
    let cells: Vec<Option<Interval>> = record.variants.iter().flat_map(of).collect();
    let figures: Vec<Interval> = cells.iter().copied().flatten().collect();
    let of_all = |value: f64| figures.iter().filter(|it| it.is_all(value)).count();
    let (yes, no) = (of_all(1.0), of_all(0.0));
    assert_eq!(yes + no, figures.len(), "{sentence}");
    let counts = format!(
        "100 % in {yes} of {} cells, and 0 % in the other {no}",
        figures.len()
    );
    assert!(sentence.contains(&counts), "{sentence}");
    let missing = cells.len() - figures.len();
    assert_eq!(
        sentence.contains("; no event in "),
        missing > 0,
        "{sentence}"
    );
    true
}

fn check_sentences(record: &Record) {
    for sentence in answer::sentences(record) {
        let figure = sentence.split(' ').next().unwrap_or_default();
        assert!(FIGURES.contains(&figure), "{sentence}");
        let checks = [check_along, check_variants, check_yes_no];
        let checked = checks
            .iter()
            .filter(|check| check(record, figure, &sentence));
        assert_eq!(checked.count(), 1, "{sentence}");
    }
}

/// A cell over fewer seeds than were played says so in every report, and one without any is empty.
fn check_missing(record: &Record) {
    let reports = [
        table(record, Colour::Never),
        summary_md::summary(record),
        html::page(record).expect("valid"),
    ];
    let played = record.variants[0].seeds.len() as u32;
    for (variant, figure) in record
        .variants
        .iter()
        .flat_map(|variant| FIGURES.map(|figure| (variant, figure)))
    {
        for rate in &record.grid[0].values {
            let missing = cell(record, &variant.name, figure, rate).filter(|it| it.n < played);
            for (cell, report) in missing
                .iter()
                .flat_map(|it| reports.iter().map(move |r| (it, r)))
            {
                assert!(figure != "op.lost", "a count has all seeds");
                assert!(
                    report.contains(&format!("n = {}", cell.n)),
                    "{cell:?}\n{report}"
                );
            }
        }
    }
}

/// Each figure of the page with its interval is a mean over seeds or a difference of `result.json`, as its
/// unit writes it.
fn check_figures(record: &Record) {
    let (all, _) = matrices(record);
    let greatest = |figure: &str| {
        let matrix = all.iter().find(|matrix| matrix.figure == *figure);
        matrix.map(|matrix| matrix.scale.greatest)
    };
    let mut known: Vec<[String; 2]> = Vec::new();
    for (key, interval) in record.variants.iter().flat_map(|variant| &variant.summary) {
        let (unit, figure) = match key.metric() {
            "op.time" => ("ms", "op.time"),
            "op.held" => ("ratio", "op.held"),
            _ => ("1", "op.lost"),
        };
        let (mean, ends) = interval_parts(interval.mean, interval.ci95, unit, false);
        known.push([mean, ends]);
        if let Some(greatest) = greatest(figure) {
            let (mean, ends) = numbers_beside(interval.mean, interval.ci95, greatest, unit);
            known.push([mean, ends]);
        }
    }
    let known: Vec<String> = known.concat().iter().map(|text| html_prose(text)).collect();
    let page = html::page(record).expect("valid");
    let shown = page.split("<span class=\"figure-value\">").skip(1);
    for shown in shown {
        let (mean, rest) = shown.split_once("</span>").expect("it ends");
        assert!(known.iter().any(|it| it == mean), "{mean} {known:?}");
        let ends = rest
            .strip_prefix("<small>[")
            .and_then(|rest| rest.split_once("</small>"));
        let Some((ends, _)) = ends else { continue };
        let ends = format!("[{ends}");
        assert!(known.contains(&ends), "{ends} {known:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sentence_on_a_grid_contradicts_its_cells_and_nothing_is_missing_in_silence(
        record in record()
    ) {
        check_sentences(&record);
        check_missing(&record);
        check_figures(&record);
    }
}

/// Three seeds at each end lie apart by chance in one of ten cases.
#[test]
fn so_few_seeds_that_chance_parts_them_show_no_rise() {
    for (seeds, said) in [(3, "goes, in 3 seeds, from"), (4, "rises from")] {
        let mut record = fixture::skewed_clocks(1);
        record.expectations.clear();
        record.report = vec!["op.time".into()];
        record.grid = vec![Dimension {
            label: "rate".into(),
            values: ["1", "2"].map(str::to_owned).to_vec(),
        }];
        record.variants.truncate(1);
        let of = |nth: u32| SeedResult {
            seed: nth.to_string(),
            metrics: metrics(
                &[nth, nth].map(|nth| Seen {
                    time_ms: Some(nth),
                    lost: 0,
                    held: None,
                }),
                &[[0, 0], [40, 0]],
            ),
            ..SeedResult::default()
        };
        record.variants[0].seeds = (1..=seeds).map(of).collect();
        summarise(&mut record).expect("no histograms");
        let found = answer::sentences(&record).remove(0);
        assert!(found.contains(said), "{found}");
    }
}
