//! Tables of figures over seeds: headline, labelled metrics, faults, invariants.

use super::table;
use crate::{
    audit,
    format::{count, html, html_key, interval_parts, plural},
    headline::{self, Row},
    record::Record,
};

/// Rows of the table of labelled metrics before the rest is left to `metrics.csv`.
const LABELLED_MAX: usize = 400;

pub(super) fn headline(record: &Record) -> String {
    let rows = headline::rows(record);
    if rows.is_empty() {
        return "<h2>Results</h2>\n<p>No seed left a figure.</p>\n".to_owned();
    }
    let n = rows
        .iter()
        .flat_map(|row| row.cells.iter().flatten())
        .map(|i| i.n)
        .max()
        .unwrap_or(0);
    let mut out = format!(
        "<h2 id=\"results\">Results</h2>\n<p class=\"note\">Mean over n = {n} seeds; beneath it \
         the 95 % bootstrap interval.{}</p>\n",
        if record.variants.len() > 1 {
            " Variants with the same hosts meet the same worlds, so differences are formed seed by \
             seed; “undecided” means that the interval includes 0."
        } else {
            ""
        }
    );
    out.push_str(&rows_table(record, &rows));
    out
}

pub(super) fn labelled(record: &Record) -> String {
    let mut rows = headline::labelled_rows(record);
    if rows.is_empty() {
        return String::new();
    }
    let all = rows.len();
    rows.truncate(LABELLED_MAX);
    let rest = if all > LABELLED_MAX {
        format!(
            "<p class=\"note\">{} further rows are in metrics.csv.</p>\n",
            all - LABELLED_MAX
        )
    } else {
        String::new()
    };
    format!(
        "<h2 id=\"labelled\">By label</h2>\n<details{}><summary>{all} figures of metrics split by \
         label</summary>\n{}{rest}</details>\n",
        if all <= 12 { " open" } else { "" },
        rows_table(record, &rows),
    )
}

pub(super) fn faults(record: &Record) -> String {
    let faults = audit::faults(record);
    if faults.is_empty() {
        return String::new();
    }
    let plays = audit::plays(record);
    let mut head = vec!["fault".to_owned()];
    head.extend(record.variants.iter().map(|v| html(&v.name)));
    let rows: Vec<Vec<String>> = faults
        .iter()
        .map(|(kind, sums)| {
            let mut cells = vec![format!("<span class=\"code\">{}</span>", html(kind))];
            cells.extend(sums.iter().map(|sum| {
                let (class, word, seeds) = match sum {
                    s if s.seeds == 0 => return "–".to_owned(),
                    s if s.seeds_fired == s.seeds => ("is-good", "✓ fired", sum.seeds_fired),
                    _ => ("is-bad", "✗ silent", sum.seeds - sum.seeds_fired),
                };
                let cells = html(&audit::cells_in_words(&sum.silent_in));
                let silent = if cells.is_empty() {
                    cells
                } else {
                    format!("<small class=\"is-bad\">none in {cells}</small>")
                };
                format!(
                    "<b class=\"{class}\">{word}</b> in {} of {} {plays}<small>{} effects, {} \
                     declared</small>{silent}",
                    seeds,
                    sum.seeds,
                    count(sum.fired),
                    count(sum.declared),
                )
            }));
            cells
        })
        .collect();
    format!(
        "<h2 id=\"faults\">Fault audit</h2>\n<p class=\"note\">A declared fault without an effect \
         proves nothing, so it fails the run. Effects are packets dropped, connections cut, clocks \
         stepped.</p>\n{}",
        table(&head, &rows)
    )
}

pub(super) fn invariants(record: &Record) -> String {
    let invariants = audit::invariants(record);
    if invariants.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = invariants
        .iter()
        .map(|(name, sum)| {
            let (class, word, n) = if sum.checked == sum.held {
                ("is-good", "✓ held", sum.held)
            } else {
                ("is-bad", "✗ broke", sum.checked - sum.held)
            };
            let cells = match sum.cells.len() {
                0 => String::new(),
                n if sum.broken_in.is_empty() => format!(", in all {}", plural(n, "cell")),
                _ => format!(
                    "<small class=\"is-bad\">in {}</small>",
                    html(&audit::cells_in_words(&sum.broken_in))
                ),
            };
            vec![
                format!("<span class=\"code\">{}</span>", html(name)),
                format!(
                    "<b class=\"{class}\">{word}</b> in {n} of {} runs{cells}",
                    sum.checked
                ),
            ]
        })
        .collect();
    let head = ["invariant".to_owned(), "all variants and seeds".to_owned()];
    let mut out = format!(
        "<h2 id=\"invariants\">Invariants</h2>\n{}",
        table(&head, &rows)
    );
    for variant in &record.variants {
        for seed in &variant.seeds {
            let broken = seed.invariants.iter().filter(|i| !i.held);
            for detail in broken.filter_map(|i| i.detail.as_ref()).take(3) {
                put!(
                    out,
                    "<p class=\"note\">{}, seed {}: {}</p>\n",
                    html(&variant.name),
                    html(&seed.seed),
                    html(detail)
                );
            }
        }
    }
    out
}

fn rows_table(record: &Record, rows: &[Row]) -> String {
    let writing = headline::Writing {
        name: &|name| format!("<span class=\"name\">{}</span>", html(name)),
        key: &|key| format!("<span class=\"code\">{}</span>", html_key(key)),
        cell: &|cell, unit| {
            let (mean, ends) = interval_parts(cell.mean, cell.ci95, unit, false);
            let (mean, ends) = (html(&mean), html(&ends));
            format!("<span class=\"figure-value\">{mean}</span><small>{ends}</small>")
        },
        difference: &|difference, unit| {
            let words = headline::in_words(difference);
            if words == "equal" {
                return words.to_owned();
            }
            let (mean, ends) = interval_parts(difference.mean, difference.ci95, unit, true);
            let (mean, ends) = (html(&mean), html(&ends));
            format!("{mean} · <b>{words}</b><small>{ends}</small>")
        },
    };
    let lines = headline::layout(record, rows, &writing);
    lines
        .split_first()
        .map_or_else(String::new, |(head, body)| table(head, body))
}
