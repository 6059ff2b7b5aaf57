//! The text that a terminal shows after a run.

use std::fmt::Write as _;

use crate::{
    advice::advice,
    audit,
    checks::checks,
    command,
    format::{count, duration, figure, plural, printable},
    headline,
    matrix::{self, Matrix},
    record::{Compare, Record, Verdict},
};

/// Rows of the headline table before the rest is left to the report.
const ROWS_MAX: usize = 16;

/// What a number of seeds beside a figure says.
const MISSING: &str = "n: seeds with an event, where not all had one; the mean is over them";

/// Whether to use ANSI colours. The text says the same without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// ANSI escape sequences around verdicts, headings and warnings.
    Ansi,
}

/// The table, ending in a newline; its last line, if the run did not hold, repeats it.
pub fn table(record: &Record, colour: Colour) -> String {
    let paint = Paint(colour);
    let mut out = String::new();
    let seeds = plural(audit::seed_count(record), "seed");
    line(
        &mut out,
        &format!(
            "{}  {seeds}  commit {}",
            paint.bold(&printable(&record.scenario)),
            printable(&record.commit)
        ),
    );
    line(
        &mut out,
        &format!(
            "engine {}, fidelity {}, {}",
            printable(&record.engine),
            printable(&audit::fidelity(record)),
            cost(record),
        ),
    );
    if record.grid.is_empty() {
        headlines(&mut out, record, paint);
    }
    cells(&mut out, record, paint);
    every_pair(&mut out, record, paint);
    expectations(&mut out, record, paint);
    faults(&mut out, record, paint);
    losses(&mut out, record);
    for warning in advice(record) {
        line(
            &mut out,
            &format!("\n{} {warning}", paint.yellow("warning:")),
        );
    }
    let (word, meaning) = audit::verdict_words(record);
    let word = match record.verdict {
        Verdict::Held => paint.green(word),
        Verdict::NotJudged => paint.yellow(word),
        Verdict::Failed | Verdict::Invariant | Verdict::Stalled | Verdict::Irreproducible => {
            paint.red(word)
        }
    };
    line(&mut out, &format!("\nverdict: {word} ({meaning})"));
    if record.verdict != Verdict::Held {
        line(&mut out, &format!("repeat: {}", command::failure(record)));
    }
    out
}

/// What the run took. The workers' wall times add up to more than passed, as they run side by side.
fn cost(record: &Record) -> String {
    let costs = record.variants.iter().map(audit::cost);
    let (simulated, cpu) = costs.fold((0.0, 0.0), |sum, cost| {
        (sum.0 + cost.simulated_s, sum.1 + cost.cpu_s)
    });
    let (simulated, cpu) = (duration(simulated), figure(cpu, "s"));
    let wall_s = record.origin.as_ref().and_then(|origin| origin.wall_s);
    match wall_s.map(|wall_s| figure(wall_s, "s")) {
        Some(wall) => format!("{simulated} simulated in {wall} of wall time, {cpu} of CPU time"),
        None => format!("{simulated} simulated in {cpu} of CPU time"),
    }
}

fn headlines(out: &mut String, record: &Record, paint: Paint) {
    let rows = headline::rows(record);
    if rows.is_empty() {
        return;
    }
    let shown = &rows[..rows.len().min(ROWS_MAX)];
    let grid = Grid {
        rows: headline::layout(record, shown, &plain()),
    };
    out.push('\n');
    grid.print(out, paint);
    if rows.len() > ROWS_MAX {
        line(
            out,
            &format!("… and {} more in report.html", rows.len() - ROWS_MAX),
        );
    }
}

/// Each two variants, where the scenario asks for it.
fn every_pair(out: &mut String, record: &Record, paint: Paint) {
    let pairs = headline::pairs(record);
    if record.compare == Compare::First || pairs.is_empty() {
        return;
    }
    let shown = &pairs[..pairs.len().min(ROWS_MAX)];
    let rows = headline::pairs_layout(shown, &plain());
    out.push('\n');
    Grid { rows }.print(out, paint);
    if pairs.len() > ROWS_MAX {
        let rest = pairs.len() - ROWS_MAX;
        line(out, &format!("… and {rest} more in report.html"));
    }
}

/// How a terminal has names and figures.
fn plain() -> headline::Writing<'static> {
    headline::Writing {
        name: &printable,
        key: &printable,
        cell: &headline::plain_cell,
        difference: &headline::plain_difference,
    }
}

fn cells(out: &mut String, record: &Record, paint: Paint) {
    let text = matrix::text(record);
    if let Some(rows) = text.together(&printable) {
        out.push('\n');
        Grid { rows }.print(out, paint);
    } else {
        for matrix in &text.matrices {
            one_matrix(out, matrix, paint);
        }
    }
    if !text.alike.is_empty() {
        out.push('\n');
    }
    for matrix in &text.alike {
        let words = format!("{}: {}", matrix.figure, matrix.alike_in_words());
        line(out, &printable(&words));
    }
    if text.is_marked() {
        line(
            out,
            "✓ ✗: what the scenario expects of the cell, and whether it held in every seed",
        );
    }
    if text.has_missing() {
        line(out, MISSING);
    }
    if text.rest > 0 {
        let rest = text.rest;
        line(
            out,
            &format!("… and {rest} more in report.html and metrics.csv"),
        );
    }
}

fn one_matrix(out: &mut String, matrix: &Matrix, paint: Paint) {
    line(
        out,
        &format!("\n{}", paint.bold(&printable(&matrix.title()))),
    );
    for panel in &matrix.panels {
        if !panel.title.is_empty() {
            line(out, &printable(&panel.title));
        }
        let rows = matrix.lines(panel, &printable);
        Grid { rows }.print(out, paint);
    }
    if matrix.left_out > 0 {
        let panels = plural(matrix.left_out, "panel");
        line(out, &format!("… and {panels} more in metrics.csv"));
    }
}

fn expectations(out: &mut String, record: &Record, paint: Paint) {
    if record.expectations.is_empty() && record.not_judged.is_empty() {
        return;
    }
    line(out, &format!("\n{}", paint.bold("expectations")));
    for check in checks(record) {
        let word = if check.held {
            paint.green("✓ held  ")
        } else {
            paint.red("✗ failed")
        };
        let (expr, detail) = (printable(&check.expr), printable(&check.detail));
        line(out, &format!("  {word}  {expr}  ({detail})"));
    }
    for expr in &record.not_judged {
        line(out, &format!("  – not judged  {}", printable(expr)));
    }
}

fn faults(out: &mut String, record: &Record, paint: Paint) {
    let faults = audit::fault_lines(record);
    if faults.is_empty() {
        return;
    }
    let plays = audit::plays(record);
    let mut grid = Grid::default();
    let mut head = vec!["faults: effects fired".to_owned()];
    head.extend(record.variants.iter().map(|v| printable(&v.name)));
    grid.rows.push(head);
    for fault in faults {
        let mut cells = vec![printable(&fault.name)];
        cells.extend(fault.sums.iter().map(|sum| {
            let word = if sum.seeds_fired == sum.seeds {
                "✓"
            } else {
                "✗"
            };
            let silent = if sum.silent_in.is_empty() {
                String::new()
            } else {
                format!(
                    ", none in {}",
                    printable(&audit::cells_in_words(&sum.silent_in))
                )
            };
            format!(
                "{word} {}, in {} of {} {plays}{silent}",
                count(sum.fired),
                sum.seeds_fired,
                sum.seeds
            )
        }));
        grid.rows.push(cells);
    }
    out.push('\n');
    grid.print(out, paint);
}

fn losses(out: &mut String, record: &Record) {
    for (cause, sums) in audit::losses(record) {
        let by_variant: Vec<String> = record
            .variants
            .iter()
            .zip(sums)
            .map(|(variant, n)| format!("{} {}", printable(&variant.name), count(n)))
            .collect();
        line(
            out,
            &format!("lost by {}: {}", printable(cause), by_variant.join(", ")),
        );
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Columns as wide as their widest cell, the first to the left and the rest to the left too:
/// figures carry units, so their points could not line up.
#[derive(Default)]
struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn print(&self, out: &mut String, paint: Paint) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (place, row) in self.rows.iter().enumerate() {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(text, "{cell:<width$}  ").expect("a string takes every write");
            }
            let text = text.trim_end();
            if place == 0 {
                line(out, &paint.bold(text));
            } else {
                line(out, text);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Paint(Colour);

impl Paint {
    fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self.0 {
            Colour::Never => text.to_owned(),
            Colour::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}
