//! The ledger of losses: how many by cause, and which.

use super::{Part, seed_anchor, table};
use crate::{
    audit,
    format::{clock, count, html},
    record::Record,
};

/// Losses listed by name; the counts by cause are of all.
const LISTED_MAX: usize = 60;

/// Losses listed of one seed, so that the list shows several.
const LISTED_OF_SEED: usize = 12;

/// Folded where nothing was lost.
pub(super) fn ledger(record: &Record) -> Part {
    let body = body(record);
    if audit::losses(record).is_empty() {
        Part::folded("losses", "No losses", body)
    } else {
        Part::open("losses", "Losses", body)
    }
}

fn body(record: &Record) -> String {
    let by_cause = audit::losses(record);
    if by_cause.is_empty() {
        return "<p>Nothing was lost: every intended reader has \
                every item.</p>\n"
            .to_owned();
    }
    let mut head = vec!["cause".to_owned()];
    head.extend(record.variants.iter().map(|v| html(&v.name)));
    let mut rows: Vec<Vec<String>> = by_cause
        .iter()
        .map(|(cause, sums)| {
            let mut cells = vec![format!("<span class=\"code\">{}</span>", html(cause))];
            cells.extend(sums.iter().map(|n| count(*n)));
            cells
        })
        .collect();
    if rows.len() > 1 {
        let mut total = vec!["all causes".to_owned()];
        total.extend((0..record.variants.len()).map(|place| {
            let sum: u64 = by_cause.values().map(|sums| sums[place]).sum();
            format!("<b>{}</b>", count(sum))
        }));
        rows.push(total);
    }
    format!(
        "<p class=\"note\">Pairs of item and intended reader that \
         never met, all seeds together.</p>\n{}{}",
        table(&head, &rows),
        listed(record)
    )
}

fn listed(record: &Record) -> String {
    let mut rows = Vec::new();
    let mut all = 0;
    for (place, variant) in record.variants.iter().enumerate() {
        for seed in &variant.seeds {
            all += seed.losses.listed().len();
            let room = LISTED_MAX.saturating_sub(rows.len()).min(LISTED_OF_SEED);
            rows.extend(seed.losses.listed().iter().take(room).map(|loss| {
                vec![
                    html(&loss.item.to_string()),
                    html(&variant.name),
                    format!(
                        "<a href=\"#{}\">seed {}</a>",
                        seed_anchor(place, &seed.seed),
                        html(&seed.seed)
                    ),
                    clock(loss.created_s),
                    format!("{} → {}", html(&loss.author), html(&loss.reader)),
                    format!("<span class=\"code\">{}</span>", html(&loss.cause)),
                ]
            }));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let head = ["item", "variant", "seed", "made at", "from → to", "cause"].map(String::from);
    format!(
        "<details><summary>Which ones: {} of {} recorded, at most {LISTED_OF_SEED} a seed; \
         the others are in result.json</summary>\n{}</details>\n",
        count(rows.len() as u64),
        count(all as u64),
        table(&head, &rows)
    )
}
