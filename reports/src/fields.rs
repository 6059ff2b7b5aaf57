//! What figures vary along: the cells of a grid, and pairs of a metric's own labels.
//!
//! Owns telling a grid's labels from a metric's own, and the place of a figure among all that are
//! alike. It knows nothing of what figures mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    key::{Key, Labels},
    record::{Dimension, Record},
};

/// Values that each of a pair of labels may have to be drawn as a matrix.
const PAIR_VALUES_MAX: usize = 24;

/// One figure of many that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    /// What they have in common: the key without the grid's labels, and with a pair's left open:
    /// `net.drops{reason=loss}`, `flow.connect.p50`, `ping.rtt{from,to}.p50`.
    pub figure: Key,
    /// The place of its value in each dimension.
    pub cell: Vec<usize>,
}

/// Finds the cell of a key; `None` if it names no cell of the grid.
fn in_grid(key: &Key, grid: &[Dimension]) -> Option<Located> {
    let place = |dimension: &Dimension| {
        let value = key.label(&dimension.label)?;
        dimension.values.iter().position(|known| known == value)
    };
    Some(Located {
        cell: grid.iter().map(place).collect::<Option<_>>()?,
        figure: key.with_labels(own_labels(key, grid)),
    })
}

/// A key's labels that are not the grid's.
fn own_labels(key: &Key, grid: &[Dimension]) -> Labels {
    let is_own = |name: &str| grid.iter().all(|dimension| dimension.label != name);
    key.labels().filtered(is_own)
}

/// What figures vary along: a record's grid, and pairs of labels of some metrics such as `from`
/// and `to`.
pub(crate) struct Fields<'a> {
    grid: &'a [Dimension],
    /// By metric with its labels left open, `ping.rtt{from,to}`: the grid's dimensions and one
    /// for each of the two labels.
    pairs: BTreeMap<Key, Vec<Dimension>>,
}

impl<'a> Fields<'a> {
    /// Finds them in the keys of a record.
    pub(crate) fn of(record: &'a Record) -> Self {
        let grid = &record.grid[..];
        let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
        let mut values: BTreeMap<Key, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for key in seeds.flat_map(|seed| seed.metrics.keys()) {
            if let Some(pair) = pair_of(key, grid) {
                let sets = values.entry(pair.figure).or_default();
                for name in pair.names {
                    let set = sets.entry(name).or_default();
                    set.extend(key.label(name));
                }
            }
        }
        let several = |sets: &BTreeMap<&str, BTreeSet<&str>>| {
            sets.values()
                .all(|set| (2..=PAIR_VALUES_MAX).contains(&set.len()))
        };
        values.retain(|_, sets| several(sets));
        let pairs = values.into_iter().map(|(figure, sets)| {
            let own = sets.into_iter().map(|(name, set)| Dimension {
                label: name.to_owned(),
                values: set.into_iter().map(str::to_owned).collect(),
            });
            let dimensions = grid.iter().cloned().chain(own).collect();
            (figure, dimensions)
        });
        Self {
            grid,
            pairs: pairs.collect(),
        }
    }

    /// The place of a figure; `None` if it is in no cell of anything.
    pub(crate) fn locate(&self, key: &Key) -> Option<Located> {
        if let Some(pair) = pair_of(key, self.grid)
            && let Some(dimensions) = self.pairs.get(&pair.figure)
        {
            let own = &dimensions[self.grid.len()..];
            let own = own.iter().map(|dimension| {
                let value = key.label(&dimension.label)?;
                dimension.values.iter().position(|known| known == value)
            });
            let places = pair.cell.into_iter().map(Some).chain(own);
            return Some(Located {
                cell: places.collect::<Option<_>>()?,
                figure: pair.figure.with_stat(key.stat().cloned()),
            });
        }
        in_grid(key, self.grid).filter(|_| !self.grid.is_empty())
    }

    /// The dimensions of a figure that [`Self::locate`] has told.
    pub(crate) fn dimensions(&self, figure: &Key) -> &[Dimension] {
        let pair = self.pairs.get(&*figure.without_stat());
        pair.map_or(self.grid, Vec::as_slice)
    }
}

/// A key with two labels of its own.
struct Pair<'a> {
    figure: Key,
    names: [&'a str; 2],
    cell: Vec<usize>,
}

fn pair_of<'a>(key: &'a Key, grid: &[Dimension]) -> Option<Pair<'a>> {
    let is_own = |name: &&str| grid.iter().all(|dimension| dimension.label != *name);
    let own: Vec<&str> = key
        .labels()
        .iter()
        .map(|(name, _)| name)
        .filter(is_own)
        .collect();
    let &[a, b] = &own[..] else {
        return None;
    };
    let located = in_grid(key, grid)?;
    Some(Pair {
        figure: Key::of(key.metric()).with_labels(Labels::from([(a, ""), (b, "")])),
        names: [a, b],
        cell: located.cell,
    })
}

/// A cell by its values, in the grid's order: `loss=1%,delay=10ms`.
pub(crate) fn cell_name(cell: &[usize], grid: &[Dimension]) -> String {
    let named = grid.iter().zip(cell);
    let parts: Vec<String> = named
        .map(|(dimension, place)| format!("{}={}", dimension.label, dimension.values[*place]))
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grids_labels_are_told_from_a_metrics_own() {
        let of = |label: &str, values: &[&str]| Dimension {
            label: label.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let grid = vec![of("loss", &["0%", "1%"]), of("delay", &["5ms"])];
        let check = |key: &str, expected: Option<(&str, &[usize])>| {
            let found = in_grid(&Key::read(key), &grid);
            let found = found.as_ref().map(|it| (it.figure.as_str(), &*it.cell));
            assert_eq!(found, expected, "{key}");
        };
        check("a.b{delay=5ms,loss=1%}", Some(("a.b", &[1, 0])));
        check("a{delay=5ms,loss=0%}.p50", Some(("a.p50", &[0, 0])));
        check(
            "a{delay=5ms,loss=0%,to=x}.p50",
            Some(("a{to=x}.p50", &[0, 0])),
        );
        check("a{delay=5ms}", None);
        check("a{delay=5ms,loss=7%}", None);
        check("a", None);
        check("a{", None);
        assert_eq!(cell_name(&[1, 0], &grid), "loss=1%,delay=5ms");
    }
}
