//! Percentiles toward the tail: each step to the right is ten times rarer.

use super::{
    Chart, Figure, Section,
    canvas::{Drawing, Ink, Shape, draw},
    cdf::{curve, thin},
    data::Data,
    distributions, legend, merged,
    plot::{Plot, Scale, Tick, log_axis},
};
use crate::{
    key::Key,
    record::{Metric, Record},
};

/// The registry's entry.
pub const CHART: Chart = Chart {
    section: Section::Latency,
    figures,
};

/// A percentile with fewer samples beyond it than this says little, so the curve ends there.
const BEYOND_MIN: f64 = 5.0;

fn figures(record: &Record) -> Vec<Figure> {
    distributions(record)
        .into_iter()
        .filter_map(|(name, unit)| figure_of(record, &name, &unit))
        .collect()
}

fn figure_of(record: &Record, name: &Key, unit: &str) -> Option<Figure> {
    let curves: Vec<(usize, Vec<(f64, f64)>)> = (0..record.variants.len())
        .filter_map(|place| Some((place, rarity_curve(merged(record, place, name)?)?)))
        .collect();
    if curves.is_empty() {
        return None;
    }
    let title = format!("{name}: percentiles toward the tail");
    let caption = format!(
        "All seeds together. A curve ends where fewer than {BEYOND_MIN} samples lie beyond."
    );
    let known = legend(record, |place| {
        curves.iter().any(|(drawn, _)| *drawn == place)
    });
    let mut figure = Figure::new(title.clone(), caption, known, |shape| {
        paint(shape, &title, unit, &curves)
    });
    figure.data = Data::of(["variant", "percentile", "value", "unit"]);
    for (place, points) in &curves {
        for (rarity, value) in points {
            figure.data.row([
                record.variants[*place].name.clone(),
                (100.0 - 100.0 / rarity).to_string(),
                value.to_string(),
                unit.to_owned(),
            ]);
        }
    }
    Some(figure)
}

/// How rare (1 ÷ share beyond) and how great.
fn rarity_curve(metric: &Metric) -> Option<Vec<(f64, f64)>> {
    let Metric::Distribution { count, .. } = metric else {
        return None;
    };
    let rarest = *count as f64 / BEYOND_MIN;
    let points: Vec<(f64, f64)> = curve(metric)?
        .into_iter()
        .map(|(value, share)| (1.0 / (1.0 - share).max(f64::EPSILON), value))
        .take_while(|(rarity, _)| *rarity <= rarest)
        .collect();
    (points.len() > 1).then_some(points)
}

fn paint(shape: Shape, title: &str, unit: &str, curves: &[(usize, Vec<(f64, f64)>)]) -> Drawing {
    let points = || curves.iter().flat_map(|(_, points)| points);
    let rarest = points().map(|p| p.0).fold(10.0, f64::max);
    let high = points().map(|p| p.1).fold(0.0, f64::max);
    let median = points()
        .filter(|p| p.0 >= 2.0)
        .map(|p| p.1)
        .fold(high, f64::min);
    let (y, y_ticks) = log_axis(median / 4.0, high, unit, 6);
    let x_ticks: Vec<Tick> = [
        (1.0, "0 %"),
        (2.0, "50 %"),
        (10.0, "90 %"),
        (100.0, "99 %"),
        (1e3, "99.9 %"),
        (1e4, "99.99 %"),
        (1e5, "99.999 %"),
    ]
    .into_iter()
    // On a phone the first two labels would touch.
    .filter(|(rarity, _)| *rarity <= rarest && (*rarity > 1.0 || shape == Shape::WIDE))
    .map(|(rarity, label)| (rarity, label.to_owned()))
    .collect();
    draw(shape, title, |canvas| {
        let plot = Plot::new(canvas, shape, Scale::Log(1.0, rarest), y);
        plot.x_grid(&x_ticks);
        let y_title = if unit == "ms" {
            "latency, logarithmic"
        } else {
            "logarithmic"
        };
        plot.axes(&x_ticks, "percentile", &y_ticks, y_title);
        for (place, points) in curves {
            // What lies below the axis is left out, not laid along it.
            let line: Vec<_> = points
                .iter()
                .filter(|(_, value)| y.holds(*value))
                .map(|(rarity, value)| plot.at(*rarity, *value))
                .collect();
            canvas.line(&thin(&line), Ink::Series(*place), 2.0);
        }
    })
}
