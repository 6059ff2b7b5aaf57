//! A figure of a grid along a numeric axis: means as lines, with their intervals.
//!
//! A matrix whose rows or columns are numbers of one kind is easier read as lines than as heat;
//! what else it varies along becomes the lines. Unlike other charts this one draws what it is
//! given: the page puts it in the place of the matrix.

use super::{
    Figure, STYLES,
    canvas::{Drawing, Ink, Shape, draw},
    data::Data,
    plot::{Plot, Scale, Tick, linear_axis, log_axis},
};
use crate::{
    matrix::{Matrix, Panel, positions},
    record::{Dimension, Interval},
};

/// Greatest by least from which an axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// Panels that are drawn as lines; more of them are better overlooked as heat.
const PANELS_MAX: usize = 4;

/// The figure of each panel, if the matrix has an axis of numbers and few enough lines.
pub(crate) fn figures(matrix: &Matrix) -> Option<Vec<Figure>> {
    let (axis, others, along) = axis_of(matrix)?;
    let few = others.values.len() <= STYLES && matrix.panels.len() <= PANELS_MAX;
    let of = |panel: &Panel| Panelled {
        matrix,
        axis,
        others,
        places: &along.places,
        lines: (0..others.values.len())
            .map(|line| {
                (0..axis.values.len())
                    .map(|at| along.cell(panel, line, at))
                    .collect()
            })
            .collect(),
    };
    let drawn = matrix
        .panels
        .iter()
        .map(|panel| of(panel).figure(&panel.title));
    (few && matrix.left_out == 0).then(|| drawn.collect())
}

/// Where values of the axis lie, and whether they are the rows of the matrix.
struct Along {
    places: Vec<f64>,
    by_row: bool,
}

impl Along {
    fn cell(&self, panel: &Panel, line: usize, at: usize) -> Option<Interval> {
        let (row, column) = if self.by_row { (at, line) } else { (line, at) };
        panel.cells.get(row)?.get(column)?.interval
    }
}

/// The axis, what the lines stand for, and how they lie in the matrix. Of two numeric dimensions
/// the one with more values is the axis.
fn axis_of(matrix: &Matrix) -> Option<(&Dimension, &Dimension, Along)> {
    let rows = positions(&matrix.rows.values).map(|places| (places, true));
    let columns = positions(&matrix.columns.values).map(|places| (places, false));
    let all = [columns, rows].into_iter().flatten();
    let (places, by_row) = all.max_by_key(|(places, _)| places.len())?;
    let along = Along { places, by_row };
    Some(if by_row {
        (&matrix.rows, &matrix.columns, along)
    } else {
        (&matrix.columns, &matrix.rows, along)
    })
}

/// One panel, by line and place on the axis.
struct Panelled<'a> {
    matrix: &'a Matrix,
    axis: &'a Dimension,
    others: &'a Dimension,
    places: &'a [f64],
    lines: Vec<Vec<Option<Interval>>>,
}

impl Panelled<'_> {
    fn figure(&self, panel: &str) -> Figure {
        let of = &self.matrix.figure;
        let mut title = format!("{of} by {}", self.axis.label);
        if !panel.is_empty() {
            title = format!("{title}, {panel}");
        }
        let is_alone = self.others.label.is_empty();
        let named = self.others.values.iter().enumerate();
        let legend = named
            .filter(|_| !is_alone)
            .map(|(place, value)| (place, self.name_of(value)))
            .collect();
        let caption = "Means over seeds; the bars are 95 % bootstrap intervals.".to_owned();
        let mut figure = Figure::new(title.clone(), caption, legend, |shape| {
            self.paint(shape, &title)
        });
        figure.data = self.data();
        figure
    }

    fn name_of(&self, value: &str) -> String {
        if self.others.label == "variant" {
            value.to_owned()
        } else {
            format!("{}={value}", self.others.label)
        }
    }

    fn data(&self) -> Data {
        let mut data = Data::of(["line", "at", "mean", "low", "high", "n", "unit"]);
        for (name, line) in self.others.values.iter().zip(&self.lines) {
            for (at, cell) in self.axis.values.iter().zip(line) {
                let Some(cell) = cell else { continue };
                let [low, high] = cell.ci95;
                data.row([
                    name.clone(),
                    at.clone(),
                    cell.mean.to_string(),
                    low.to_string(),
                    high.to_string(),
                    cell.n.to_string(),
                    self.matrix.unit.clone(),
                ]);
            }
        }
        data
    }

    fn paint(&self, shape: Shape, title: &str) -> Drawing {
        let shown = || self.lines.iter().flatten().flatten();
        let low = shown()
            .map(|cell| cell.ci95[0])
            .fold(f64::INFINITY, f64::min);
        let high = shown().map(|cell| cell.ci95[1]).fold(0.0, f64::max);
        let unit = &self.matrix.unit;
        let is_log = low > 0.0 && high / low >= LOG_FROM;
        let (y, y_ticks) = if is_log {
            log_axis(low, high, unit, 6)
        } else {
            linear_axis(high, unit)
        };
        let x = self.scale();
        let words = if is_log { "mean, logarithmic" } else { "mean" };
        draw(shape, title, |canvas| {
            let plot = Plot::new(canvas, shape, x, y);
            plot.axes(&self.ticks(x, shape), &self.axis.label, &y_ticks, words);
            for (style, line) in self.lines.iter().enumerate() {
                let points: Vec<_> = self.places.iter().zip(line).collect();
                let run = |run: &[(&f64, &Option<Interval>)]| {
                    let means = run
                        .iter()
                        .filter_map(|(at, cell)| Some(plot.at(**at, cell.as_ref()?.mean)));
                    canvas.line(&means.collect::<Vec<_>>(), Ink::Series(style), 2.0);
                };
                points.split(|(_, cell)| cell.is_none()).for_each(run);
                for (at, cell) in points {
                    let Some(cell) = cell else { continue };
                    let ends = cell.ci95.map(|end| plot.at(*at, end));
                    canvas.line(&ends, Ink::Text, 1.2);
                    canvas.marker(plot.at(*at, cell.mean), style);
                }
            }
        })
    }

    fn scale(&self) -> Scale {
        let least = self.places.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self
            .places
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        if least > 0.0 && greatest / least >= LOG_FROM {
            Scale::Log(least, greatest)
        } else {
            Scale::Linear(least, greatest)
        }
    }

    /// The values of the grid, as they are written, where there is room between them.
    fn ticks(&self, scale: Scale, shape: Shape) -> Vec<Tick> {
        let apart = 1.0 / (shape.ticks_max as f64 + 1.0);
        let mut ticks: Vec<(f64, Tick)> = Vec::new();
        for (place, name) in self.places.iter().zip(&self.axis.values) {
            let at = scale.place(*place);
            if ticks.iter().all(|(other, _)| (at - other).abs() >= apart) {
                ticks.push((at, (*place, name.clone())));
            }
        }
        ticks.into_iter().map(|(_, tick)| tick).collect()
    }
}
