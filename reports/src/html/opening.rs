//! The top of the page: what was run, what came of it, and how to do it again.

use super::{concat, origin};
use crate::{
    advice::advice,
    answer, audit,
    checks::checks,
    command,
    format::{duration, html, html_prose, plural},
    headline,
    record::{Record, Verdict},
};

/// The first screen: the question, the answer, and `lead`, the figure that shows it.
pub(super) fn opening(record: &Record, lead: &str) -> String {
    let mut out = format!(
        "<header>\n<p class=\"kind\">Orrery report</p>\n<h1>{}</h1>\n",
        html(&record.scenario)
    );
    if !record.summary.is_empty() {
        put!(
            out,
            "<p class=\"lead\">{}</p>\n",
            html_prose(&record.summary)
        );
    }
    out.push_str(&verdict(record));
    out.push_str(&findings(record));
    out.push_str("</header>\n");
    out.push_str(lead);
    out.push_str(&expectations(record));
    out.push_str(&warnings(record));
    out
}

/// Terms of the run, and the command that repeats it.
pub(super) fn what_was_run(record: &Record) -> String {
    format!(
        "{}<p class=\"note\">Repeat this run, at commit {}:</p>\n<pre>{}</pre>\n{}",
        facts(record),
        html(&record.commit),
        html(&command::whole(record)),
        origin::origin(record),
    )
}

fn verdict(record: &Record) -> String {
    let (word, meaning) = audit::verdict_words(record);
    let sign = audit::verdict_sign(record.verdict);
    let class = if record.verdict == Verdict::Held {
        "good"
    } else {
        "bad"
    };
    format!(
        "<div class=\"verdict {class}\"><strong>{sign} {word}</strong><span>{}</span></div>\n",
        html_prose(&meaning)
    )
}

fn findings(record: &Record) -> String {
    let items = concat(
        headline::sentences(record)
            .iter()
            .chain(&answer::sentences(record))
            .map(|sentence| format!("<li>{}</li>\n", html_prose(sentence))),
    );
    if items.is_empty() {
        items
    } else {
        format!("<ul class=\"findings\">\n{items}</ul>\n")
    }
}

/// The expectations that were not judged, if any.
fn not_judged(record: &Record) -> String {
    let exprs = record.not_judged.iter();
    let items = concat(exprs.map(|expr| format!("<li><code>{}</code></li>\n", html(expr))));
    if items.is_empty() {
        return items;
    }
    let count = plural(record.not_judged.len(), "expectation");
    format!("<p class=\"note\">{count} not judged:</p>\n<ul class=\"findings\">\n{items}</ul>\n")
}

fn expectations(record: &Record) -> String {
    let not_judged = not_judged(record);
    if record.expectations.is_empty() {
        if not_judged.is_empty() {
            return "<p class=\"note\">This scenario states no expectations.</p>\n".to_owned();
        }
        return not_judged;
    }
    let all = checks(record);
    let failed = all.iter().filter(|check| !check.held).count();
    let (class, open, words) = if failed == 0 {
        (
            "is-good",
            "",
            format!("✓ {} held", plural(all.len(), "expectation")),
        )
    } else {
        let words = format!("✗ {failed} of {} failed", plural(all.len(), "expectation"));
        ("is-bad", " open", words)
    };
    let items = concat(all.iter().map(|check| {
        let (class, word) = if check.held {
            ("is-good", "✓ held")
        } else {
            ("is-bad", "✗ failed")
        };
        format!(
            "<li><b class=\"{class}\">{word}</b><span class=\"code\">{}</span>\
                 <span class=\"note\">{}</span></li>\n",
            html(&check.expr),
            html_prose(&check.detail)
        )
    }));
    format!(
        "<details class=\"checks\"{open}><summary><b class=\"{class}\">{words}</b></summary>\n<ul \
         class=\"checks\" aria-label=\"Expectations\">\n{items}</ul></details>\n{not_judged}"
    )
}

fn warnings(record: &Record) -> String {
    let all = advice(record);
    if all.is_empty() {
        return String::new();
    }
    let items = concat(
        all.iter()
            .map(|warning| format!("<li><b>Warning:</b> {}</li>\n", html_prose(warning))),
    );
    format!("<ul class=\"warnings\">\n{items}</ul>\n")
}

fn facts(record: &Record) -> String {
    let names: Vec<&str> = record.variants.iter().map(|v| v.name.as_str()).collect();
    let cells = if record.grid.is_empty() {
        String::new()
    } else {
        let sizes = record.grid.iter().map(|d| d.values.len());
        sizes.product::<usize>().to_string()
    };
    let measured = format!(
        "{} of {} simulated a seed",
        duration(record.duration_s - record.warmup_s),
        duration(record.duration_s + record.drain_s)
    );
    let facts = [
        ("Seeds", plural(audit::seed_count(record), "seed")),
        ("Variants", names.join(", ")),
        ("Cells", cells),
        ("Measured", measured),
        (
            "Warm-up, drain",
            format!(
                "{}, {}",
                duration(record.warmup_s),
                duration(record.drain_s)
            ),
        ),
        ("Engine", record.engine.clone()),
        ("Fidelity", audit::fidelity(record)),
        ("Commit", record.commit.clone()),
    ];
    let items = concat(
        facts
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(term, text)| {
                format!("<div><dt>{term}</dt><dd>{}</dd></div>\n", html_prose(text))
            }),
    );
    format!("<dl class=\"facts\">\n{items}</dl>\n")
}
