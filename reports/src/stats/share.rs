//! Shares of samples up to a bound, as figures of distributions: `feed.delivery.latency.within(30s)`.
//!
//! Owns the form of such a figure, and which of them a record wants: those that its expectations
//! name. They come from histograms, so a bound is as sharp as these: to 0.1 %.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stat, histogram};
use crate::{
    key::Key,
    record::{Metric, Record},
};

/// Units of a bound in nanoseconds, for metrics of time.
const TIMES_NS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("min", 6e10),
    ("m", 6e10),
    ("h", 3.6e12),
    ("d", 8.64e13),
];

/// Units of a bound in bytes.
const BYTES: [(&str, f64); 9] = [
    ("", 1.0),
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("KiB", 1024.0),
    ("MB", 1e6),
    ("MiB", 1024.0 * 1024.0),
    ("GB", 1e9),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
];

/// The share of a distribution's samples up to a bound as it is written; `None` if that cannot be
/// read, or the histogram was not kept.
pub(super) fn share_within(metric: &Metric, bound: &str) -> Option<f64> {
    let Metric::Distribution {
        unit,
        count: 1..,
        histogram: Some(text),
        ..
    } = metric
    else {
        return None;
    };
    // Durations are kept in microseconds.
    let bound = match unit.as_str() {
        "ms" => sum_of(bound, &TIMES_NS)? / 1e3,
        "B" => sum_of(bound, &BYTES)?,
        _ => bound.parse().ok()?,
    };
    let whole = histogram::decode(text).ok()?;
    let below = whole.count_between(0, bound.floor().max(0.0) as u64);
    Some(below as f64 / whole.len() as f64)
}

/// The sum of numbers with units, such as `1m30s`.
fn sum_of(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
        let end = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
        sum += number.replace('_', "").parse::<f64>().ok()? * factor;
        rest = after.trim_start();
    }
    Some(sum)
}

/// The shares that a record wants, by the metric's plain name.
#[derive(Debug, Default)]
pub(crate) struct Shares(BTreeMap<String, BTreeSet<Stat>>);

impl Shares {
    /// Those that its expectations name.
    pub(crate) fn of(record: &Record) -> Self {
        let mut all = Self::default();
        let figures = record.expectations.iter().flat_map(|e| &e.figures);
        for judged in figures {
            if let Some(stat @ Stat::Within(_)) = judged.key.stat() {
                let stats = all.0.entry(judged.key.metric().to_owned()).or_default();
                stats.insert(stat.clone());
            }
        }
        all
    }

    /// All statistics of a metric that the record wants.
    pub(crate) fn stats_of(&self, key: &Key) -> impl Iterator<Item = &Stat> {
        let shares = self.0.get(key.metric()).into_iter().flatten();
        Stat::ALL.iter().chain(shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Recorder;

    #[test]
    fn a_share_counts_samples_up_to_its_bound() {
        let mut times = Recorder::of_microseconds();
        let mut hops = Recorder::of("1");
        for sample in 1..=100 {
            times.record(0, sample * 100_000);
            hops.record(0, sample / 20);
        }
        let (times, hops) = (times.finish(), hops.finish());
        let check = |metric: &Metric, stat: &str, expected: Option<f64>| {
            assert_eq!(share_within(metric, stat), expected, "{stat}");
        };
        check(&times, "2.5s", Some(0.25));
        check(&times, "2s500ms", Some(0.25));
        check(&times, "1m", Some(1.0));
        check(&times, "0s", Some(0.0));
        check(&times, "3", None);
        check(&hops, "0", Some(0.19));
        check(&hops, "5", Some(1.0));
        check(&Recorder::of("1").finish(), "5", None);
    }
}
