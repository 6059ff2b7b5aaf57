//! `summary.md`: what one pastes into a pull request.

use crate::{
    advice::advice,
    audit,
    checks::checks,
    command,
    format::{count, duration, interval_parts, markdown, plural},
    headline,
    matrix::{self, Matrix},
    record::{Compare, Record},
};

/// The summary in GitHub-flavoured Markdown, ending in a newline.
pub fn summary(record: &Record) -> String {
    let mut lines = Vec::new();
    let (word, meaning) = audit::verdict_words(record);
    let sign = audit::verdict_sign(record.verdict);
    lines.push(format!("### {}: {sign} {word}", markdown(&record.scenario)));
    lines.push(String::new());
    if !record.summary.is_empty() {
        lines.push(markdown(&record.summary));
        lines.push(String::new());
    }
    lines.push(format!(
        "{}, {} of measured time each, engine {}, fidelity {}, commit {}; {meaning}.",
        plural(audit::seed_count(record), "seed"),
        duration(record.measured_s()),
        markdown(&record.engine),
        markdown(&audit::fidelity(record)),
        markdown(&record.commit),
    ));
    let sentences = headline::sentences(record);
    if !sentences.is_empty() {
        lines.push(String::new());
        lines.extend(
            sentences
                .iter()
                .map(|sentence| format!("- {}", markdown(sentence))),
        );
    }
    if record.grid.is_empty() {
        headlines(&mut lines, record);
    }
    cells(&mut lines, record);
    every_pair(&mut lines, record);
    expectations(&mut lines, record);
    audits(&mut lines, record);
    let warnings = advice(record);
    if !warnings.is_empty() {
        lines.push(String::new());
        lines.extend(
            warnings
                .iter()
                .map(|warning| format!("- ⚠ {}", markdown(warning))),
        );
    }
    lines.push(String::new());
    lines.push("Repeat it with".to_owned());
    lines.push(String::new());
    // An indented block needs no fence that its content could close.
    lines.push(format!("    {}", command::whole(record)));
    lines.push(String::new());
    lines.join("\n")
}

fn headlines(lines: &mut Vec<String>, record: &Record) {
    let rows = headline::rows(record);
    if rows.is_empty() {
        return;
    }
    table(lines, &headline::layout(record, &rows, &WRITING));
}

/// How Markdown has names and figures.
const WRITING: headline::Writing<'static> = headline::Writing {
    name: &markdown,
    key: &markdown,
    cell: &|cell, unit| {
        let (mean, ends) = interval_parts(cell.mean, cell.ci95, unit, false);
        format!("**{mean}** {ends}")
    },
    difference: &headline::plain_difference,
};

/// Each two variants, where the scenario asks for it.
fn every_pair(lines: &mut Vec<String>, record: &Record) {
    let pairs = headline::pairs(record);
    if record.compare == Compare::All && !pairs.is_empty() {
        table(lines, &headline::pairs_layout(&pairs, &WRITING));
    }
}

fn cells(lines: &mut Vec<String>, record: &Record) {
    let text = matrix::text(record);
    for matrix in &text.alike {
        let (figure, words) = (markdown(matrix.figure.as_str()), matrix.alike_in_words());
        lines.push(String::new());
        lines.push(format!("**{figure}**: {}", markdown(&words)));
    }
    if let Some(rows) = text.together(&markdown) {
        table(lines, &rows);
    } else {
        for matrix in &text.matrices {
            one_matrix(lines, matrix);
        }
    }
    if text.is_marked() {
        lines.push(String::new());
        lines.push("✓ ✗: as the scenario expects of the cell, in every seed.".to_owned());
    }
    if text.has_missing() {
        lines.push(String::new());
        lines.push("n: seeds with an event, where not all had one.".to_owned());
    }
    if text.rest > 0 {
        let rest = plural(text.rest, "figure");
        lines.push(String::new());
        lines.push(format!("{rest} more in report.html and metrics.csv."));
    }
}

fn one_matrix(lines: &mut Vec<String>, matrix: &Matrix) {
    lines.push(String::new());
    lines.push(format!("**{}**", markdown(&matrix.title())));
    for panel in &matrix.panels {
        if !panel.title.is_empty() {
            lines.push(String::new());
            lines.push(markdown(&panel.title));
        }
        table(lines, &matrix.lines(panel, &markdown));
    }
    if matrix.left_out > 0 {
        lines.push(String::new());
        let panels = plural(matrix.left_out, "panel");
        lines.push(format!("{panels} more in metrics.csv."));
    }
}

fn table(lines: &mut Vec<String>, rows: &[Vec<String>]) {
    lines.push(String::new());
    for (place, cells) in rows.iter().enumerate() {
        lines.push(table_row(cells));
        if place == 0 {
            lines.push(table_row(&vec!["---".to_owned(); cells.len()]));
        }
    }
}

fn expectations(lines: &mut Vec<String>, record: &Record) {
    if record.expectations.is_empty() && record.not_judged.is_empty() {
        return;
    }
    lines.push(String::new());
    for check in checks(record) {
        let word = if check.held { "✓ held" } else { "✗ failed" };
        lines.push(format!(
            "- {word}: {} ({})",
            markdown(&check.expr),
            markdown(&check.detail)
        ));
    }
    let not_judged = record.not_judged.iter();
    lines.extend(not_judged.map(|expr| format!("- – not judged: {}", markdown(expr))));
}

fn audits(lines: &mut Vec<String>, record: &Record) {
    let mut all = Vec::new();
    for (cause, sums) in audit::losses(record) {
        all.push(format!(
            "- lost by {}: {}",
            markdown(cause),
            by_variant(record, &sums)
        ));
    }
    for fault in audit::fault_lines(record) {
        let fired: Vec<u64> = fault.sums.iter().map(|sum| sum.fired).collect();
        all.push(format!(
            "- fault {} fired: {}",
            markdown(&fault.name),
            by_variant(record, &fired)
        ));
    }
    if !all.is_empty() {
        lines.push(String::new());
        lines.extend(all);
    }
}

fn by_variant(record: &Record, sums: &[u64]) -> String {
    let named = record.variants.iter().zip(sums);
    let parts: Vec<String> = named
        .map(|(variant, n)| format!("{} {}", markdown(&variant.name), count(*n)))
        .collect();
    parts.join(", ")
}

fn table_row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}
