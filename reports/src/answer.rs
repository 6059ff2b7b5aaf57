//! What a grid says in words: what variants differ in within its cells, and what becomes of a figure
//! from one end of a numeric axis to the other.
//!
//! Owns nothing but the sentences. Which figures there are is [`crate::matrix`]'s, and what
//! variants differ in [`crate::headline`]'s.

use crate::{
    fields::Fields,
    format::{interval_parts, numbers_beside, suffix_beside, unit_of_difference},
    headline::Finding,
    key::Key,
    matrix::{Matrix, matrices, positions},
    record::{Difference, Interval, Record, Variant},
};

/// The label of the variants among the dimensions of a matrix.
const VARIANT: &str = "variant";

/// Sentences worth reading; the rest is in the charts.
const SENTENCES_MAX: usize = 4;

/// Sentences on the figures that a scenario names: what variants differ in, then what becomes of each
/// figure along an axis of numbers, by its means at both ends. Ends whose intervals overlap are not
/// said to differ.
pub fn sentences(record: &Record) -> Vec<String> {
    if record.grid.is_empty() {
        return Vec::new();
    }
    let (all, _) = matrices(record);
    let compared = all.iter().filter(|matrix| matrix.named);
    let compared = compared.flat_map(|matrix| of_variants(record, &matrix.figure, &matrix.unit));
    let along = all.iter().flat_map(of_matrix);
    compared.chain(along).take(SENTENCES_MAX).collect()
}

/// What variants differ in, cell by cell, for a figure: a sentence for each further variant.
fn of_variants(record: &Record, figure: &Key, unit: &str) -> Vec<String> {
    let fields = Fields::of(record);
    let Some(first) = record.variants.first() else {
        return Vec::new();
    };
    let sentence = |further: &Variant| {
        let of_pair = |d: &&Difference| d.a == first.name && d.b == further.name;
        let differences: Vec<&Difference> = record
            .differences
            .iter()
            .filter(of_pair)
            .filter(|d| {
                fields
                    .locate(&d.metric)
                    .is_some_and(|located| located.figure == *figure)
            })
            .collect();
        in_cells(figure, unit, [&first.name, &further.name], &differences)
    };
    record
        .variants
        .iter()
        .skip(1)
        .filter_map(sentence)
        .collect()
}

/// The sentence for one pair of variants. It says no more than the cells' intervals do: cells that
/// are not shown to differ are counted apart.
fn in_cells(
    figure: &Key,
    unit: &str,
    [first, further]: [&str; 2],
    differences: &[&Difference],
) -> Option<String> {
    let all = differences.len();
    let count = |finding| {
        let of_finding = differences.iter().filter(|d| Finding::of(d) == finding);
        of_finding.count()
    };
    let means = differences.iter().map(|d| d.mean);
    let (least, greatest) = means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
        (low.min(mean), high.max(mean))
    });
    let unit = unit_of_difference(unit);
    // Whether it is more or less the sentence says; how much has no sign.
    let (least, greatest) = (
        least.abs().min(greatest.abs()),
        least.abs().max(greatest.abs()),
    );
    let shown = [least, greatest].map(|mean| interval_parts(mean, [mean; 2], unit, false).0);
    let by = match &shown {
        [least, greatest] if least == greatest => format!("by {least}"),
        [least, greatest] => format!("by {least} to {greatest}"),
    };
    let whole = match all {
        1 => "the one cell".to_owned(),
        2 => "both cells".to_owned(),
        _ => format!("all {all} cells"),
    };
    let [higher, lower, equal] = [Finding::Higher, Finding::Lower, Finding::Equal].map(count);
    Some(match (higher, lower) {
        _ if all == 0 || count(Finding::TooFew) > 0 => return None,
        _ if equal == all => format!("{figure} is the same with {further} and {first} in {whole}."),
        (n, 0) if n == all => {
            format!("{figure} is higher with {further} than with {first} in {whole}, {by}.")
        }
        (0, n) if n == all => {
            format!("{figure} is lower with {further} than with {first} in {whole}, {by}.")
        }
        (0, 0) => {
            format!("{figure} is not shown to differ between {further} and {first} in any cell.")
        }
        (higher, lower) => format!(
            "{figure} with {further} against {first}: higher in {higher} of {all} cells, lower in \
             {lower}, not shown to differ in {}.",
            all - higher - lower
        ),
    })
}

fn of_matrix(matrix: &Matrix) -> Vec<String> {
    if matrix.is_yes_no() {
        return vec![yes_no(matrix)];
    }
    if matrix.alike().is_some() || matrix.panels.len() != 1 {
        return Vec::new();
    }
    let cells = &matrix.panels[0].cells;
    let (axis, along_rows) = if positions(&matrix.columns.values).is_some() {
        (&matrix.columns, false)
    } else if positions(&matrix.rows.values).is_some() {
        (&matrix.rows, true)
    } else {
        return Vec::new();
    };
    // What variants differ in is said of each cell already.
    if axis.label == VARIANT {
        return Vec::new();
    }
    let lines = if along_rows {
        &matrix.columns
    } else {
        &matrix.rows
    };
    let cell = |line: usize, at: usize| {
        let (row, column) = if along_rows { (at, line) } else { (line, at) };
        cells.get(row)?.get(column)?.interval
    };
    let last = axis.values.len() - 1;
    let sentence = |(line, name): (usize, &String)| {
        let (from, to) = (cell(line, 0)?, cell(line, last)?);
        let with = if lines.label.is_empty() {
            String::new()
        } else {
            format!(" with {} {name}", lines.label)
        };
        let ends = [&axis.values[0], &axis.values[last]];
        Some(in_words(matrix, &with, &axis.label, ends, [from, to]))
    };
    lines
        .values
        .iter()
        .enumerate()
        .filter_map(sentence)
        .collect()
}

fn yes_no(matrix: &Matrix) -> String {
    let cells = matrix
        .panels
        .iter()
        .flat_map(|panel| panel.cells.iter().flatten());
    let figures: Vec<Interval> = cells.filter_map(|cell| cell.interval).collect();
    let yes = figures
        .iter()
        .filter(|interval| interval.mean > 0.5)
        .count();
    format!(
        "{} is 100 % in {yes} of {} cells, and 0 % in the other {}, in every seed.",
        matrix.figure,
        figures.len(),
        figures.len() - yes
    )
}

fn in_words(
    matrix: &Matrix,
    with: &str,
    axis: &str,
    ends: [&String; 2],
    cells: [Interval; 2],
) -> String {
    let [from, to] = cells;
    let relation = if from.n < 2 || to.n < 2 {
        "goes, in one seed,"
    } else if to.ci95[0] > from.ci95[1] {
        "rises"
    } else if to.ci95[1] < from.ci95[0] {
        "falls"
    } else {
        "is not shown to change"
    };
    let greatest = from.mean.abs().max(to.mean.abs());
    let suffix = suffix_beside(greatest, &matrix.unit);
    let shown = cells.map(|cell| {
        let (mean, ends) = numbers_beside(cell.mean, cell.ci95, greatest, &matrix.unit);
        let parts = [mean.as_str(), suffix.as_str(), ends.as_str()];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" ")
    });
    format!(
        "{}{with} {relation} from {} at {axis} {} to {} at {axis} {}.",
        matrix.figure, shown[0], ends[0], shown[1], ends[1]
    )
}
