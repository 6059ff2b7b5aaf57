//! Zeros that seeds do not write down: what did not happen there, and did in others.
//!
//! Owns which figures a seed has though its record does not tell them. A seed in which nothing came
//! of a cause counts as none, or a mean would be over those alone in which something did.

use std::collections::{BTreeMap, BTreeSet};

use super::Stat;
use crate::{
    key::{Key, Labels},
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
    /// What any seed of a record tells in any cell, for all cells.
    pub(crate) fn of(record: &Record) -> Self {
        let of_grid = |label: &str| record.grid.iter().any(|it| it.label == label);
        let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
        let whole_seeds = seeds.filter(|seed| seed.failure.is_none());
        let mut cells: BTreeSet<Labels> = BTreeSet::new();
        // By key without its cell: whether it counts samples.
        let mut told: BTreeMap<Key, bool> = BTreeMap::new();
        for (key, metric) in whole_seeds.flat_map(|seed| &seed.metrics) {
            let own = key.labels().filtered(|label| !of_grid(label));
            let samples = matches!(metric, Metric::Distribution { .. });
            let counts = matches!(metric, Metric::Value { unit, .. } if unit == "1");
            cells.insert(key.labels().filtered(of_grid));
            if samples || counts && !own.is_empty() {
                told.insert(key.with_labels(own), samples);
            }
        }
        let in_cells = told.iter().flat_map(|(key, samples)| {
            cells.iter().map(move |cell| {
                let counted = if *samples {
                    let count = key.with_stat(Some(Stat::Count));
                    Counted::Samples(count.within(cell))
                } else {
                    Counted::PartOf(Key::of(key.metric()).within(cell))
                };
                (key.clone().within(cell), counted)
            })
        });
        Self(in_cells.collect())
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
