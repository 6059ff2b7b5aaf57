//! Figures with their heading, legend, numbered faults and caption.

use super::concat;
use crate::{
    chart::{CHARTS, Figure, Section},
    format::html,
    record::Record,
};

/// The figures of a section under its heading, if it has one; nothing if there are none.
pub(super) fn section(record: &Record, section: Section, heading: Option<&str>) -> String {
    let charts = CHARTS.iter().filter(|chart| chart.section == section);
    let body: String = charts
        .flat_map(|chart| (chart.figures)(record))
        .map(|figure| markup(&figure))
        .collect();
    match heading {
        Some(heading) if !body.is_empty() => format!("<h2>{heading}</h2>\n{body}"),
        _ => body,
    }
}

/// A figure with its heading, legend and caption.
pub(super) fn markup(figure: &Figure) -> String {
    let mut out = format!("<figure>\n<h3>{}</h3>\n", html(&figure.title));
    if !figure.legend.is_empty() {
        let items = concat(
            figure
                .legend
                .iter()
                .map(|(style, name)| format!("<li>{}{}</li>", swatch(*style), html(name))),
        );
        put!(out, "<ul class=\"legend\">{items}</ul>\n");
    }
    put!(out, "<div class=\"wide\">{}</div>\n", figure.wide);
    put!(out, "<div class=\"narrow\">{}</div>\n", figure.narrow);
    if !figure.marks.is_empty() {
        let items = concat(
            figure
                .marks
                .iter()
                .map(|mark| format!("<li>{}</li>", html(mark))),
        );
        put!(out, "<ol class=\"marks\">{items}</ol>\n");
    }
    put!(
        out,
        "<figcaption>{}</figcaption>\n</figure>\n",
        html(&figure.caption)
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
