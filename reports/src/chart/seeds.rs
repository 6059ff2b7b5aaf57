//! Every seed's figure, its mean and interval, for what the expectations speak of.

use super::{
    Chart, Figure, METRICS_MAX, Section,
    canvas::{Anchor, Drawing, Ink, Shape, draw},
    data::Data,
    plot::{Plot, Scale, linear_axis},
};
use crate::{
    headline::{self, Row},
    key::Key,
    record::Record,
    stats,
};

/// The registry's entry.
pub const CHART: Chart = Chart {
    section: Section::Headline,
    figures,
};

/// Height of a variant's strip in pixels.
const STRIP_PX: f64 = 52.0;

/// The figures of what the scenario names; none of a single seed.
pub(crate) fn figures(record: &Record) -> Vec<Figure> {
    let rows = drawn(record).into_iter().take(METRICS_MAX);
    rows.map(|row| figure_of(record, &row)).collect()
}

/// The figure of one of them, if it is there.
pub(crate) fn of(record: &Record, key: &Key) -> Option<Figure> {
    let row = drawn(record).into_iter().find(|row| row.key == *key)?;
    Some(figure_of(record, &row))
}

fn drawn(record: &Record) -> Vec<Row> {
    let seeds = record.variants.iter().map(|v| v.seeds.len());
    if seeds.max().unwrap_or(0) < 2 {
        return Vec::new();
    }
    let rows = headline::rows(record).into_iter();
    rows.filter(|row| row.named.is_some()).collect()
}

fn figure_of(record: &Record, row: &Row) -> Figure {
    let wanted = stats::Wanted::of(record);
    let by_seed: Vec<Vec<f64>> = record
        .variants
        .iter()
        .map(|v| {
            stats::figures(v, &wanted)
                .get(&row.key)
                .map(|f| f.values().copied().collect())
        })
        .map(Option::unwrap_or_default)
        .collect();
    let title = format!("{}, seed by seed", row.key);
    let caption =
        "A mark a seed; the bar is the mean with its 95 % interval over seeds.".to_owned();
    let mut figure = Figure::new(title.clone(), caption, Vec::new(), |shape| {
        paint(shape, &title, record, row, &by_seed)
    });
    figure.data = Data::of(["variant", "seed", "value", "unit"]);
    for variant in &record.variants {
        let values = stats::figures(variant, &wanted).remove(&row.key);
        for (seed, value) in values.into_iter().flatten() {
            let cells = [variant.name.clone(), seed.to_string(), value.to_string()];
            let [name, seed, value] = cells;
            figure.data.row([name, seed, value, row.unit.clone()]);
        }
    }
    figure
}

fn paint(shape: Shape, title: &str, record: &Record, row: &Row, by_seed: &[Vec<f64>]) -> Drawing {
    let strips = by_seed.len();
    let shape = Shape {
        height: 50.0 + STRIP_PX * strips as f64,
        ..shape
    };
    let high = by_seed.iter().flatten().copied().fold(0.0, f64::max);
    let (x, x_ticks) = linear_axis(high, &row.unit);
    let y = Scale::Linear(0.0, strips as f64);
    draw(shape, title, |canvas| {
        let plot = Plot::new(canvas, shape, x, y).without_y_title();
        plot.x_grid(&x_ticks);
        plot.axes(&x_ticks, row.key.as_str(), &[], "");
        for (place, values) in by_seed.iter().enumerate() {
            let middle = (strips - place) as f64 - 0.5;
            let (_, y) = plot.at(0.0, middle);
            let name = &record.variants[place].name;
            let label = (4.0, y - 17.0);
            canvas.text(label, Anchor::Start, Ink::Text, 12.0, name);
            for (nth, value) in values.iter().enumerate() {
                // Three lanes keep near seeds apart.
                let lane = (nth % 3) as f64 * 5.0 - 5.0;
                let (x, _) = plot.at(*value, middle);
                canvas.marker((x, y - 1.0 + lane), place);
            }
            if let Some(cell) = row.cells[place] {
                let (low, _) = plot.at(cell.ci95[0], middle);
                let (high, _) = plot.at(cell.ci95[1], middle);
                let (mean, _) = plot.at(cell.mean, middle);
                let under = y + 14.0;
                canvas.line(
                    &[(low, under), (high.max(low + 1.0), under)],
                    Ink::Text,
                    1.5,
                );
                canvas.line(&[(mean, under - 5.0), (mean, under + 5.0)], Ink::Text, 2.5);
            }
        }
    })
}
