//! Shares of a whole as lying bars: a row for each part, a bar in it for each series.

use super::{
    Figure, STYLES,
    canvas::{Anchor, Canvas, Ink, Shape, draw},
};
use crate::format::figure;

/// Room for the names of rows, on the left.
const NAMES_PX: f64 = 104.0;

/// Room for the figures beside the bars, on the right.
const FIGURES_PX: f64 = 96.0;

const BAR_PX: f64 = 13.0;

/// Between two rows.
const GAP_PX: f64 = 10.0;

const LABEL_PX: f64 = 12.0;

/// A row: its name, and the share (0 to 1) of each series with half the width of its
/// 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What the bars are shares for, as plain text.
    pub name: String,
    /// One bar for each series, in the order of the series.
    pub shares: Vec<(f64, f64)>,
}

/// A figure of `rows` from top to bottom, with `series` as legend.
///
/// ```
/// use orrery_reports::{chart::bars::{Row, shares}, html};
///
/// let rows = [Row { name: "muxing".into(), shares: vec![(0.25, 0.02), (0.0, 0.0)] }];
/// let figure = shares("Where time went", "Of all.", &["wire", "flow"], &rows);
/// assert!(html::figure(&figure).contains("25 %"));
/// ```
pub fn shares(title: &str, caption: &str, series: &[&str], rows: &[Row]) -> Figure {
    let legend = series.iter().enumerate();
    let legend = legend.map(|(place, name)| (place % STYLES, (*name).to_owned()));
    let greatest = rows
        .iter()
        .flat_map(|row| &row.shares)
        .map(|(share, error)| share + error)
        .fold(f64::MIN_POSITIVE, f64::max);
    Figure::new(
        title.to_owned(),
        caption.to_owned(),
        legend.collect(),
        |shape| {
            let row_px = BAR_PX * series.len() as f64 + GAP_PX;
            let shape = Shape {
                height: row_px * rows.len() as f64 + GAP_PX,
                ..shape
            };
            draw(shape, title, |canvas| {
                for (place, row) in rows.iter().enumerate() {
                    let top = GAP_PX + row_px * place as f64;
                    paint(canvas, shape, row, top, greatest);
                }
            })
        },
    )
}

fn paint(canvas: &Canvas<'_>, shape: Shape, row: &Row, top: f64, greatest: f64) {
    let height = BAR_PX * row.shares.len() as f64;
    let middle = top + height / 2.0;
    canvas.text(
        (NAMES_PX - 8.0, middle),
        Anchor::End,
        Ink::Text,
        LABEL_PX,
        &row.name,
    );
    let room = shape.width - NAMES_PX - FIGURES_PX;
    for (nth, (share, error)) in row.shares.iter().enumerate() {
        let at = |share: f64| NAMES_PX + room * (share / greatest).clamp(0.0, 1.0);
        let top = top + BAR_PX * nth as f64;
        let (bottom, ink) = (top + BAR_PX - 2.0, Ink::Series(nth % STYLES));
        // Every second series is hollow, so that colour is not alone in telling.
        if nth % 2 == 0 {
            canvas.rect((NAMES_PX, top), (at(*share), bottom), ink);
        } else {
            let (left, right) = (NAMES_PX, at(*share));
            let outline = [(left, top), (right, top), (right, bottom), (left, bottom)];
            canvas.line(&outline, ink, 1.4);
        }
        let middle = f64::midpoint(top, bottom);
        let (low, high) = (at(share - error), at(share + error));
        canvas.line(&[(low, middle), (high, middle)], Ink::Text, 1.0);
        let words = figure(*share, "ratio");
        canvas.text(
            (high + 6.0, middle),
            Anchor::Start,
            Ink::Muted,
            LABEL_PX,
            &words,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_and_series_is_drawn_in_both_shapes() {
        let row = |name: &str, a: f64, b: f64| Row {
            name: name.to_owned(),
            shares: vec![(a, 0.01), (b, 0.01)],
        };
        let rows = [row("a <b>", 0.5, 0.25), row("c", 0.5, 0.75)];
        let figure = shares("Shares", "Of all.", &["x", "y"], &rows);
        assert_eq!(figure.legend.len(), 2);
        for svg in [&figure.wide.svg, &figure.narrow.svg] {
            assert!(svg.contains("a &lt;b&gt;") && svg.contains("75 %"), "{svg}");
            assert!(svg.contains("fill-s0") && svg.contains("stroke-s1"));
        }
    }
}
