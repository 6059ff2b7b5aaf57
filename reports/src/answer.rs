//! What a grid says in words: what variants differ in within its cells, and what becomes of a figure
//! from one end of a numeric axis to the other.
//!
//! Owns nothing but the sentences. Which figures there are is [`crate::matrix`]'s, and what
//! variants differ in [`crate::headline`]'s.

use crate::{
    fields::Fields,
    format::{interval_parts, numbers_beside, plural, suffix_beside, unit_of_difference},
    headline::{Finding, pairs_played},
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
/// said to differ, nor are those of so few seeds that chance parts them. Cells and seeds without an event
/// are told.
pub fn sentences(record: &Record) -> Vec<String> {
    if record.grid.is_empty() {
        return Vec::new();
    }
    let (all, _) = matrices(record);
    let compared = all.iter().filter(|matrix| matrix.named);
    let compared = compared.flat_map(|matrix| of_variants(record, &matrix.figure, &matrix.unit));
    let mut along: Vec<(&Key, String)> = Vec::new();
    for matrix in &all {
        for words in of_matrix(matrix) {
            // Of two statistics or labels of a metric with the same figures, one is worth a sentence.
            let is_said = |(key, said): &(&Key, String)| {
                key.metric() == matrix.figure.metric() && *said == words
            };
            if !along.iter().any(is_said) {
                along.push((&matrix.figure, words));
            }
        }
    }
    let along = along.iter().map(|(key, words)| format!("{key}{words}"));
    compared.chain(along).take(SENTENCES_MAX).collect()
}

/// What variants differ in, cell by cell, for a figure: a sentence for each further variant.
fn of_variants(record: &Record, figure: &Key, unit: &str) -> Vec<String> {
    let fields = Fields::of(record);
    let Some(first) = record.variants.first() else {
        return Vec::new();
    };
    let sentence = |(place, further): (usize, &Variant)| {
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
        let behind = Behind::of(record, figure, place, &differences);
        in_cells(figure, unit, [&first.name, &further.name], &differences)
            .map(|said| format!("{said}{}.", behind.in_words()))
    };
    let further = record.variants.iter().enumerate().skip(1);
    further.filter_map(sentence).collect()
}

/// How much stands behind a sentence on cells, and what it does not speak of.
struct Behind {
    /// Cells in which no pair of seeds has an event.
    cells: usize,
    /// The fewest pairs of a cell.
    fewest: usize,
    /// All pairs that were played.
    played: usize,
}

impl Behind {
    fn of(record: &Record, figure: &Key, further: usize, differences: &[&Difference]) -> Self {
        let sizes = record.grid.iter().map(|dimension| dimension.values.len());
        let cells = if figure.labels().is_empty() {
            sizes.product()
        } else {
            // The values of a metric's own labels may all be met in no cell.
            differences.len()
        };
        let played = pairs_played(record, 0, further);
        let fewest = differences.iter().map(|d| d.n as usize).min();
        Self {
            cells: cells.saturating_sub(differences.len()),
            fewest: fewest.unwrap_or(0),
            played,
        }
    }

    /// The end of a sentence.
    fn in_words(&self) -> String {
        let played = plural(self.played, "pair");
        let pairs = if self.fewest < self.played {
            format!("; n = {} of {played} at least", self.fewest)
        } else {
            format!("; n = {played}")
        };
        let cells = match self.cells {
            0 => String::new(),
            n => format!("; no event in {}", plural(n, "further cell")),
        };
        pairs + &cells
    }
}

/// The sentence for one pair of variants, without its end. It says no more than the cells' intervals do:
/// cells that are not shown to differ are counted apart.
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
    let unit = unit_of_difference(unit);
    let means = size_of(differences.iter().map(|d| d.mean), unit);
    let ends = size_of(differences.iter().flat_map(|d| d.ci95), unit);
    let by = format!("by {means} (95 % intervals within {ends})");
    let whole = match all {
        1 => "the one cell".to_owned(),
        2 => "both cells".to_owned(),
        _ => format!("all {all} cells"),
    };
    let [higher, lower, equal] = [Finding::Higher, Finding::Lower, Finding::Equal].map(count);
    Some(match (higher, lower) {
        _ if all == 0 || count(Finding::TooFew) > 0 => return None,
        _ if equal == all => format!("{figure} is the same with {further} and {first} in {whole}"),
        (n, 0) if n == all => {
            format!("{figure} is higher with {further} than with {first} in {whole}, {by}")
        }
        (0, n) if n == all => {
            format!("{figure} is lower with {further} than with {first} in {whole}, {by}")
        }
        (0, 0) => {
            format!("{figure} is not shown to differ between {further} and {first} in any cell")
        }
        (higher, lower) => format!(
            "{figure} with {further} against {first}: higher in {higher} of {all} cells, lower in \
             {lower}, not shown to differ in {}",
            all - higher - lower
        ),
    })
}

/// From the least to the greatest of differences that go one way: whether it is more or less the sentence
/// says, how much has no sign.
fn size_of(values: impl Iterator<Item = f64>, unit: &str) -> String {
    let sizes = values.map(f64::abs);
    let (least, greatest) = sizes.fold((f64::INFINITY, 0.0_f64), |(low, high), size| {
        (low.min(size), high.max(size))
    });
    let shown = [least, greatest].map(|size| interval_parts(size, [size; 2], unit, false).0);
    match &shown {
        [least, greatest] if least == greatest => least.clone(),
        [least, greatest] => format!("{least} to {greatest}"),
    }
}

/// What follows the figure's name, in a sentence each.
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
    let cells = matrix.panels.iter().flat_map(|panel| panel.cells.concat());
    let cells: Vec<Option<Interval>> = cells.map(|cell| cell.interval).collect();
    let figures: Vec<Interval> = cells.iter().copied().flatten().collect();
    let yes = figures.iter().filter(|interval| interval.mean > 0.5);
    let yes = yes.count();
    let with_event = if matrix.has_missing() {
        " with an event"
    } else {
        ""
    };
    let without = match cells.len() - figures.len() {
        0 => String::new(),
        n => format!("; no event in {}", plural(n, "further cell")),
    };
    format!(
        " is 100 % in {yes} of {} cells, and 0 % in the other {}, in every seed{with_event}{without}.",
        figures.len(),
        figures.len() - yes
    )
}

/// Whether the seeds at two ends are enough to say that a figure rises or falls where none of the one
/// reaches those of the other: chance parts *a* and *b* equal seeds so in 2 of (a + b over a) cases, which
/// has to be less than one in twenty.
fn can_tell_apart([a, b]: [u32; 2]) -> bool {
    let (fewer, more) = (a.min(b), a.max(b));
    match fewer {
        0 | 1 => false,
        2 => more >= 8,
        3 => more >= 5,
        4.. => true,
    }
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
        "goes, in one seed,".to_owned()
    } else if !can_tell_apart([from.n, to.n]) {
        format!("goes, in {} seeds,", from.n.min(to.n))
    } else if to.ci95[0] > from.ci95[1] {
        "rises".to_owned()
    } else if to.ci95[1] < from.ci95[0] {
        "falls".to_owned()
    } else {
        "is not shown to change".to_owned()
    };
    let greatest = from.mean.abs().max(to.mean.abs());
    let suffix = suffix_beside(greatest, &matrix.unit);
    let shown = cells.map(|cell| {
        let (mean, ends) = numbers_beside(cell.mean, cell.ci95, greatest, &matrix.unit);
        let fewer = matrix.fewer_seeds(&cell).map(|n| format!("({n})"));
        let parts = [mean, suffix.clone(), ends, fewer.unwrap_or_default()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    });
    format!(
        "{with} {relation} from {} at {axis} {} to {} at {axis} {}.",
        shown[0], ends[0], shown[1], ends[1]
    )
}
