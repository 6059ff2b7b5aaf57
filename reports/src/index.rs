//! `index.html`: all results of a folder on one page, those that did not hold first.

use crate::{
    answer, audit,
    format::{html, html_prose, plural},
    headline,
    html::{document, table},
    record::{Record, Verdict},
};

/// A result and where its report lies.
pub struct Entry {
    /// The report's address as the index has it: relative, with `/` between folders.
    pub link: String,
    /// The result.
    pub record: Record,
}

/// The page, from results in any order.
pub fn page(title: &str, entries: &[Entry]) -> String {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.record.verdict == Verdict::Held, entry.link.clone());
        key(a).cmp(&key(b))
    });
    let failed = entries
        .iter()
        .filter(|entry| entry.record.verdict != Verdict::Held)
        .count();
    let words = if failed == 0 {
        "all held".to_owned()
    } else {
        format!("{failed} did not hold")
    };
    let head = [
        "verdict",
        "scenario",
        "question and answer",
        "seeds",
        "commit",
    ];
    let rows: Vec<Vec<String>> = entries.iter().map(|entry| row(entry)).collect();
    let body = format!(
        "<p class=\"kind\">Orrery results</p>\n<h1>{}</h1>\n<p class=\"lead\">{}, {words}</p>\n{}",
        html(title),
        plural(entries.len(), "result"),
        table(&head.map(str::to_owned), &rows)
    );
    document(title, &body)
}

fn row(entry: &Entry) -> Vec<String> {
    let record = &entry.record;
    let (word, _) = audit::verdict_words(record);
    let sign = audit::verdict_sign(record.verdict);
    let class = if record.verdict == Verdict::Held {
        "is-good"
    } else {
        "is-bad"
    };
    let found = headline::sentences(record)
        .into_iter()
        .chain(answer::sentences(record))
        .next()
        .unwrap_or_default();
    vec![
        format!("<b class=\"{class}\">{sign} {word}</b>"),
        format!(
            "<a href=\"{}\">{}</a>",
            html(&entry.link),
            html(&record.scenario)
        ),
        format!(
            "<span class=\"words\">{}<small>{}</small></span>",
            html_prose(&record.summary),
            html_prose(&found)
        ),
        audit::seed_count(record).to_string(),
        format!("<span class=\"code\">{}</span>", html(&record.commit)),
    ]
}
