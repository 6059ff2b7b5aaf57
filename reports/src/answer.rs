//! What a grid says in words: what becomes of a figure from one end of a numeric axis to the other.
//!
//! Owns nothing but the sentences. Which figures there are is [`crate::matrix`]'s, and what
//! variants differ in [`crate::headline`]'s.

use crate::{
    format::{figure_beside, interval_parts},
    matrix::{Matrix, matrices, positions},
    record::{Interval, Record},
};

/// Sentences worth reading; the rest is in the charts.
const SENTENCES_MAX: usize = 4;

/// A sentence for each figure that a grid has along an axis of numbers, those that expectations
/// name first: its means at both ends, and whether they differ. Ends whose intervals overlap are not
/// said to differ.
pub fn sentences(record: &Record) -> Vec<String> {
    let (all, _) = matrices(record);
    let of_grid = all.iter().filter(|_| !record.grid.is_empty());
    of_grid.flat_map(of_matrix).take(SENTENCES_MAX).collect()
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
    let shown = cells.map(|cell| {
        let mean = figure_beside(cell.mean, greatest, &matrix.unit);
        let (_, interval) = interval_parts(cell.mean, cell.ci95, &matrix.unit, false);
        if cell.n < 2 || cell.is_point() {
            mean
        } else {
            format!("{mean} {interval}")
        }
    });
    format!(
        "{}{with} {relation} from {} at {axis} {} to {} at {axis} {}.",
        matrix.figure, shown[0], ends[0], shown[1], ends[1]
    )
}
