//! A frame with two axes: scales, ticks, grid, and shaded stretches of time.

use super::canvas::{Anchor, Canvas, Ink, Shape};
use crate::{
    format::{duration, figure, figure_beside},
    record::Record,
};

const LABEL_PX: f64 = 12.0;

/// Room to the right of the frame.
const MARGIN_PX: f64 = 14.0;

/// A labelled place on an axis.
pub(super) type Tick = (f64, String);

/// How values become places along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Equal steps for equal differences.
    Linear(f64, f64),
    /// Equal steps for equal ratios; both ends are positive.
    Log(f64, f64),
}

impl Scale {
    /// Whether a value lies between the ends.
    pub(super) fn holds(self, value: f64) -> bool {
        let (Self::Linear(low, high) | Self::Log(low, high)) = self;
        (low..=high).contains(&value)
    }

    /// From 0 at the lower end to 1 at the upper; values beyond are held at the ends.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => (value.max(low) / low).ln() / (high / low).ln(),
        };
        place.clamp(0.0, 1.0)
    }
}

/// A frame on a canvas.
pub(super) struct Plot<'c, 'a> {
    pub canvas: &'c Canvas<'a>,
    pub x: Scale,
    pub y: Scale,
    /// The row of each numbered fault above the frame.
    rows: Vec<usize>,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl<'c, 'a> Plot<'c, 'a> {
    pub(super) fn new(canvas: &'c Canvas<'a>, shape: Shape, x: Scale, y: Scale) -> Self {
        let (left, top) = (54.0, 34.0);
        let (right, bottom) = (shape.width - MARGIN_PX, shape.height - 42.0);
        Self {
            canvas,
            x,
            y,
            rows: Vec::new(),
            left,
            top,
            right,
            bottom,
        }
    }

    /// Makes room above the frame for the numbers of faults: each takes the first row in which it
    /// meets no earlier one, and the last row if all are taken.
    pub(super) fn with_marks(mut self, record: &Record) -> Self {
        let mut ends: Vec<f64> = Vec::new();
        for mark in record.marks.iter().take(MARKS_MAX) {
            let ((from, _), (to, _)) = (self.at(mark.from_s, 0.0), self.at(mark.to_s, 0.0));
            let middle = f64::midpoint(from, to);
            let (from, to) = (from.min(middle - LABEL_PX), to.max(middle + LABEL_PX));
            let free = ends.iter().position(|end| *end <= from);
            let row = free.unwrap_or(ends.len()).min(ROWS_MAX - 1);
            if row == ends.len() {
                ends.push(to);
            }
            ends[row] = ends[row].max(to);
            self.rows.push(row);
        }
        self.top += ends.len().saturating_sub(1) as f64 * ROW_PX;
        self
    }

    /// Gives the room above the frame to the frame, where no title stands over the axis.
    pub(super) fn without_y_title(self) -> Self {
        Self { top: 6.0, ..self }
    }

    /// Where a pair of values lies, in pixels.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + self.x.place(x) * (self.right - self.left),
            self.bottom - self.y.place(y) * (self.bottom - self.top),
        )
    }

    /// Grid, axes, their labels and their titles; the vertical title stands above its axis.
    pub(super) fn axes(&self, x_ticks: &[Tick], x_title: &str, y_ticks: &[Tick], y_title: &str) {
        for (value, label) in y_ticks {
            let (_, y) = self.at(0.0, *value);
            self.canvas
                .line(&[(self.left, y), (self.right, y)], Ink::Grid, 1.0);
            self.canvas.text(
                (self.left - 8.0, y),
                Anchor::End,
                Ink::Muted,
                LABEL_PX,
                label,
            );
        }
        for (value, label) in x_ticks {
            let (x, _) = self.at(*value, 0.0);
            self.canvas
                .line(&[(x, self.bottom), (x, self.bottom + 5.0)], Ink::Axis, 1.0);
            // About half a label's width; what would be cut off at the edge moves inward.
            let half = label.chars().count() as f64 * LABEL_PX * 0.29;
            let x = x.min(self.right + MARGIN_PX - half);
            self.canvas.text(
                (x, self.bottom + 14.0),
                Anchor::Middle,
                Ink::Muted,
                LABEL_PX,
                label,
            );
        }
        self.canvas.line(
            &[(self.left, self.bottom), (self.right, self.bottom)],
            Ink::Axis,
            1.0,
        );
        let middle = f64::midpoint(self.left, self.right);
        let under = (middle, self.bottom + 32.0);
        self.canvas
            .text(under, Anchor::Middle, Ink::Muted, LABEL_PX, x_title);
        self.canvas
            .text((4.0, 10.0), Anchor::Start, Ink::Muted, LABEL_PX, y_title);
    }

    /// Vertical grid lines at the ticks of the lower axis.
    pub(super) fn x_grid(&self, ticks: &[Tick]) {
        for (value, _) in ticks {
            let (x, _) = self.at(*value, 0.0);
            self.canvas
                .line(&[(x, self.top), (x, self.bottom)], Ink::Grid, 1.0);
        }
    }

    /// Shades what is not measured and the faults, which carry the numbers of the list beneath.
    pub(super) fn stretches(&self, record: &Record) {
        let end = record.duration_s + record.drain_s;
        for (from, to) in [(0.0, record.warmup_s), (record.duration_s, end)] {
            if to > from {
                self.shade(from, to, Ink::Phase);
            }
        }
        for (place, mark) in record.marks.iter().enumerate().take(MARKS_MAX) {
            let row = self.rows.get(place).copied().unwrap_or(0);
            let y = self.top - 9.0 - row as f64 * ROW_PX;
            let (from, _) = self.at(mark.from_s, 0.0);
            let (to, _) = self.at(mark.to_s, 0.0);
            if to - from >= 1.0 {
                self.shade(mark.from_s, mark.to_s, Ink::Mark);
            }
            for x in [from, to] {
                self.canvas
                    .line(&[(x, y), (x, self.bottom)], Ink::Mark, 1.0);
            }
            let label = (place + 1).to_string();
            self.canvas.line(&[(from, y), (to, y)], Ink::Mark, 1.4);
            let middle = f64::midpoint(from, to);
            let half = 4.0 + 3.5 * label.len() as f64;
            self.canvas.rect(
                (middle - half, y - 7.0),
                (middle + half, y + 7.0),
                Ink::Page,
            );
            self.canvas
                .text((middle, y), Anchor::Middle, Ink::Text, LABEL_PX, &label);
        }
    }

    fn shade(&self, from: f64, to: f64, ink: Ink) {
        let (left, _) = self.at(from, 0.0);
        let (right, _) = self.at(to, 0.0);
        self.canvas
            .rect((left, self.top), (right, self.bottom), ink);
    }
}

/// Most rows of numbers above a timeline, and the height of one.
const ROWS_MAX: usize = 4;
const ROW_PX: f64 = 15.0;

/// Most faults that are numbered on a timeline.
const MARKS_MAX: usize = 12;

/// The list beneath a timeline: what its numbers stand for.
pub(super) fn mark_list(record: &Record) -> Vec<String> {
    let mut all: Vec<String> = record
        .marks
        .iter()
        .take(MARKS_MAX)
        .map(|mark| {
            let (from, to) = (
                crate::format::clock(mark.from_s),
                crate::format::clock(mark.to_s),
            );
            if from == to {
                format!("{}, at {from}", mark.label)
            } else {
                format!("{}, {from} to {to}", mark.label)
            }
        })
        .collect();
    let rest = record.marks.len().saturating_sub(MARKS_MAX);
    if rest > 0 {
        all.push(format!("{rest} more are not drawn"));
    }
    all
}

/// Scale, ticks and title of an axis of simulated time.
pub(super) fn time_axis(end_s: f64, ticks_max: usize) -> (Scale, Vec<Tick>, String) {
    const STEPS: [f64; 18] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
        10_800.0, 21_600.0, 43_200.0, 86_400.0,
    ];
    let end_s = end_s.max(1.0);
    let step = STEPS
        .into_iter()
        .find(|step| end_s / step <= ticks_max as f64)
        .unwrap_or_else(|| (end_s / ticks_max as f64 / 86_400.0).ceil() * 86_400.0);
    let (unit_s, unit) = match step {
        s if s < 60.0 => (1.0, "seconds"),
        s if s < 3_600.0 => (60.0, "minutes"),
        s if s < 86_400.0 => (3_600.0, "hours"),
        _ => (86_400.0, "days"),
    };
    let ticks = (0..=ticks_max as u32)
        .map(|n| f64::from(n) * step)
        .take_while(|at| *at <= end_s)
        .map(|at| (at, format!("{}", at / unit_s)))
        .collect();
    (
        Scale::Linear(0.0, end_s),
        ticks,
        format!("simulated {unit}"),
    )
}

/// A logarithmic axis that holds `low` to `high`, in `unit`.
///
/// Milliseconds are ticked in the steps people read (1 s, 10 s, 1 min), all else by decades, or by 1, 2 and 5
/// of them where there are less than two.
pub(super) fn log_axis(low: f64, high: f64, unit: &str, ticks_max: usize) -> (Scale, Vec<Tick>) {
    let low = low.max(if unit == "ms" { 1e-3 } else { 1.0 });
    let high = high.max(low * 1.000_1);
    let steps = if unit == "ms" {
        time_steps()
    } else if high <= 100.0 * low {
        parts_of_decades()
    } else {
        decades()
    };
    let first = steps.iter().rposition(|step| *step <= low).unwrap_or(0);
    let last = steps
        .iter()
        .position(|step| *step >= high)
        .unwrap_or(steps.len() - 1);
    let chosen = &steps[first..=last.max(first + 1).min(steps.len() - 1)];
    let every = chosen.len().div_ceil(ticks_max.max(2));
    let ticks = chosen
        .iter()
        .step_by(every)
        .map(|at| (*at, tick_label(*at, unit)))
        .collect();
    (Scale::Log(chosen[0], chosen[chosen.len() - 1]), ticks)
}

/// A linear axis from 0 that holds `high`, in `unit`.
pub(super) fn linear_axis(high: f64, unit: &str) -> (Scale, Vec<Tick>) {
    if high <= 0.0 {
        return (Scale::Linear(0.0, 1.0), vec![(0.0, figure(0.0, unit))]);
    }
    let raw = high / 4.0;
    let magnitude = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        // Whole things are not counted in halves.
        .find(|step| *step >= raw && (unit != "1" || step.fract() == 0.0))
        .unwrap_or(10.0 * magnitude)
        .max(if unit == "1" { 1.0 } else { 0.0 });
    let steps = (high / step).ceil() as u32;
    let top = f64::from(steps) * step;
    let ticks = (0..=steps)
        .map(|n| f64::from(n) * step)
        .map(|at| (at, figure_beside(at, top, unit)))
        .collect();
    (Scale::Linear(0.0, top), ticks)
}

fn tick_label(value: f64, unit: &str) -> String {
    match unit {
        "ms" if value >= 1_000.0 && (value / 1_000.0).fract() == 0.0 => duration(value / 1_000.0),
        _ => figure(value, unit),
    }
}

/// 1 and 3 of each decade below a minute, then what clocks are divided into, in milliseconds.
fn time_steps() -> Vec<f64> {
    let mut steps: Vec<f64> = (-3..=3)
        .flat_map(|decade| [1.0, 3.0].map(|n| n * 10_f64.powi(decade)))
        .collect();
    steps.extend([1e4, 3e4]);
    steps.extend([
        6e4, 1.8e5, 6e5, 1.8e6, 3.6e6, 1.08e7, 3.6e7, 8.64e7, 2.592e8, 8.64e8,
    ]);
    steps
}

fn parts_of_decades() -> Vec<f64> {
    let parts = decades().into_iter();
    parts
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|n| n * decade))
        .collect()
}

fn decades() -> Vec<f64> {
    (0..=15).map(|decade| 10_f64.powi(decade)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn time_is_ticked_as_clocks_are() {
        let (_, ticks, title) = time_axis(1_320.0, 12);
        assert_eq!(labels(&ticks).join(" "), "0 2 4 6 8 10 12 14 16 18 20 22");
        assert_eq!(title, "simulated minutes");
        let (_, ticks, title) = time_axis(90.0 * 86_400.0, 5);
        assert_eq!(labels(&ticks).join(" "), "0 18 36 54 72 90");
        assert_eq!(title, "simulated days");
    }

    #[test]
    fn latency_is_ticked_in_words_people_use() {
        let (scale, ticks) = log_axis(42.0, 140_000.0, "ms", 9);
        assert_eq!(scale, Scale::Log(30.0, 180_000.0));
        assert_eq!(
            labels(&ticks).join(", "),
            "30 ms, 100 ms, 300 ms, 1 s, 3 s, 10 s, 30 s, 1 min, 3 min"
        );
        let (_, hops) = log_axis(1.0, 4.0, "1", 9);
        assert_eq!(labels(&hops).join(" "), "1 2 5");
        let (_, few) = log_axis(42.0, 140_000.0, "ms", 5);
        assert_eq!(labels(&few).join(", "), "30 ms, 300 ms, 3 s, 30 s, 3 min");
    }

    #[test]
    fn faults_that_overlap_are_numbered_in_rows() {
        use crate::{
            chart::canvas::draw,
            record::{Mark, Record, SCHEMA, Verdict},
        };
        let mark = |from_s, to_s| Mark {
            label: String::new(),
            from_s,
            to_s,
        };
        let record = Record {
            schema: SCHEMA,
            scenario: String::new(),
            summary: String::new(),
            commit: String::new(),
            engine: String::new(),
            program: Record::orrery(),
            arguments: Vec::new(),
            warmup_s: 0.0,
            duration_s: 1_000.0,
            until_s: None,
            origin: None,
            drain_s: 0.0,
            marks: vec![
                mark(0.0, 900.0),
                mark(100.0, 200.0),
                mark(300.0, 400.0),
                mark(350.0, 350.0),
                mark(340.0, 360.0),
                mark(341.0, 361.0),
            ],
            definitions: std::collections::BTreeMap::new(),
            losses: None,
            producers: std::collections::BTreeMap::new(),
            grid: vec![],
            report: vec![],
            charts: vec![],
            compare: crate::record::Compare::First,
            moments: std::collections::BTreeMap::new(),
            variants: Vec::new(),
            differences: Vec::new(),
            expectations: Vec::new(),
            not_judged: Vec::new(),
            verdict: Verdict::Held,
        };
        draw(Shape::WIDE, "", |canvas| {
            let plot = Plot::new(
                canvas,
                Shape::WIDE,
                Scale::Linear(0.0, 1_000.0),
                Scale::Linear(0.0, 1.0),
            )
            .with_marks(&record);
            assert_eq!(plot.rows, [0, 1, 1, 2, 3, ROWS_MAX - 1]);
        });
    }

    #[test]
    fn axes_hold_their_greatest_value() {
        for high in [0.3, 1.0, 7.0, 99.0, 101.0, 12_345.0] {
            let (Scale::Linear(_, top), ticks) = linear_axis(high, "1") else {
                panic!("not linear");
            };
            assert!(
                top >= high && ticks.len() <= 6,
                "{high}: {top}, {}",
                ticks.len()
            );
        }
    }
}
