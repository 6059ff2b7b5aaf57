//! `report.html`: one file that needs nothing else, no script and no network.
//!
//! Owns the order of the page and its style. Every string of the record passes
//! [`crate::format::html`] on its way in; markup is written here and in the sections only.

/// Writes formatted markup at the end of a string.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        ::std::fmt::Write::write_fmt(&mut $out, format_args!($($arg)*))
            .expect("a string takes every write")
    };
}

mod compared;
mod figures;
mod lead;
mod ledger;
mod matrices;
mod opening;
mod origin;
mod parts;
mod runs;
mod tables;

use crate::{
    Error,
    chart::{Figure, Section},
    format::html,
    record::Record,
};

use lead::Lead;
pub use parts::table;
use parts::{Part, concat, seed_anchor};

const STYLE: &str = include_str!("style.css");

/// The page.
///
/// # Errors
/// [`Error::Histogram`] if a merged histogram, from which curves are drawn, cannot be decoded.
pub fn page(record: &Record) -> Result<String, Error> {
    for metric in record
        .variants
        .iter()
        .flat_map(|variant| variant.merged.values())
    {
        if let crate::record::Metric::Distribution {
            histogram: Some(text),
            ..
        } = metric
        {
            crate::stats::decode(text)?;
        }
    }
    let (lead, results) = if record.grid.is_empty() {
        (lead::of(record), tables::headline(record))
    } else {
        let (markup, results) = matrices::section(record);
        let title = String::new();
        let matrix = None;
        (
            Lead {
                markup,
                title,
                matrix,
            },
            results,
        )
    };
    let charts = |section| figures::section(record, section, &lead.title);
    let by_seed = figures::all(record, Section::Headline, &lead.title);
    let parts = [
        Part::open("results", "Results", results),
        matrices::pairs(record, lead.matrix.as_ref()),
        compared::every_pair(record),
        Part::folded("seed-by-seed", "Seed by seed", by_seed),
        Part::open("latency", "Latency", charts(Section::Latency)),
        Part::open("time", "Over simulated time", charts(Section::Time)),
        ledger::ledger(record),
        tables::faults(record),
        tables::invariants(record),
        Part::folded("labelled", "By label", tables::labelled(record)),
        Part::open("run", "What was run", opening::what_was_run(record)),
        Part::folded("resources", "Resources", runs::resources(record)),
        Part::folded("seeds", "Every run", runs::seeds(record)),
        Part::folded(
            "method",
            "How these figures were made",
            runs::method(record),
        ),
    ];
    let parts: Vec<&Part> = parts.iter().filter(|part| !part.body.is_empty()).collect();
    let body = [
        opening::opening(record, &lead.markup),
        contents(&parts),
        concat(parts.iter().map(|part| part.markup())),
        FOOTER.to_owned(),
    ];
    Ok(document(&record.scenario, &body.concat()))
}

const FOOTER: &str = "<footer class=\"note\">Beside this file: result.json (everything, with whole \
    histograms), metrics.csv (one figure a line), summary.md (for a pull request).</footer>\n";

/// Links to all parts.
fn contents(parts: &[&Part]) -> String {
    let link = |part: &&Part| format!("<li><a href=\"#{}\">{}</a></li>", part.id, part.title);
    format!(
        "<nav aria-label=\"Contents\"><ul class=\"contents\">{}</ul></nav>\n",
        concat(parts.iter().map(link))
    )
}

/// A page in the style of all pages, from its title as plain text and its body as markup.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"orrery-reports {}\">\n<title>{} · Orrery</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        html(title),
    )
}

/// A figure as markup: heading, legend, drawing and caption.
pub fn figure(figure: &Figure) -> String {
    figures::markup(figure)
}
