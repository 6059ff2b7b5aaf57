//! Figures of a grid as matrices: one cell a combination of values, for the page, the terminal
//! and `summary.md` alike.
//!
//! Owns what a matrix is and how much heat a cell has. `build` chooses the figures and arranges
//! them, `text` picks what a text has room for. Nothing here writes markup.

mod axis;
mod build;
mod text;

pub use axis::positions;
pub use build::{charts, matrices};
pub use text::{Text, text};

use crate::{
    format::{figure, numbers_beside, plural, suffix_beside},
    key::Key,
    record::{Dimension, Interval},
};

/// Matrices of the page; the rest stays in `metrics.csv`.
pub const PAGE_MAX: usize = 8;

/// Panels of one matrix; the rest stays in `metrics.csv`.
pub const PANELS_MAX: usize = 12;

/// Steps of heat, from least to greatest.
pub const STEPS: usize = 8;

/// Greatest by least from which heat goes by the logarithm.
const LOG_FROM: f64 = 20.0;

/// One figure in all cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// `metric`, or `metric.stat` for distributions; with the metric's own labels, if any.
    pub figure: Key,
    /// The unit of its figures as stored.
    pub unit: String,
    /// What the rows stand for.
    pub rows: Dimension,
    /// What the columns stand for; a single nameless one where the grid has one dimension.
    pub columns: Dimension,
    /// One for each combination of the remaining dimensions, at most [`PANELS_MAX`].
    pub panels: Vec<Panel>,
    /// Panels beyond that.
    pub left_out: usize,
    /// How much heat a figure has.
    pub scale: Scale,
    /// What is expected of every cell alike.
    pub everywhere: Vec<Asked>,
    /// Whether the scenario names the figure.
    pub named: bool,
    /// Seeds that were played to their end.
    pub played: u32,
}

/// A matrix for one combination of the remaining dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The combination, such as `congestion=cubic`; empty if nothing remains.
    pub title: String,
    /// By row, then by column.
    pub cells: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// Its figure; none if it had no sample.
    pub interval: Option<Interval>,
    /// What is expected of it in particular, and what of [`Matrix::everywhere`] it missed.
    pub asked: Vec<Asked>,
}

/// What an expectation asks of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// As written: `> 40Mbit/s`.
    pub bound: String,
    /// The worst value over the seeds.
    pub worst: Option<f64>,
    /// Whether it held in every seed.
    pub held: bool,
}

/// From figures to heat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// What is coldest.
    pub least: f64,
    /// What is hottest.
    pub greatest: f64,
    /// Whether heat goes by the logarithm.
    pub log: bool,
}

impl Scale {
    fn of(values: &[f64], unit: &str) -> Self {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if unit == "ratio" && least >= 0.0 && greatest <= 1.0 {
            // Shares have natural ends, and equal shares should look alike in all reports.
            return Self {
                least: 0.0,
                greatest: 1.0,
                log: false,
            };
        }
        Self {
            least,
            greatest,
            log: least > 0.0 && greatest / least >= LOG_FROM,
        }
    }

    /// The step of heat of a figure, below [`STEPS`].
    pub fn step(&self, value: f64) -> usize {
        let of = |v: f64| if self.log { v.ln() } else { v };
        let span = of(self.greatest) - of(self.least);
        if span <= 0.0 || !value.is_finite() {
            return 0;
        }
        let share = ((of(value) - of(self.least)) / span).clamp(0.0, 1.0);
        (share * (STEPS - 1) as f64).round() as usize
    }
}

impl Matrix {
    /// The unit of the numbers that [`Self::numbers`] gives; empty for counts.
    pub fn suffix(&self) -> String {
        suffix_beside(self.scale.greatest, &self.unit)
    }

    /// A cell's mean and interval without their unit; the interval is empty where all seeds agree.
    pub fn numbers(&self, interval: &Interval) -> (String, String) {
        numbers_beside(
            interval.mean,
            interval.ci95,
            self.scale.greatest,
            &self.unit,
        )
    }

    /// The figure that all cells have alike, where no cell has a mark and none is of fewer seeds: not worth
    /// a matrix.
    pub fn alike(&self) -> Option<Interval> {
        let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
        let first = cells.next().and_then(|cell| cell.interval)?;
        let same = |a: f64, b: f64| a.total_cmp(&b).is_eq();
        let is_alike = |i: &Interval| {
            same(i.mean, first.mean) && i.ci95.iter().all(|end| same(*end, first.mean))
        };
        let mut rest = cells.map(|cell| cell.interval);
        let all = is_alike(&first) && rest.all(|cell| cell.as_ref().is_some_and(is_alike));
        let is_plain = self.left_out == 0 && !self.is_marked() && !self.has_missing();
        (all && is_plain).then_some(first)
    }

    /// [`Self::alike`] as people read it, empty where cells differ: `100 % in all 18 cells`.
    pub fn alike_in_words(&self) -> String {
        let cells: usize = self
            .panels
            .iter()
            .map(|panel| panel.cells.concat().len())
            .sum();
        self.alike().map_or_else(String::new, |interval| {
            format!(
                "{} in all {}",
                figure(interval.mean, &self.unit),
                plural(cells, "cell")
            )
        })
    }

    /// How many seeds a figure is of, where others had no event: `n = 3`.
    pub fn fewer_seeds(&self, interval: &Interval) -> Option<String> {
        let is_fewer = interval.n > 0 && interval.n < self.played;
        is_fewer.then(|| format!("n = {}", interval.n))
    }

    /// Whether any figure is of fewer seeds than were played.
    pub fn has_missing(&self) -> bool {
        let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
        cells.any(|cell| {
            let fewer = cell.interval.as_ref().and_then(|i| self.fewer_seeds(i));
            fewer.is_some()
        })
    }

    /// Figure and unit: `flow.goodput, Mbit/s`.
    pub fn title(&self) -> String {
        match self.suffix() {
            suffix if suffix.is_empty() => self.figure.to_string(),
            suffix => format!("{}, {suffix}", self.figure),
        }
    }

    /// Whether its cells are those of a figure without labels: those that pairs of labels stand for.
    pub(crate) fn is_of(&self, figure: &Key) -> bool {
        figure.labels().is_empty()
            && self.figure.metric() == figure.metric()
            && self.figure.stat() == figure.stat()
    }

    /// Whether there is but one column.
    pub fn is_list(&self) -> bool {
        self.columns.label.is_empty()
    }

    /// What rows and columns are, for the corner: `delay ↓ loss →`.
    pub fn corner(&self) -> String {
        if self.is_list() {
            self.rows.label.clone()
        } else {
            format!("{} ↓ {} →", self.rows.label, self.columns.label)
        }
    }

    /// Whether each figure is a plain no or yes: 0 or 1 in every seed, and both occur.
    pub fn is_yes_no(&self) -> bool {
        let mut seen = [false; 2];
        for panel in &self.panels {
            for interval in panel
                .cells
                .iter()
                .flatten()
                .filter_map(|cell| cell.interval)
            {
                let Some(place) = [0.0, 1.0].iter().position(|value| interval.is_all(*value))
                else {
                    return false;
                };
                seen[place] = true;
            }
        }
        self.unit == "ratio" && seen == [true, true]
    }

    /// Whether its figures differ, so that heat tells anything.
    pub fn varies(&self) -> bool {
        self.scale.greatest > self.scale.least && {
            let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
            let first = cells.find_map(|cell| cell.interval).map(|i| i.mean);
            cells
                .filter_map(|cell| cell.interval)
                .any(|i| Some(i.mean) != first)
        }
    }

    /// Whether any cell is not as it is expected.
    pub fn is_missed(&self) -> bool {
        let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
        cells.any(|cell| cell.asked.iter().any(|asked| !asked.held))
    }

    /// Whether any cell has a mark.
    pub fn is_marked(&self) -> bool {
        let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
        cells.any(|cell| !cell.asked.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_goes_from_least_to_greatest() {
        let check = |values: &[f64], unit: &str, expected: &[usize]| {
            let scale = Scale::of(values, unit);
            let steps: Vec<usize> = values.iter().map(|value| scale.step(*value)).collect();
            assert_eq!(steps, expected, "{values:?} {unit}");
        };
        check(&[0.0, 5.0, 10.0], "1", &[0, 4, 7]);
        check(&[1.0, 10.0, 100.0], "1", &[0, 4, 7]);
        check(&[3.0, 3.0], "ms", &[0, 0]);
        check(&[0.5, 1.0], "ratio", &[4, 7]);
        check(&[f64::NAN], "1", &[0]);
    }
}
