//! Zeros that seeds do not write down: what did not happen there, and did in others.
//!
//! Owns which figures a seed has though its record does not tell them. A seed in which nothing came
//! of a cause counts as none, or a mean would be over those alone in which something did.

use std::collections::BTreeMap;

use super::Stat;
use crate::{
    key::Key,
    record::{Metric, Record, SeedResult},
};

/// The counts of a record, by the keys of their metrics.
#[derive(Debug, Default)]
pub(crate) struct Zeros(BTreeMap<Key, Counted>);

/// What a metric counts.
#[derive(Debug)]
enum Counted {
    /// Things under labels of its own, as parts of those of this key: where there is the whole, a
    /// part that is not told is none.
    PartOf(Key),
    /// Samples.
    Samples(Key),
}

impl Zeros {
    /// What any seed of a record tells.
    pub(crate) fn of(record: &Record) -> Self {
        let of_grid = |label: &str| record.grid.iter().any(|it| it.label == label);
        let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
        let whole_seeds = seeds.filter(|seed| seed.failure.is_none());
        let mut all = BTreeMap::new();
        for (key, metric) in whole_seeds.flat_map(|seed| &seed.metrics) {
            if all.contains_key(key) {
                continue;
            }
            let counted = match metric {
                Metric::Distribution { .. } => Counted::Samples(key.with_stat(Some(Stat::Count))),
                Metric::Value { unit, .. } if unit == "1" => {
                    let whole = key.with_labels(key.labels().filtered(of_grid));
                    if whole == *key {
                        continue;
                    }
                    Counted::PartOf(whole)
                }
                Metric::Value { .. } => continue,
            };
            all.insert(key.clone(), counted);
        }
        Self(all)
    }

    /// The figures that are zero in a seed which does not tell them.
    pub(crate) fn in_seed<'a>(&'a self, seed: &'a SeedResult) -> impl Iterator<Item = &'a Key> {
        let absent = self
            .0
            .iter()
            .filter(|(key, _)| !seed.metrics.contains_key(*key));
        absent.filter_map(|(key, counted)| match counted {
            Counted::Samples(count) => Some(count),
            Counted::PartOf(whole) => {
                let told = seed.metrics.get(whole);
                matches!(told, Some(Metric::Value { .. })).then_some(key)
            }
        })
    }
}
