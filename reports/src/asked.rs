//! Which figures a record is asked for, and in which units they are.

use crate::{
    key::{Key, Labels},
    record::{Expectation, Metric, Record},
};

/// The figures of its `report` and of its charts.
pub fn asked(record: &Record) -> Vec<Key> {
    let charts = record.charts.iter().map(|chart| &chart.y);
    let mut all: Vec<Key> = Vec::new();
    for figure in record.report.iter().chain(charts) {
        let key = Key::read(figure);
        if !all.contains(&key) {
            all.push(key);
        }
    }
    all
}

/// The unit of a figure; empty if no seed has it.
pub fn unit_of(record: &Record, key: &Key) -> String {
    let mut seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    let whole = key.without_stat();
    let unit = match seeds.find_map(|seed| seed.metrics.get(&*whole)) {
        Some(Metric::Distribution { unit, .. } | Metric::Value { unit, .. }) => unit,
        None => "",
    };
    key.stat().map_or(unit, |stat| stat.unit(unit)).to_owned()
}

/// The unit of the figures that an expectation speaks of; empty if no seed has them.
///
/// Labels are left aside: without them, an expectation speaks of every cell of a grid, and all
/// cells have the metric's unit.
pub fn expected_unit(record: &Record, expectation: &Expectation) -> String {
    let first = expectation.figures.first().map(|judged| judged.key.clone());
    let Some(asked) = first.or_else(|| expectation.subject()) else {
        return String::new();
    };
    let bare = |key: &Key| key.with_labels(Labels::NONE);
    let asked = bare(&asked);
    let mut variants = record.variants.iter();
    let mut keys = variants.by_ref().flat_map(|variant| variant.summary.keys());
    keys.find(|key| bare(key) == asked)
        .map_or_else(String::new, |key| unit_of(record, key))
}
