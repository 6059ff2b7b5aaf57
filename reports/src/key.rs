//! Keys of figures, `metric{label=value,…}.stat`, and their cells in a grid.
//!
//! Owns telling a grid's labels from a metric's own. It knows nothing of what figures mean.

use crate::record::Dimension;

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
