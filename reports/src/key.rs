//! Keys of figures, `metric{label=value,…}.stat`, and their cells in a grid.
//!
//! Owns telling a grid's labels from a metric's own. It knows nothing of what figures mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Dimension, Record};

/// Values that each of a pair of labels may have to be drawn as a matrix.
const PAIR_VALUES_MAX: usize = 24;

/// A key taken apart by a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InGrid {
    /// The key without the grid's labels: `net.drops{reason=loss}`, `flow.connect.p50`.
    pub figure: String,
    /// The place of the cell's value in each dimension.
    pub cell: Vec<usize>,
}

/// Takes a key apart; `None` if it names no cell of the grid.
pub(crate) fn in_grid(key: &str, grid: &[Dimension]) -> Option<InGrid> {
    let (name, rest) = key.split_once('{')?;
    let (labels, stat) = rest.rsplit_once('}')?;
    let mut cell = vec![None; grid.len()];
    let mut own = Vec::new();
    for label in labels.split(',') {
        let (name, value) = label.split_once('=')?;
        match grid.iter().position(|dimension| dimension.label == name) {
            Some(place) => {
                let values = &grid[place].values;
                cell[place] = Some(values.iter().position(|known| known == value)?);
            }
            None => own.push(label),
        }
    }
    let own = if own.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", own.join(","))
    };
    Some(InGrid {
        figure: format!("{name}{own}{stat}"),
        cell: cell.into_iter().collect::<Option<_>>()?,
    })
}

/// What figures vary along: a record's grid, and pairs of labels of some metrics such as `from`
/// and `to`.
pub(crate) struct Fields<'a> {
    grid: &'a [Dimension],
    /// By metric with the names of its labels, `ping.rtt{from,to}`: the grid's dimensions and one
    /// for each of the two labels.
    pairs: BTreeMap<String, Vec<Dimension>>,
}

impl<'a> Fields<'a> {
    /// Finds them in the keys of a record.
    pub(crate) fn of(record: &'a Record) -> Self {
        let grid = &record.grid[..];
        let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
        let mut values: BTreeMap<String, [BTreeSet<String>; 2]> = BTreeMap::new();
        for key in seeds.flat_map(|seed| seed.metrics.keys()) {
            if let Some(pair) = pair_of(key, grid) {
                let sets = values.entry(pair.figure).or_default();
                for (set, (_, value)) in sets.iter_mut().zip(pair.labels) {
                    set.insert(value.to_owned());
                }
            }
        }
        let several = |sets: &[BTreeSet<String>; 2]| {
            sets.iter()
                .all(|set| (2..=PAIR_VALUES_MAX).contains(&set.len()))
        };
        values.retain(|_, sets| several(sets));
        let pairs = values.into_iter().map(|(figure, sets)| {
            let names = figure.split_once('{').map_or("", |(_, names)| names);
            let names = names.trim_end_matches('}').split(',');
            let own = names.zip(sets).map(|(name, set)| Dimension {
                label: name.to_owned(),
                values: set.into_iter().collect(),
            });
            let dimensions = grid.iter().cloned().chain(own).collect();
            (figure, dimensions)
        });
        Self {
            grid,
            pairs: pairs.collect(),
        }
    }

    /// Takes a key of a figure apart; `None` if it names no cell of anything.
    pub(crate) fn locate(&self, key: &str) -> Option<InGrid> {
        if let Some(pair) = pair_of(key, self.grid)
            && let Some(dimensions) = self.pairs.get(&pair.figure)
        {
            let stat = key.rsplit_once('}').map_or("", |(_, stat)| stat);
            let own = dimensions[self.grid.len()..].iter().zip(pair.labels);
            let own = own.map(|(dimension, (_, value))| {
                dimension.values.iter().position(|known| known == value)
            });
            let places = pair.cell.into_iter().map(Some).chain(own);
            return Some(InGrid {
                figure: pair.figure + stat,
                cell: places.collect::<Option<_>>()?,
            });
        }
        in_grid(key, self.grid).filter(|_| !self.grid.is_empty())
    }

    /// The dimensions of a figure that [`Self::locate`] has told.
    pub(crate) fn dimensions(&self, figure: &str) -> &[Dimension] {
        let metric = figure.rsplit_once('}').map(|(metric, _)| metric.len() + 1);
        let pair = metric.and_then(|end| self.pairs.get(&figure[..end]));
        pair.map_or(self.grid, Vec::as_slice)
    }
}

/// A key with two labels of its own.
struct Pair<'a> {
    figure: String,
    labels: [(&'a str, &'a str); 2],
    cell: Vec<usize>,
}

fn pair_of<'a>(key: &'a str, grid: &[Dimension]) -> Option<Pair<'a>> {
    let (name, rest) = key.split_once('{')?;
    let (labels, _) = rest.rsplit_once('}')?;
    let is_own = |label: &(&str, &str)| grid.iter().all(|d| d.label != label.0);
    let pairs = labels.split(',').filter_map(|label| label.split_once('='));
    let own: Vec<(&str, &str)> = pairs.filter(is_own).collect();
    let &[a, b] = &own[..] else {
        return None;
    };
    Some(Pair {
        figure: format!("{name}{{{},{}}}", a.0, b.0),
        labels: [a, b],
        cell: in_grid(key, grid)?.cell,
    })
}

/// A name and its cell: `nothing-leaks{loss=1%}` gives `nothing-leaks` and `loss=1%`. A name
/// outside of all cells is its own.
pub(crate) fn split_cell<'a>(name: &'a str, grid: &[Dimension]) -> (&'a str, &'a str) {
    match (in_grid(name, grid), name.split_once('{')) {
        (Some(_), Some((name, labels))) if !grid.is_empty() => {
            (name, labels.strip_suffix('}').unwrap_or(labels))
        }
        _ => (name, ""),
    }
}

/// The metric's plain name: a key without labels and statistic. Where labels do not show where the
/// name ends, a statistic stays.
pub(crate) fn plain_name(key: &str) -> &str {
    key.split_once('{').map_or(key, |(name, _)| name)
}

/// A cell by its values, as keys have it: `delay=10ms,loss=1%`.
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

    fn grid() -> Vec<Dimension> {
        let of = |label: &str, values: &[&str]| Dimension {
            label: label.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        vec![of("loss", &["0%", "1%"]), of("delay", &["5ms"])]
    }

    #[test]
    fn a_grids_labels_are_told_from_a_metrics_own() {
        let check = |key: &str, expected: Option<(&str, &[usize])>| {
            let found = in_grid(key, &grid());
            let found = found.as_ref().map(|key| (&*key.figure, &*key.cell));
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
    }

    #[test]
    fn names_lose_their_cell_and_nothing_else() {
        let name = "nothing-leaks{delay=5ms,loss=1%}";
        assert_eq!(
            split_cell(name, &grid()),
            ("nothing-leaks", "delay=5ms,loss=1%")
        );
        assert_eq!(split_cell(name, &[]), (name, ""));
        assert_eq!(split_cell("partition#1", &grid()), ("partition#1", ""));
        assert_eq!(cell_name(&[1, 0], &grid()), "loss=1%,delay=5ms");
    }
}
