//! When what was lost began.

use std::collections::BTreeMap;

use super::{
    Chart, Figure, STYLES, Section,
    canvas::{Drawing, Ink, Shape, draw},
    data::Data,
    legend,
    plot::{Plot, linear_axis, mark_list, time_axis},
    timeline::column_s,
};
use crate::{
    audit,
    format::{duration, sentence},
    record::Record,
};

/// The registry's entry.
pub const CHART: Chart = Chart {
    section: Section::Time,
    figures,
};

/// Losses by column of time, a variant each.
type Counts = Vec<(usize, BTreeMap<u64, u64>)>;

fn figures(record: &Record) -> Vec<Figure> {
    // Bars of two variants stand side by side and need room.
    let width_s = column_s(record) * 2.0;
    let counts: Counts = record
        .variants
        .iter()
        .enumerate()
        .map(|(place, variant)| {
            let mut columns = BTreeMap::new();
            for loss in variant.seeds.iter().flat_map(|seed| seed.losses.listed()) {
                *columns
                    .entry((loss.created_s / width_s) as u64)
                    .or_default() += 1;
            }
            (place, columns)
        })
        .filter(|(_, columns)| !columns.is_empty())
        .collect();
    if counts.is_empty() {
        return Vec::new();
    }
    let title = "Losses by when they began".to_owned();
    let is_cut = record
        .variants
        .iter()
        .flat_map(|v| &v.seeds)
        .any(|s| s.losses.is_cut());
    let kinds: Vec<&str> = audit::losses_by_metric(record)
        .iter()
        .map(|losses| losses.what)
        .collect();
    let caption = format!(
        "{}, all seeds together, by when each began, in {} columns; bars side by side stand in the \
         order of the legend.{}",
        sentence(&kinds.join(" and ")),
        duration(width_s),
        if is_cut {
            " Long lists were cut short: the counts by cause are whole, these are not."
        } else {
            ""
        }
    );
    let known = legend(record, |place| {
        counts.iter().any(|(drawn, _)| *drawn == place)
    });
    let mut figure = Figure::new(title.clone(), caption, known, |shape| {
        paint(shape, &title, record, width_s, &counts)
    });
    figure.marks = mark_list(record);
    figure.data = Data::of(["variant", "from_s", "to_s", "losses"]);
    for (place, columns) in &counts {
        for (column, n) in columns {
            let from_s = *column as f64 * width_s;
            figure.data.row([
                record.variants[*place].name.clone(),
                from_s.to_string(),
                (from_s + width_s).to_string(),
                n.to_string(),
            ]);
        }
    }
    vec![figure]
}

fn paint(shape: Shape, title: &str, record: &Record, width_s: f64, counts: &Counts) -> Drawing {
    let shape = Shape {
        height: shape.height * 0.8,
        ..shape
    };
    let high = counts
        .iter()
        .flat_map(|(_, columns)| columns.values())
        .max()
        .copied()
        .unwrap_or(1);
    let last = counts
        .iter()
        .filter_map(|(_, columns)| columns.keys().next_back())
        .map(|column| (*column + 1) as f64 * width_s)
        .fold(record.duration_s + record.drain_s, f64::max);
    let (x, x_ticks, x_title) = time_axis(last, shape.ticks_max);
    let (y, y_ticks) = linear_axis(high as f64, "1");
    draw(shape, title, |canvas| {
        let plot = Plot::new(canvas, shape, x, y).with_marks(record);
        plot.axes(&x_ticks, &x_title, &y_ticks, "losses");
        plot.stretches(record);
        let share = width_s / counts.len() as f64;
        for (nth, (place, columns)) in counts.iter().enumerate() {
            for (column, n) in columns {
                let from_s = *column as f64 * width_s + nth as f64 * share;
                let (left, top) = plot.at(from_s, *n as f64);
                let (right, bottom) = plot.at(from_s + share, 0.0);
                let (left, right, ink) = (left + 1.0, right - 1.0, Ink::Series(place % STYLES));
                // Every second variant is hollow, so that colour is not alone in telling.
                if nth % 2 == 0 {
                    canvas.rect((left, top), (right, bottom), ink);
                } else {
                    canvas.rect((left, top), (right, bottom), Ink::Page);
                    let outline = [(left, bottom), (left, top), (right, top), (right, bottom)];
                    canvas.line(&outline, ink, 1.4);
                }
            }
        }
    })
}
