//! The share of samples at or below each value, on a logarithmic axis.

use super::{
    Chart, Figure, Section,
    canvas::{Drawing, Ink, Shape, draw},
    data::Data,
    distributions, legend, merged,
    plot::{Plot, Scale, Tick, log_axis},
};
use crate::{
    asked,
    format::count,
    key::Key,
    record::{Metric, Record},
    stats::{decode, interval, scale_of},
};

/// The registry's entry.
pub const CHART: Chart = Chart {
    section: Section::Latency,
    figures,
};

/// The figures of all distributions that are worth one.
pub(crate) fn figures(record: &Record) -> Vec<Figure> {
    distributions(record)
        .into_iter()
        .filter_map(|(name, unit)| figure_of(record, &name, &unit))
        .collect()
}

/// The figure of one distribution, if it has a sample.
pub(crate) fn of(record: &Record, name: &Key) -> Option<Figure> {
    figure_of(record, name, &asked::unit_of(record, name))
}

fn figure_of(record: &Record, name: &Key, unit: &str) -> Option<Figure> {
    let curves: Vec<(usize, Vec<(f64, f64)>)> = (0..record.variants.len())
        .filter_map(|place| Some((place, curve(merged(record, place, name)?)?)))
        .collect();
    if curves.is_empty() {
        return None;
    }
    let samples: Vec<String> = curves
        .iter()
        .map(|(place, _)| match merged(record, *place, name) {
            Some(Metric::Distribution { count: n, .. }) => {
                format!("{} {}", record.variants[*place].name, count(*n))
            }
            _ => record.variants[*place].name.clone(),
        })
        .collect();
    let bands: Vec<(usize, Vec<Band>)> = curves
        .iter()
        .map(|(place, points)| (*place, band(record, *place, name, points)))
        .collect();
    let of_bands = if bands.iter().all(|(_, band)| band.is_empty()) {
        ""
    } else {
        "; the bands are 95 % bootstrap intervals over seeds of the share at each value"
    };
    let caption = format!(
        "All seeds together{of_bands}. Samples: {}. What never came about is not in these curves.",
        samples.join(", ")
    );
    let title = format!("{name}: share at or below");
    let known = legend(record, |place| {
        curves.iter().any(|(drawn, _)| *drawn == place)
    });
    let mut figure = Figure::new(title.clone(), caption, known, |shape| {
        paint(shape, &title, unit, &curves, &bands)
    });
    figure.data = Data::of(["variant", "value", "unit", "share_at_or_below"]);
    for (place, points) in &curves {
        for (value, share) in points {
            figure.data.row([
                record.variants[*place].name.clone(),
                value.to_string(),
                unit.to_owned(),
                share.to_string(),
            ]);
        }
    }
    Some(figure)
}

/// A value, and the ends of the 95 % interval of the share at or below it.
type Band = (f64, [f64; 2]);

/// Places along a curve at which its interval is estimated.
const BAND_POINTS: usize = 48;

/// How sure a variant's curve is: at some values, the bootstrap interval over seeds of the share of
/// a seed's samples at or below. Empty with fewer than two seeds.
fn band(record: &Record, place: usize, name: &Key, points: &[(f64, f64)]) -> Vec<Band> {
    let seeds: Vec<Vec<(f64, f64)>> = record.variants[place]
        .seeds
        .iter()
        .filter_map(|seed| curve(seed.metrics.get(name)?))
        .collect();
    if seeds.len() < 2 {
        return Vec::new();
    }
    let step = points.len().div_ceil(BAND_POINTS).max(1);
    let values = points.iter().step_by(step).chain(points.last());
    values
        .filter_map(|(value, _)| {
            let shares: Vec<f64> = seeds
                .iter()
                .map(|seed| {
                    let below = seed.partition_point(|(recorded, _)| recorded <= value);
                    below.checked_sub(1).map_or(0.0, |last| seed[last].1)
                })
                .collect();
            let interval = interval(&format!("{name} <= {value}"), &shares)?;
            Some((*value, interval.ci95))
        })
        .collect()
}

fn paint(
    shape: Shape,
    title: &str,
    unit: &str,
    curves: &[(usize, Vec<(f64, f64)>)],
    bands: &[(usize, Vec<Band>)],
) -> Drawing {
    let points = || {
        curves
            .iter()
            .flat_map(|(_, points)| points.iter().map(|p| p.0))
    };
    // The lowest thousandth is let go: one early sample would stretch the axis.
    let low = curves
        .iter()
        .filter_map(|(_, points)| points.iter().find(|p| p.1 >= 0.001).map(|p| p.0))
        .fold(f64::INFINITY, f64::min);
    let high = points().fold(0.0, f64::max);
    let (x, x_ticks) = log_axis(low, high, unit, shape.ticks_max);
    let y_ticks: Vec<Tick> = [0, 25, 50, 75, 100]
        .map(|p| (f64::from(p) / 100.0, format!("{p} %")))
        .to_vec();
    draw(shape, title, |canvas| {
        let plot = Plot::new(canvas, shape, x, Scale::Linear(0.0, 1.0));
        plot.x_grid(&x_ticks);
        let x_title = if unit == "ms" {
            "latency, logarithmic"
        } else {
            "logarithmic"
        };
        plot.axes(&x_ticks, x_title, &y_ticks, "share of samples");
        for (place, band) in bands {
            let low = band.iter().map(|(value, ends)| plot.at(*value, ends[0]));
            let high = band
                .iter()
                .rev()
                .map(|(value, ends)| plot.at(*value, ends[1]));
            canvas.area(&low.chain(high).collect::<Vec<_>>(), Ink::Band(*place));
        }
        for (place, points) in curves {
            let line: Vec<_> = points
                .iter()
                .map(|(value, share)| plot.at(*value, *share))
                .collect();
            canvas.line(&thin(&line), Ink::Series(*place), 2.0);
        }
    })
}

/// Value and share at or below it, for every value recorded.
pub(super) fn curve(metric: &Metric) -> Option<Vec<(f64, f64)>> {
    let Metric::Distribution {
        unit,
        histogram: Some(text),
        count: 1..,
        ..
    } = metric
    else {
        return None;
    };
    let histogram = decode(text).ok()?;
    let scale = f64::from(scale_of(unit));
    let total = histogram.len() as f64;
    let mut below = 0;
    let points = histogram
        .iter_recorded()
        .map(|step| {
            below += step.count_at_value();
            (
                step.value_iterated_to() as f64 / scale,
                below as f64 / total,
            )
        })
        .collect();
    Some(points)
}

/// Leaves out points nearer than two thirds of a pixel to the last one kept; the ends stay.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (place, point) in points.iter().enumerate() {
        let is_far = kept
            .last()
            .is_none_or(|last| (point.0 - last.0).abs().max((point.1 - last.1).abs()) >= 0.66);
        if is_far || place + 1 == points.len() {
            kept.push(*point);
        }
    }
    kept
}
