//! What the runs cost, every run with its hash, and how the figures were made.

use super::{concat, seed_anchor, table};
use crate::{
    audit, command,
    format::{count, figure, html, html_prose, plural},
    record::{Producer, Record, SeedResult},
    stats,
};

/// Digits of a trace hash that are shown; the whole one is in its tooltip and in `result.json`.
const HASH_SHOWN: usize = 12;

pub(super) fn resources(record: &Record) -> String {
    let head = [
        "variant",
        "events",
        "events/CPU-s",
        "CPU",
        "wall",
        "simulated ÷ wall",
        "peak memory",
    ]
    .map(String::from);
    let rows: Vec<Vec<String>> = record
        .variants
        .iter()
        .map(|variant| {
            let cost = audit::cost(variant);
            let ratio = |over: f64, under: f64| {
                if under > 0.0 {
                    count((over / under).round() as u64)
                } else {
                    "–".to_owned()
                }
            };
            vec![
                html(&variant.name),
                count(cost.events),
                ratio(cost.events as f64, cost.cpu_s),
                figure(cost.cpu_s, "s"),
                figure(cost.wall_s, "s"),
                format!("{} ×", ratio(cost.simulated_s, cost.wall_s)),
                figure(cost.peak_rss_bytes as f64, "B"),
            ]
        })
        .collect();
    format!(
        "<p class=\"note\">All workers of a variant together; \
         memory is the hungriest worker’s. Depends on the machine.</p>\n{}",
        table(&head, &rows)
    )
}

pub(super) fn seeds(record: &Record) -> String {
    let mut out = String::from(
        "<p class=\"note\">Equal seeds of one build give equal \
         trace hashes. Each line can be repeated alone.</p>\n<div class=\"scroll\" \
         tabindex=\"0\"><table>\n<thead><tr>",
    );
    for head in [
        "variant",
        "seed",
        "trace hash",
        "events",
        "lost",
        "wall",
        "memory",
        "repeat",
    ] {
        put!(out, "<th scope=\"col\">{head}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (place, variant) in record.variants.iter().enumerate() {
        for seed in &variant.seeds {
            out.push_str(&seed_row(record, place, &variant.name, seed));
        }
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn seed_row(record: &Record, place: usize, variant: &str, seed: &SeedResult) -> String {
    let shown: String = seed.trace_hash.chars().take(HASH_SHOWN).collect();
    let lost = seed.losses.all();
    let ended = seed.failure.as_ref().map_or_else(String::new, |failure| {
        format!(
            "<small class=\"is-bad\">✗ ended early: {}</small>",
            html(&failure.to_string())
        )
    });
    format!(
        "<tr id=\"{}\"><th scope=\"row\">{}</th><td>{}</td>\
         <td class=\"code\" title=\"{}\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td><code>{}</code>{ended}</td></tr>\n",
        seed_anchor(place, &seed.seed),
        html(variant),
        html(&seed.seed),
        html(&seed.trace_hash),
        html(&shown),
        count(seed.events),
        count(lost),
        figure(seed.wall_s, "s"),
        figure(seed.peak_rss_bytes as f64, "B"),
        html(&command::one_seed(record, variant, &seed.seed)),
    )
}

pub(super) fn method(record: &Record) -> String {
    let mut out = format!(
        "<p>Each figure is taken within a seed first; means and intervals are over seeds, never \
         over samples of one run. Intervals are 95 % bootstrap intervals ({} resamples, expanded \
         percentiles, reproducible). A difference counts as higher or lower when its interval \
         excludes 0 and at least {} stand behind it; along an axis a figure rises or falls when the \
         intervals at its ends are apart and its seeds are enough that chance would not part them. No \
         correction is made for looking at several figures. Differences of shares are in points, hundredths of the whole; a difference in \
         per cent is the difference by the mean of the first variant. What a seed does not count \
         and others do is 0 there; of anything else, seeds without an event are left out, and \
         how many stands beside the mean. Curves pour the samples of all seeds into one HDR histogram, exact to 0.1 %.</p>\n",
        count(stats::RESAMPLES as u64),
        plural(stats::PAIRS_MIN, "pair"),
    );
    if !record.definitions.is_empty() {
        let produced = record
            .definitions
            .iter()
            .filter(|(name, _)| record.producers.get(*name) != Some(&Producer::Nothing));
        let words = concat(produced.map(|(name, text)| {
            format!(
                "<dt class=\"code\">{}</dt><dd>{}</dd>\n",
                html(name),
                html_prose(text)
            )
        }));
        put!(out, "<dl class=\"words\">\n{words}</dl>\n");
    }
    out
}
