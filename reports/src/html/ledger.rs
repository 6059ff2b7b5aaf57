//! The ledger of losses: how many by cause, and which.

use super::{Part, concat, seed_anchor, table};
use crate::{
    audit::{self, LossesOf},
    format::{clock, count, html, sentence},
    record::Record,
};

/// Losses listed by name; the counts by cause are of all.
const LISTED_MAX: usize = 60;

/// Losses listed of one seed, so that the list shows several.
const LISTED_OF_SEED: usize = 12;

/// Folded where nothing was lost; empty where nothing can be.
pub(super) fn ledger(record: &Record) -> Part {
    let losses = audit::losses_by_metric(record);
    if losses.is_empty() {
        return Part::folded("losses", "No losses", nothing_lost(record));
    }
    let tables = concat(losses.iter().map(|losses| by_cause(record, losses)));
    Part::open("losses", "Losses", tables + &listed(record))
}

fn nothing_lost(record: &Record) -> String {
    match &record.losses {
        None => "<p>Nothing was lost.</p>\n".to_owned(),
        Some(can_be) if can_be.is_empty() => String::new(),
        Some(can_be) => {
            let kinds: Vec<String> = can_be.values().map(|what| html(what)).collect();
            format!("<p>Nothing was lost: no {}.</p>\n", kinds.join(", no "))
        }
    }
}

/// How many of one kind by cause.
fn by_cause(record: &Record, losses: &LossesOf<'_>) -> String {
    let mut head = vec!["cause".to_owned()];
    head.extend(record.variants.iter().map(|v| html(&v.name)));
    let mut rows: Vec<Vec<String>> = losses
        .causes
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
            let sum: u64 = losses.causes.values().map(|sums| sums[place]).sum();
            format!("<b>{}</b>", count(sum))
        }));
        rows.push(total);
    }
    format!(
        "<p class=\"note\">{}, all seeds together.</p>\n{}",
        html(&sentence(losses.what)),
        table(&head, &rows),
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
    let head = ["item", "variant", "seed", "began at", "from → to", "cause"].map(String::from);
    format!(
        "<details><summary>Which ones: {} of {} recorded, at most {LISTED_OF_SEED} a seed; \
         the others are in result.json</summary>\n{}</details>\n",
        count(rows.len() as u64),
        count(all as u64),
        table(&head, &rows)
    )
}
