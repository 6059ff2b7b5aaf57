//! Figures with their heading, legend, numbered faults and caption.

use super::concat;
use crate::{
    chart::{CHARTS, Figure, Section, saved},
    format::{html, html_prose, plural},
    record::Record,
};

/// The figures of a section: the first of each chart, and the others folded; nothing if there are
/// none. The one with the title `drawn` stands elsewhere on the page.
pub(super) fn section(record: &Record, section: Section, drawn: &str) -> String {
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for chart in CHARTS.iter().filter(|chart| chart.section == section) {
        let figures = (chart.figures)(record);
        let mut figures = figures.into_iter().filter(|it| it.title != drawn);
        first.extend(figures.next());
        others.extend(figures);
    }
    let body = concat(first.iter().map(markup));
    body + &folded(&others)
}

/// All figures of a section but the one with the title `drawn`.
pub(super) fn all(record: &Record, section: Section, drawn: &str) -> String {
    let charts = CHARTS.iter().filter(|chart| chart.section == section);
    let figures = charts.flat_map(|chart| (chart.figures)(record));
    concat(figures.filter(|it| it.title != drawn).map(|it| markup(&it)))
}

fn folded(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>{}</summary>\n{}</details>\n",
        plural(figures.len(), "further chart"),
        concat(figures.iter().map(markup))
    )
}

/// A figure with its heading, legend and caption.
pub(super) fn markup(figure: &Figure) -> String {
    format!(
        "<figure>\n<h3>{}</h3>\n{}</figure>\n",
        html(&figure.title),
        drawing(figure)
    )
}

/// What stands beneath a figure's heading.
pub(super) fn drawing(figure: &Figure) -> String {
    let mut out = String::new();
    if !figure.legend.is_empty() {
        let items = concat(
            figure
                .legend
                .iter()
                .map(|(style, name)| format!("<li>{}{}</li>", swatch(*style), html(name))),
        );
        put!(out, "<ul class=\"legend\">{items}</ul>\n");
    }
    put!(out, "<div class=\"wide\">{}</div>\n", figure.wide.svg);
    put!(out, "<div class=\"narrow\">{}</div>\n", figure.narrow.svg);
    if !figure.marks.is_empty() {
        let items = concat(
            figure
                .marks
                .iter()
                .map(|mark| format!("<li>{}</li>", html_prose(mark))),
        );
        put!(out, "<ol class=\"marks\">{items}</ol>\n");
    }
    put!(
        out,
        "<figcaption>{}</figcaption>\n{}",
        html_prose(&figure.caption),
        saved::links(figure),
    );
    out
}

/// A sample of a line style, in the units that the drawings use.
fn swatch(style: usize) -> String {
    format!(
        "<svg viewBox=\"0 0 148 48\" aria-hidden=\"true\"><line x1=\"0\" y1=\"24\" x2=\"148\" \
         y2=\"24\" stroke-width=\"10\" class=\"stroke-s{style}\"/></svg>"
    )
}
