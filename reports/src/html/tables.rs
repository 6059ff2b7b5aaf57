//! Tables of figures over seeds: headline, labelled metrics, faults, invariants.

use super::{Part, table};
use crate::{
    audit,
    format::{count, html, html_key, html_prose, plural},
    headline::{self, Row},
    record::{Interval, Record},
};

/// Rows of the table of labelled metrics before the rest is left to `metrics.csv`.
const LABELLED_MAX: usize = 400;

pub(super) fn headline(record: &Record) -> String {
    let rows = headline::rows(record);
    if rows.is_empty() {
        return "<p>No seed left a figure.</p>\n".to_owned();
    }
    let n = rows
        .iter()
        .flat_map(|row| row.cells.iter().flatten())
        .map(|i| i.n)
        .max()
        .unwrap_or(0);
    let mut out = format!(
        "<p class=\"note\">Mean over n = {}{}.{}</p>\n",
        plural(n as usize, "seed"),
        if n > 1 {
            "; beneath it the 95 % bootstrap interval"
        } else {
            ""
        },
        if record.variants.len() > 1 {
            " Variants with the same hosts meet the same worlds, so differences are formed seed by \
             seed; “undecided” means that the interval includes 0."
        } else {
            ""
        }
    );
    let (named, others): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.named.is_some());
    let (constant, telling): (Vec<Row>, Vec<Row>) = others.into_iter().partition(is_constant);
    if named.is_empty() {
        out.push_str(&rows_table(record, &telling));
    } else {
        out.push_str(&rows_table(record, &named));
        out.push_str(&folded(record, &telling, ""));
    }
    let verb = if constant.len() == 1 { "is" } else { "are" };
    let across = if record.variants.len() > 1 {
        "seed and variant"
    } else {
        "seed"
    };
    let same = format!(" that {verb} the same in every {across}");
    out.push_str(&folded(record, &constant, &same));
    out
}

/// Rows that show when they are asked for; nothing without any.
fn folded(record: &Record, rows: &[Row], that: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>{}{that}</summary>\n{}</details>\n",
        plural(rows.len(), "further figure"),
        rows_table(record, rows),
    )
}

/// Whether all variants have the same figure in all seeds.
fn is_constant(row: &Row) -> bool {
    let mut cells = row.cells.iter();
    let first = cells.next().copied().flatten();
    let whole = first.filter(Interval::is_point);
    whole.is_some_and(|first| cells.all(|cell| cell.is_some_and(|c| c.is_all(first.mean))))
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
        "<p class=\"note\">{all} figures of metrics split by label.</p>\n{}{rest}",
        rows_table(record, &rows),
    )
}

/// Folded unless a fault was silent.
pub(super) fn faults(record: &Record) -> Part {
    let faults = audit::faults(record);
    let mut sums = faults.values().flatten();
    let silent = sums.any(|sum| sum.seeds_fired < sum.seeds);
    Part {
        folded: !silent,
        ..Part::open("faults", "Fault audit", faults_body(record))
    }
}

fn faults_body(record: &Record) -> String {
    let faults = audit::fault_lines(record);
    if faults.is_empty() {
        return String::new();
    }
    let plays = audit::plays(record);
    let mut head = vec!["fault".to_owned()];
    head.extend(record.variants.iter().map(|v| html(&v.name)));
    let rows: Vec<Vec<String>> = faults
        .iter()
        .map(|fault| {
            let mut cells = vec![format!("<span class=\"code\">{}</span>", html(&fault.name))];
            cells.extend(fault.sums.iter().map(|sum| {
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
        "<p class=\"note\">A declared fault without an effect \
         proves nothing, so it fails the run. Effects are packets dropped, connections cut, clocks \
         stepped.</p>\n{}",
        table(&head, &rows)
    )
}

/// Folded unless one broke.
pub(super) fn invariants(record: &Record) -> Part {
    let invariants = audit::invariants(record);
    let broken = invariants.values().any(|sum| sum.held < sum.checked);
    Part {
        folded: !broken,
        ..Part::open("invariants", "Invariants", invariants_body(record))
    }
}

fn invariants_body(record: &Record) -> String {
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
    let mut out = table(&head, &rows);
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
    let lines = writing(|writing| headline::layout(record, rows, writing));
    lines
        .split_first()
        .map_or_else(String::new, |(head, body)| table(head, body))
}

/// What is laid out in the way in which the page writes names and figures.
pub(super) fn writing(
    lay: impl Fn(&headline::Writing<'_>) -> Vec<Vec<String>>,
) -> Vec<Vec<String>> {
    lay(&headline::Writing {
        name: &|name| format!("<span class=\"name\">{}</span>", html(name)),
        key: &|key| format!("<span class=\"code\">{}</span>", html_key(key)),
        cell: &|cell, unit| {
            let (mean, ends) = headline::parts(cell, unit);
            let (mean, ends) = (html_prose(&mean), beneath(&ends));
            format!("<span class=\"figure-value\">{mean}</span>{ends}")
        },
        difference: &|compared| {
            let words = html_prose(&compared.words);
            if words.starts_with("equal") {
                return words;
            }
            let (mean, ends) = (html_prose(&compared.mean), beneath(&compared.ends));
            let relative = compared.relative.as_ref();
            let relative =
                relative.map_or(String::new(), |share| format!(" ({})", html_prose(share)));
            let words = match &*words {
                "" => String::new(),
                words => format!(" · <b>{words}</b>"),
            };
            format!("{mean}{relative}{words}{ends}")
        },
    })
}

/// What stands beneath a figure; nothing of nothing.
fn beneath(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("<small>{}</small>", html_prose(text))
}
