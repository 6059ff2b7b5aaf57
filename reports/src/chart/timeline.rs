//! A distribution's mean over simulated time, with warm-up, drain and faults marked.

use std::collections::BTreeMap;

use super::{
    Chart, Figure, Section,
    canvas::{Drawing, Ink, Shape, draw},
    data::Data,
    distributions, legend, merged,
    plot::{Plot, linear_axis, log_axis, mark_list, time_axis},
};
use crate::{
    format::duration,
    key::Key,
    record::{Metric, Moment, Record},
};

/// The registry's entry.
pub const CHART: Chart = Chart {
    section: Section::Time,
    figures,
};

/// Most columns of a timeline; finer buckets are poured together.
const COLUMNS_MAX: f64 = 90.0;

/// Runs of consecutive buckets, each with its middle and its mean.
type Runs = Vec<Vec<(f64, f64)>>;

fn figures(record: &Record) -> Vec<Figure> {
    distributions(record)
        .into_iter()
        .filter_map(|(name, unit)| figure_of(record, &name, &unit))
        .collect()
}

fn figure_of(record: &Record, name: &Key, unit: &str) -> Option<Figure> {
    let width_s = column_s(record);
    let drawn: Vec<(usize, Runs)> = (0..record.variants.len())
        .filter_map(|place| match merged(record, place, name)? {
            Metric::Distribution { timeline, .. } if !timeline.is_empty() => {
                Some((place, runs(timeline, width_s)))
            }
            _ => None,
        })
        .collect();
    if drawn.is_empty() {
        return None;
    }
    let title = format!("{name} over time");
    let what = match record.moments.get(name.metric()) {
        Some(Moment::Begin) => "of what began in it, whenever that ended",
        Some(Moment::End) => "of what ended in it, or was looked at",
        None => "of its samples",
    };
    let caption = format!(
        "A point stands for {} of simulated time: the mean, over all seeds, {what}. The grey ends are \
         warm-up, which is not measured, and drain.",
        duration(width_s)
    );
    let known = legend(record, |place| {
        drawn.iter().any(|(there, _)| *there == place)
    });
    let mut figure = Figure::new(title.clone(), caption, known, |shape| {
        paint(shape, &title, unit, record, &drawn)
    });
    figure.marks = mark_list(record);
    figure.data = Data::of(["variant", "simulated_s", "mean", "unit"]);
    for (place, runs) in &drawn {
        for (at_s, mean) in runs.iter().flatten() {
            figure.data.row([
                record.variants[*place].name.clone(),
                at_s.to_string(),
                mean.to_string(),
                unit.to_owned(),
            ]);
        }
    }
    Some(figure)
}

/// Width of a column in simulated seconds, a multiple of what recorders use.
pub(super) fn column_s(record: &Record) -> f64 {
    let end = (record.duration_s + record.drain_s).max(1.0);
    let base = crate::stats::BUCKET_S as f64;
    let mut width = base;
    while end / width > COLUMNS_MAX {
        width *= 2.0;
    }
    width
}

/// Pours buckets into columns; a column without a sample breaks the line.
fn runs(timeline: &[(f64, u64, f64)], width_s: f64) -> Runs {
    let mut columns: BTreeMap<u64, (u64, f64)> = BTreeMap::new();
    for (second, samples, mean) in timeline.iter().filter(|bucket| bucket.1 > 0) {
        let column = columns.entry((second / width_s) as u64).or_default();
        column.0 += samples;
        column.1 += mean * *samples as f64;
    }
    let mut runs: Runs = Vec::new();
    let mut last = None;
    for (place, (samples, sum)) in columns {
        let point = ((place as f64 + 0.5) * width_s, sum / samples as f64);
        match runs.last_mut() {
            Some(run) if last.is_some_and(|last| last + 1 == place) => run.push(point),
            _ => runs.push(vec![point]),
        }
        last = Some(place);
    }
    runs
}

fn paint(
    shape: Shape,
    title: &str,
    unit: &str,
    record: &Record,
    drawn: &[(usize, Runs)],
) -> Drawing {
    let values = || {
        drawn
            .iter()
            .flat_map(|(_, runs)| runs.iter().flatten().map(|p| p.1))
    };
    let high = values().fold(0.0, f64::max);
    let low = values().filter(|v| *v > 0.0).fold(high, f64::min);
    let end = record.duration_s + record.drain_s;
    let last = drawn
        .iter()
        .flat_map(|(_, runs)| runs.iter().flatten())
        .map(|p| p.0)
        .fold(end, f64::max);
    let (x, x_ticks, x_title) = time_axis(last, shape.ticks_max);
    // Where peaks would flatten everything else, ratios are what can be read.
    let is_log = low > 0.0 && high / low > 30.0;
    let (y, y_ticks) = if is_log {
        log_axis(low, high, unit, 6)
    } else {
        linear_axis(high, unit)
    };
    draw(shape, title, |canvas| {
        let plot = Plot::new(canvas, shape, x, y).with_marks(record);
        plot.axes(
            &x_ticks,
            &x_title,
            &y_ticks,
            if is_log { "mean, logarithmic" } else { "mean" },
        );
        plot.stretches(record);
        for (place, runs) in drawn {
            for run in runs {
                let points: Vec<_> = run.iter().map(|(s, v)| plot.at(*s, *v)).collect();
                if let [alone] = points[..] {
                    canvas.marker(alone, *place);
                }
                canvas.line(&points, Ink::Series(*place), 2.0);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_weigh_samples_and_gaps_break_the_line() {
        let timeline = [
            (0.0, 1, 10.0),
            (10.0, 3, 30.0),
            (20.0, 0, 0.0),
            (60.0, 1, 5.0),
        ];
        assert_eq!(
            runs(&timeline, 20.0),
            vec![vec![(10.0, 25.0)], vec![(70.0, 5.0)]]
        );
        assert_eq!(runs(&timeline, 10.0)[0], vec![(5.0, 10.0), (15.0, 30.0)]);
    }
}
