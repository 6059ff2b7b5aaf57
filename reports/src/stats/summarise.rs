//! Fills a record's summaries, merged distributions and differences from its seeds.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    PAIRS_MIN, Stat,
    bootstrap::interval,
    histogram,
    recorder::distribution,
    round9,
    share::{Shares, share_within},
    zeros::Zeros,
};
use crate::{
    Error,
    key::Key,
    record::{Difference, Metric, Record, SeedResult, Variant},
};

/// Fills `summary` and `merged` of each variant and the record's `differences`, and puts seeds
/// into ascending order. Seeds that ended early are left out, for their figures are not whole.
///
/// Differences are formed between each two variants of one world, in the record's order, over the
/// seeds that both have. The result does not depend on the order of seeds.
///
/// # Errors
/// [`Error::Histogram`] if a seed's histogram cannot be decoded.
pub fn summarise(record: &mut Record) -> Result<(), Error> {
    let wanted = Wanted::of(record);
    for variant in &mut record.variants {
        variant
            .seeds
            .sort_by(|a, b| seed_order(&a.seed).cmp(&seed_order(&b.seed)));
        variant.summary = figures(variant, &wanted)
            .into_iter()
            .filter_map(|(key, by_seed)| {
                let values: Vec<f64> = by_seed.into_values().collect();
                let found = interval(&format!("{} {key}", variant.name), &values)?;
                Some((key, found))
            })
            .collect();
        variant.merged = merged(variant)?;
    }
    record.differences = differences(&record.variants, &wanted);
    Ok(())
}

/// One figure of a metric: a statistic of a distribution, or the value where there is none.
///
/// A distribution without samples has a count and nothing else.
pub fn metric_value(metric: &Metric, stat: Option<&Stat>) -> Option<f64> {
    match (metric, stat) {
        (Metric::Value { value, .. }, None) => Some(*value),
        (Metric::Distribution { count, .. }, Some(Stat::Count)) => Some(*count as f64),
        (Metric::Value { .. } | Metric::Distribution { count: 0, .. }, Some(_))
        | (Metric::Distribution { .. }, None) => None,
        (
            Metric::Distribution {
                mean,
                p50,
                p90,
                p95,
                p99,
                max,
                min,
                ..
            },
            Some(stat),
        ) => match stat {
            Stat::Count => None,
            Stat::Mean => Some(*mean),
            Stat::Min => *min,
            Stat::P50 => Some(*p50),
            Stat::P90 => Some(*p90),
            Stat::P95 => Some(*p95),
            Stat::P99 => Some(*p99),
            Stat::Max => Some(*max),
            Stat::Within(bound) => share_within(metric, bound),
        },
    }
}

/// Numbers by their value, anything else after them by its letters.
fn seed_order(seed: &str) -> (u128, &str) {
    (seed.parse().unwrap_or(u128::MAX), seed)
}

/// What of a record's seeds is looked at, beside what each of them tells.
pub(crate) struct Wanted {
    shares: Shares,
    zeros: Zeros,
}

impl Wanted {
    /// What a record's expectations name, and what some of its seeds tell and others do not.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            shares: Shares::of(record),
            zeros: Zeros::of(record),
        }
    }
}

/// By key, then by seed. What a seed does not count, and others do, is zero there.
pub(crate) fn figures<'a>(
    variant: &'a Variant,
    wanted: &Wanted,
) -> BTreeMap<Key, BTreeMap<&'a str, f64>> {
    let mut all: BTreeMap<Key, BTreeMap<&str, f64>> = BTreeMap::new();
    for seed in whole_seeds(variant) {
        for (name, metric) in &seed.metrics {
            let mut add = |key: Key, figure: Option<f64>| {
                if let Some(figure) = figure.filter(|figure| figure.is_finite()) {
                    all.entry(key)
                        .or_default()
                        .entry(&seed.seed)
                        .or_insert(figure);
                }
            };
            match metric {
                Metric::Value { .. } => add(name.clone(), metric_value(metric, None)),
                Metric::Distribution { .. } => {
                    for stat in wanted.shares.stats_of(name) {
                        let figure = metric_value(metric, Some(stat));
                        add(name.with_stat(Some(stat.clone())), figure);
                    }
                }
            }
        }
        for key in wanted.zeros.in_seed(seed) {
            let by_seed = all.entry(key.clone()).or_default();
            by_seed.entry(&seed.seed).or_insert(0.0);
        }
    }
    all
}

fn whole_seeds(variant: &Variant) -> impl Iterator<Item = &SeedResult> {
    variant.seeds.iter().filter(|seed| seed.failure.is_none())
}

fn merged(variant: &Variant) -> Result<BTreeMap<Key, Metric>, Error> {
    let names: BTreeSet<&Key> = whole_seeds(variant)
        .flat_map(|seed| seed.metrics.keys())
        .collect();
    let mut all = BTreeMap::new();
    for name in names {
        let metrics: Vec<&Metric> = whole_seeds(variant)
            .filter_map(|seed| seed.metrics.get(name))
            .collect();
        if let Some(metric) = merge_metric(&metrics)? {
            all.insert(name.clone(), metric);
        }
    }
    Ok(all)
}

/// Pours the seeds of one metric together; `None` unless all of them kept their histograms.
fn merge_metric(metrics: &[&Metric]) -> Result<Option<Metric>, Error> {
    let mut texts = Vec::new();
    let mut unit_of_all = None;
    let mut greatest = 0.0_f64;
    let mut least = Some(f64::INFINITY);
    let mut weighted = 0.0;
    let mut buckets: BTreeMap<u64, (u64, f64)> = BTreeMap::new();
    for metric in metrics {
        let Metric::Distribution {
            unit,
            count,
            mean,
            max,
            min,
            histogram,
            timeline,
            ..
        } = metric
        else {
            return Ok(None);
        };
        if *count == 0 {
            continue;
        }
        let Some(text) = histogram else {
            return Ok(None);
        };
        if unit_of_all.get_or_insert(unit) != &unit {
            return Ok(None);
        }
        texts.push(text.as_str());
        greatest = greatest.max(*max);
        least = least.zip(*min).map(|(least, min)| least.min(min));
        weighted += mean * *count as f64;
        for (second, samples, bucket_mean) in timeline {
            let bucket = buckets.entry(*second as u64).or_default();
            bucket.0 += samples;
            bucket.1 += bucket_mean * *samples as f64;
        }
    }
    let Some(unit) = unit_of_all else {
        return Ok(None);
    };
    let whole = histogram::merge(texts)?;
    let timeline = buckets
        .into_iter()
        .map(|(second, (samples, sum))| (second as f64, samples, round9(sum / samples as f64)))
        .collect();
    let mean = round9(weighted / whole.len() as f64);
    let ends = (least, greatest);
    Ok(Some(distribution(unit, &whole, mean, ends, timeline)))
}

fn differences(variants: &[Variant], wanted: &Wanted) -> Vec<Difference> {
    let mut all = Vec::new();
    for (place, a) in variants.iter().enumerate() {
        let of_a = figures(a, wanted);
        let comparable = |b: &&Variant| a.world == b.world;
        for b in variants[place + 1..].iter().filter(comparable) {
            let of_b = figures(b, wanted);
            for (metric, seeds_a) in &of_a {
                let Some(seeds_b) = of_b.get(metric) else {
                    continue;
                };
                let pairs = paired(seeds_a, seeds_b);
                let key = format!("{} against {} in {metric}", b.name, a.name);
                let Some(found) = interval(&key, &pairs) else {
                    continue;
                };
                all.push(Difference {
                    metric: metric.clone(),
                    a: a.name.clone(),
                    b: b.name.clone(),
                    mean: found.mean,
                    ci95: found.ci95,
                    significant: pairs.len() >= PAIRS_MIN
                        && (found.ci95[0] > 0.0 || found.ci95[1] < 0.0),
                    n: found.n,
                });
            }
        }
    }
    all
}

/// `b` − `a` by seed, over the seeds that both have.
pub(crate) fn paired(a: &BTreeMap<&str, f64>, b: &BTreeMap<&str, f64>) -> Vec<f64> {
    a.iter()
        .filter_map(|(seed, of_a)| b.get(seed).map(|of_b| of_b - of_a))
        .collect()
}
