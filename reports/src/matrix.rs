//! Figures of a grid as matrices: one cell a combination of values, for the page, the terminal
//! and `summary.md` alike.
//!
//! Owns which figures become matrices, how the grid's dimensions become rows, columns and
//! panels, and how much heat a cell has. It writes no markup.

use std::collections::BTreeMap;

use crate::{
    format::{figure, numbers_beside, plural, suffix_beside},
    headline,
    key::{in_grid, plain_name},
    record::{Dimension, Interval, Producer, Record},
};

/// Matrices of the page; the rest stays in `metrics.csv`.
pub const PAGE_MAX: usize = 8;

/// Matrices of a text; the rest is on the page.
pub const TEXT_MAX: usize = 3;

/// Panels of one matrix; the rest stays in `metrics.csv`.
pub const PANELS_MAX: usize = 12;

/// Steps of heat, from least to greatest.
pub const STEPS: usize = 8;

/// Greatest by least from which heat goes by the logarithm.
const LOG_FROM: f64 = 20.0;

/// Columns up to which a text shows intervals.
const INTERVALS_TO: usize = 4;

/// The statistic of a distribution that is shown where no expectation names one.
const STAT: &str = "p50";

/// One figure in all cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// `metric`, or `metric.stat` for distributions; with the metric's own labels, if any.
    pub figure: String,
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

    /// The figure that all cells have alike, where no cell has a mark: not worth a matrix.
    pub fn alike(&self) -> Option<Interval> {
        let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
        let first = cells.next().and_then(|cell| cell.interval)?;
        let same = |a: f64, b: f64| a.total_cmp(&b).is_eq();
        let is_alike = |i: &Interval| {
            same(i.mean, first.mean) && i.ci95.iter().all(|end| same(*end, first.mean))
        };
        let mut rest = cells.map(|cell| cell.interval);
        let all = is_alike(&first) && rest.all(|cell| cell.as_ref().is_some_and(is_alike));
        (self.left_out == 0 && all && !self.is_marked()).then_some(first)
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

    /// Figure and unit: `flow.goodput, Mbit/s`.
    pub fn title(&self) -> String {
        match self.suffix() {
            suffix if suffix.is_empty() => self.figure.clone(),
            suffix => format!("{}, {suffix}", self.figure),
        }
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

    /// A panel as lines of text cells, its head first.
    pub fn lines(&self, panel: &Panel, write: &dyn Fn(&str) -> String) -> Vec<Vec<String>> {
        let mut head = vec![write(&self.corner())];
        if self.is_list() {
            head.push(write(&self.figure));
        } else {
            head.extend(self.columns.values.iter().map(|value| write(value)));
        }
        let wide = self.columns.values.len() > INTERVALS_TO;
        let rows = self.rows.values.iter().zip(&panel.cells);
        let rows = rows.map(|(name, cells)| {
            let cells = cells.iter().map(|cell| self.plain(cell, wide));
            std::iter::once(write(name)).chain(cells).collect()
        });
        std::iter::once(head).chain(rows).collect()
    }

    fn plain(&self, cell: &Cell, wide: bool) -> String {
        let mut text = match &cell.interval {
            None => "–".to_owned(),
            Some(interval) => match self.numbers(interval) {
                (mean, ends) if wide || ends.is_empty() => mean,
                (mean, ends) => format!("{mean} {ends}"),
            },
        };
        if !cell.asked.is_empty() {
            let held = cell.asked.iter().all(|asked| asked.held);
            text.push_str(if held { " ✓" } else { " ✗" });
        }
        text
    }

    /// Whether any cell has a mark.
    pub fn is_marked(&self) -> bool {
        let mut cells = self.panels.iter().flat_map(|panel| panel.cells.concat());
        cells.any(|cell| !cell.asked.is_empty())
    }
}

/// The matrices of a record with a grid: figures that expectations name first, in their order,
/// then those that its workloads produce and that differ between cells. At most [`PAGE_MAX`],
/// with the number of those left out.
pub fn matrices(record: &Record) -> (Vec<Matrix>, usize) {
    if record.grid.is_empty() {
        return (Vec::new(), 0);
    }
    let found = by_figure(record);
    let chosen = chosen(record, &found);
    let axes = Axes::of(record);
    let shown = chosen.iter().take(PAGE_MAX);
    let all = shown.map(|figure| matrix(record, &axes, figure, &found[figure]));
    (all.collect(), chosen.len().saturating_sub(PAGE_MAX))
}

/// By place: the variant, then each dimension of the grid.
type Places = Vec<usize>;

/// One figure's cells.
#[derive(Default)]
struct Found {
    unit: String,
    cells: BTreeMap<Places, Interval>,
}

fn by_figure(record: &Record) -> BTreeMap<String, Found> {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for (key, interval) in &variant.summary {
            let Some(of_grid) = in_grid(key, &record.grid) else {
                continue;
            };
            let found = all.entry(of_grid.figure).or_insert_with(|| Found {
                unit: headline::unit_of(record, key),
                ..Found::default()
            });
            let places = std::iter::once(place).chain(of_grid.cell).collect();
            found.cells.insert(places, *interval);
        }
    }
    all
}

fn chosen(record: &Record, found: &BTreeMap<String, Found>) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    for judged in record.expectations.iter().filter_map(|e| e.figures.first()) {
        let figure = in_grid(&judged.key, &record.grid).map(|key| key.figure);
        if let Some(figure) = figure.filter(|f| found.contains_key(f) && !chosen.contains(f)) {
            chosen.push(figure);
        }
    }
    let expected = chosen.clone();
    let area = |figure: &str| figure.split('.').next().unwrap_or_default().to_owned();
    let is_near = |figure: &str| expected.iter().any(|known| area(known) == area(figure));
    let others = found.iter().filter(|(figure, found)| {
        let (name, stat) = metric_and_stat(figure);
        let shown = expected
            .iter()
            .any(|known| metric_and_stat(known).0 == name);
        !figure.contains('{')
            && !shown
            && stat.is_none_or(|stat| stat == STAT)
            && is_produced(record, name)
            && differs(found)
    });
    let mut others: Vec<&String> = others.map(|(figure, _)| figure).collect();
    others.sort_by_key(|figure| !is_near(figure));
    chosen.extend(others.into_iter().cloned());
    chosen
}

/// A figure's metric and the statistic after it. No metric ends like a statistic.
fn metric_and_stat(figure: &str) -> (&str, Option<&str>) {
    match figure.rsplit_once('.') {
        Some((name, stat)) if crate::stats::STATS.contains(&stat) => (plain_name(name), Some(stat)),
        _ => (plain_name(figure), None),
    }
}

fn is_produced(record: &Record, name: &str) -> bool {
    let producer = record.producers.get(name);
    !matches!(producer, Some(Producer::World | Producer::Nothing))
}

/// Whether the cells tell anything apart.
fn differs(found: &Found) -> bool {
    let mut means = found.cells.values().map(|interval| interval.mean);
    let first = means.next();
    means.any(|mean| first.is_some_and(|first| mean.total_cmp(&first).is_ne()))
}

/// The grid's dimensions and the variants, each with its place among [`Places`].
struct Axes {
    /// Those of the panels.
    panels: Vec<(usize, Dimension)>,
    /// That of the rows, and that of the columns if there are two at least.
    inner: Vec<(usize, Dimension)>,
}

impl Axes {
    fn of(record: &Record) -> Self {
        let mut all = Vec::new();
        if record.variants.len() > 1 {
            let names = record.variants.iter().map(|variant| variant.name.clone());
            let variants = Dimension {
                label: "variant".to_owned(),
                values: names.collect(),
            };
            all.push((0, variants));
        }
        let dimensions = record.grid.iter().cloned().enumerate();
        all.extend(dimensions.map(|(place, dimension)| (place + 1, dimension)));
        // A dimension of one value has nothing to show side by side.
        all.sort_by_key(|(_, dimension)| dimension.values.len() > 1);
        let several = all.iter().filter(|(_, d)| d.values.len() > 1).count();
        let inner = all.split_off(all.len() - several.clamp(1, 2));
        Self { panels: all, inner }
    }

    /// All combinations of the panels' values, the last changing fastest.
    fn combinations(&self) -> Vec<Vec<usize>> {
        self.panels
            .iter()
            .fold(vec![Vec::new()], |all, (_, dimension)| {
                let with = |combination: &Vec<usize>, value| {
                    combination.iter().copied().chain([value]).collect()
                };
                all.iter()
                    .flat_map(|c| (0..dimension.values.len()).map(move |value| with(c, value)))
                    .collect()
            })
    }
}

fn matrix(record: &Record, axes: &Axes, figure: &str, found: &Found) -> Matrix {
    let (everywhere, asked) = asked_of(record, figure);
    let nameless = Dimension {
        label: String::new(),
        values: vec![String::new()],
    };
    let rows = axes.inner[0].1.clone();
    let columns = axes.inner.get(1).map_or(nameless, |(_, axis)| axis.clone());
    let combinations = axes.combinations();
    let shown = combinations.iter().take(PANELS_MAX).map(|combination| {
        let cell = |row: usize, column: usize| {
            let inner = axes.inner.iter().map(|(place, _)| *place);
            let outer = axes.panels.iter().map(|(place, _)| *place);
            let mut places = vec![0; record.grid.len() + 1];
            for (place, value) in outer.zip(combination).chain(inner.zip(&[row, column])) {
                places[place] = *value;
            }
            Cell {
                interval: found.cells.get(&places).copied(),
                asked: asked.get(&places).cloned().unwrap_or_default(),
            }
        };
        let row_of = |row| {
            let columns = 0..columns.values.len();
            columns.map(|column| cell(row, column)).collect()
        };
        let named = axes.panels.iter().zip(combination);
        let title: Vec<String> = named
            .map(|((_, axis), value)| format!("{}={}", axis.label, axis.values[*value]))
            .collect();
        Panel {
            title: title.join(", "),
            cells: (0..rows.values.len()).map(row_of).collect(),
        }
    });
    let means: Vec<f64> = found.cells.values().map(|i| i.mean).collect();
    Matrix {
        figure: figure.to_owned(),
        unit: found.unit.clone(),
        panels: shown.collect(),
        left_out: combinations.len().saturating_sub(PANELS_MAX),
        scale: Scale::of(&means, &found.unit),
        everywhere,
        rows,
        columns,
    }
}

/// What is expected of every cell of a figure alike, and what of each in particular. A cell that
/// misses what is expected of all has that among its own.
fn asked_of(record: &Record, figure: &str) -> (Vec<Asked>, BTreeMap<Places, Vec<Asked>>) {
    let cells: usize = record.grid.iter().map(|d| d.values.len()).product();
    let mut everywhere = Vec::new();
    let mut asked: BTreeMap<Places, Vec<Asked>> = BTreeMap::new();
    for expectation in &record.expectations {
        let mut of_figure = Vec::new();
        for judged in &expectation.figures {
            let variant = record
                .variants
                .iter()
                .position(|v| v.name == judged.variant);
            let of_grid = in_grid(&judged.key, &record.grid);
            let (Some(variant), Some(of_grid)) = (variant, of_grid) else {
                continue;
            };
            if of_grid.figure == figure {
                let places: Places = std::iter::once(variant).chain(of_grid.cell).collect();
                of_figure.push((places, judged));
            }
        }
        let is_of_all = !of_figure.is_empty() && of_figure.len() >= cells * record.variants.len();
        if is_of_all {
            everywhere.push(Asked {
                bound: expectation.bound.clone(),
                worst: expectation.value,
                held: expectation.held,
            });
        }
        for (places, judged) in of_figure {
            if !(is_of_all && judged.held) {
                asked.entry(places).or_default().push(Asked {
                    bound: expectation.bound.clone(),
                    worst: judged.value,
                    held: judged.held,
                });
            }
        }
    }
    (everywhere, asked)
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
