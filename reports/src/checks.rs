//! Expectations as lines for people: one line for what all cells of a grid have in common, and
//! names for the cells that differ.

use std::collections::BTreeMap;

use crate::{
    asked::expected_unit,
    fields::{Fields, cell_name},
    format::{figure, plural},
    record::{Expectation, Judged, Record},
};

/// Cells that one line names before the rest is counted.
const NAMED_MAX: usize = 5;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it held in every seed and cell.
    pub held: bool,
    /// What was expected.
    pub expr: String,
    /// What became of it: the worst value, and where it did not hold.
    pub detail: String,
}

/// The record's expectations, in their order. Those that ask the same of one cell each are one
/// line, at the place of the first.
pub fn checks(record: &Record) -> Vec<Check> {
    let fields = Fields::of(record);
    let mut lines: Vec<Vec<&Expectation>> = Vec::new();
    let mut places: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for expectation in &record.expectations {
        let place = match subject_of_one_cell(record, &fields, expectation) {
            Some(subject) => *places
                .entry((subject, &expectation.bound))
                .or_insert(lines.len()),
            None => lines.len(),
        };
        match lines.get_mut(place) {
            Some(line) => line.push(expectation),
            None => lines.push(vec![expectation]),
        }
    }
    lines
        .iter()
        .map(|line| check(record, &fields, line))
        .collect()
}

/// Of whom and what an expectation of a single cell speaks, the cell aside.
fn subject_of_one_cell(
    record: &Record,
    fields: &Fields<'_>,
    expectation: &Expectation,
) -> Option<String> {
    let [judged] = &expectation.figures[..] else {
        return None;
    };
    let located = fields.locate(&judged.key)?;
    // Of several variants, one alone is judged where it is named.
    Some(if record.variants.len() > 1 {
        format!("{}: {}", judged.variant, located.figure)
    } else {
        located.figure.to_string()
    })
}

fn check(record: &Record, fields: &Fields<'_>, line: &[&Expectation]) -> Check {
    let first = line[0];
    let unit = expected_unit(record, first);
    let figures: Vec<&Judged> = line.iter().flat_map(|e| &e.figures).collect();
    let shown = |judged: &Judged| {
        let value = judged.value.map(|value| figure(value, &unit));
        with_missing(&[judged], value) + &in_seed(Some(judged))
    };
    let held = line.iter().all(|expectation| expectation.held);
    let value = worst(line).map(|value| format!("worst {}", figure(value, &unit)));
    let worst = with_missing(&figures, value) + &in_seed(worst_figure(line));
    let missed: Vec<String> = figures
        .iter()
        .filter(|judged| !judged.held)
        .map(|judged| format!("{} {}", place_of(record, fields, judged), shown(judged)))
        .collect();
    let count = plural(figures.len(), "cell");
    let no_cells = record.grid.is_empty() && line.len() == 1;
    let every: usize = record.grid.iter().map(|d| d.values.len()).product();
    let detail = match (figures.len(), no_cells, held) {
        (0 | 1, ..) | (_, true, _) => worst,
        (_, _, true) if line.len() > 1 => format!("in each of {count} named, {worst}"),
        (n, _, true) if n < every => format!("in {count}, {worst}"),
        (_, _, true) => format!("in all {count}, {worst}"),
        _ => {
            let rest = missed.len().saturating_sub(NAMED_MAX);
            let rest = if rest > 0 {
                format!("; and {rest} more")
            } else {
                String::new()
            };
            format!(
                "in {} of {count}: {}{rest}",
                missed.len(),
                missed[..missed.len().min(NAMED_MAX)].join("; ")
            )
        }
    };
    let expr = match subject_of_one_cell(record, fields, first) {
        Some(subject) if line.len() > 1 => format!("{subject} {}", first.bound),
        _ => first.expr.clone(),
    };
    Check { held, expr, detail }
}

/// The figure that misses its bound by most, of expectations that did not hold: the one whose value
/// is theirs, or else the first.
pub(crate) fn worst_figure<'a>(line: &[&'a Expectation]) -> Option<&'a Judged> {
    let value = worst(line);
    let missed = || {
        let figures = line.iter().flat_map(|expectation| &expectation.figures);
        figures.filter(|judged| !judged.held)
    };
    missed()
        .find(|judged| judged.value == value)
        .or_else(|| missed().next())
}

fn in_seed(judged: Option<&Judged>) -> String {
    let seed = judged.and_then(|judged| judged.worst_seed.as_ref());
    seed.map_or_else(String::new, |seed| format!(" in seed {seed}"))
}

/// A value, and in how many seeds there was none.
fn with_missing(figures: &[&Judged], value: Option<String>) -> String {
    let missing: u32 = figures.iter().map(|judged| judged.missing).sum();
    let seeds: u32 = figures.iter().map(|judged| judged.seeds).sum();
    let noun = if figures.len() > 1 { "run" } else { "seed" };
    let none = format!("no sample in {missing} of {}", plural(seeds as usize, noun));
    match value {
        // Records from before seeds were counted.
        None if seeds == 0 => "no sample".to_owned(),
        None => none,
        Some(value) if missing == 0 => value,
        Some(value) => format!("{none}, else {value}"),
    }
}

/// The worst value of all; of expectations that share their bound, its sign tells which that is.
fn worst(line: &[&Expectation]) -> Option<f64> {
    let missed = line.iter().filter(|e| !e.held).filter_map(|e| e.value);
    let missed: Vec<f64> = missed.collect();
    let values = if missed.is_empty() {
        line.iter().filter_map(|e| e.value).collect()
    } else {
        missed
    };
    let is_ceiling = line[0].bound.starts_with('<');
    let worse = if is_ceiling { f64::max } else { f64::min };
    values.into_iter().reduce(worse)
}

/// The cell of a figure; with its variant, where there are several.
fn place_of(record: &Record, fields: &Fields<'_>, judged: &Judged) -> String {
    let cell = fields.locate(&judged.key).map_or_else(String::new, |key| {
        cell_name(&key.cell, fields.dimensions(&key.figure))
    });
    if record.variants.len() > 1 {
        format!("{} {cell}", judged.variant)
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn seeds_without_a_sample_are_told() {
        let check = |seeds, missing, value: Option<&str>, expected: &str| {
            let judged = Judged {
                variant: "v".into(),
                key: Key::of("m"),
                value: None,
                held: false,
                seeds,
                missing,
                worst_seed: None,
            };
            assert_eq!(with_missing(&[&judged], value.map(str::to_owned)), expected);
        };
        check(
            5,
            4,
            Some("worst 100 %"),
            "no sample in 4 of 5 seeds, else worst 100 %",
        );
        check(5, 5, None, "no sample in 5 of 5 seeds");
        check(1, 1, None, "no sample in 1 of 1 seed");
        check(5, 0, Some("worst 3"), "worst 3");
        check(0, 0, None, "no sample");
    }
}
