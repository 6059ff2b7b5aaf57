//! Which figures become matrices, and how what they vary along becomes rows, columns and panels.

use std::collections::BTreeMap;

use super::{Asked, Cell, Matrix, PAGE_MAX, PANELS_MAX, Panel, Scale};
use crate::{
    asked::{asked, unit_of},
    fields::Fields,
    key::Key,
    record::{Chart, Dimension, Interval, Producer, Record},
    stats::Stat,
    whole::whole_seeds,
};

/// The statistic of a distribution that is shown where no expectation names one.
const STAT: Stat = Stat::P50;

/// The matrices of a record: figures that expectations name first, in their order, then those
/// that differ between cells and that its workloads produce. Figures vary along the grid, if the
/// record has one, and along pairs of a metric's own labels, such as `from` and `to`. At most
/// [`PAGE_MAX`], with the number of those left out.
pub fn matrices(record: &Record) -> (Vec<Matrix>, usize) {
    let fields = Fields::of(record);
    let found = by_figure(record, &fields);
    let (chosen, named) = chosen(record, &fields, &found);
    let shown = chosen.iter().take(PAGE_MAX).enumerate();
    let all = shown.map(|(place, figure)| {
        let axes = Axes::of(record, fields.dimensions(figure));
        let matrix = matrix(record, &fields, figure, &found[figure], &axes);
        Matrix {
            named: place < named,
            ..matrix
        }
    });
    (all.collect(), chosen.len().saturating_sub(PAGE_MAX))
}

/// The charts that the scenario asks for, as matrices: what goes across as columns, what has a line
/// of its own each as rows. One whose figure no seed has is left out.
pub fn charts(record: &Record) -> Vec<Matrix> {
    let fields = Fields::of(record);
    let found = by_figure(record, &fields);
    let charts = record.charts.iter();
    let drawn = charts.filter_map(|chart| {
        let figure = Key::read(&chart.y);
        let axes = Axes::asked(record, fields.dimensions(&figure), chart)?;
        let matrix = matrix(record, &fields, &figure, found.get(&figure)?, &axes);
        Some(Matrix {
            named: true,
            ..matrix
        })
    });
    drawn.collect()
}

/// By place: the variant, then each dimension of the grid.
type Indices = Vec<usize>;

/// One figure's cells.
#[derive(Default)]
struct Found {
    unit: String,
    cells: BTreeMap<Indices, Interval>,
}

fn by_figure(record: &Record, fields: &Fields<'_>) -> BTreeMap<Key, Found> {
    let mut all: BTreeMap<Key, Found> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for (key, interval) in &variant.summary {
            let Some(of_grid) = fields.locate(key) else {
                continue;
            };
            let found = all.entry(of_grid.figure).or_insert_with(|| Found {
                unit: unit_of(record, key),
                ..Found::default()
            });
            let indices = std::iter::once(place).chain(of_grid.cell).collect();
            found.cells.insert(indices, *interval);
        }
    }
    all
}

/// The figures worth a matrix, and how many of them, at the start, the scenario names.
fn chosen(record: &Record, fields: &Fields<'_>, found: &BTreeMap<Key, Found>) -> (Vec<Key>, usize) {
    let mut chosen: Vec<Key> = Vec::new();
    let expected = record.expectations.iter().filter_map(|e| e.figures.first());
    let expected = expected.filter_map(|judged| Some(fields.locate(&judged.key)?.figure));
    for figure in asked(record).into_iter().chain(expected) {
        if found.contains_key(&figure) && !chosen.contains(&figure) {
            chosen.push(figure);
        }
    }
    let expected = chosen.clone();
    let is_near = |figure: &Key| expected.iter().any(|known| known.area() == figure.area());
    let others = found.iter().filter(|(figure, found)| {
        let metric = figure.metric();
        let shown = expected.iter().any(|known| known.metric() == metric);
        // In a grid, each pair of labels would be a panel.
        let is_whole = record.grid.is_empty() || figure.labels().is_empty();
        is_whole
            && !shown
            && figure.stat().is_none_or(|stat| *stat == STAT)
            && is_produced(record, metric)
            && differs(found)
    });
    let mut others: Vec<&Key> = others.map(|(figure, _)| figure).collect();
    others.sort_by_key(|figure| !is_near(figure));
    let named = chosen.len();
    chosen.extend(others.into_iter().cloned());
    (chosen, named)
}

fn is_produced(record: &Record, name: &str) -> bool {
    let producer = record.producers.get(name);
    // Without a grid nothing else is drawn, so what every run has is worth a look.
    let in_every_run = Some(&Producer::World);
    producer != Some(&Producer::Nothing) && (record.grid.is_empty() || producer != in_every_run)
}

/// Whether the cells tell anything apart.
fn differs(found: &Found) -> bool {
    let mut means = found.cells.values().map(|interval| interval.mean);
    let first = means.next();
    means.any(|mean| first.is_some_and(|first| mean.total_cmp(&first).is_ne()))
}

/// The grid's dimensions and the variants, each with its place among [`Indices`].
struct Axes {
    /// Those of the panels.
    panels: Vec<(usize, Dimension)>,
    /// That of the rows, and that of the columns if there are two at least.
    inner: Vec<(usize, Dimension)>,
}

impl Axes {
    fn of(record: &Record, dimensions: &[Dimension]) -> Self {
        let mut all = Self::all(record, dimensions);
        // A dimension of one value has nothing to show side by side.
        all.sort_by_key(|(_, dimension)| dimension.values.len() > 1);
        let several = all.iter().filter(|(_, d)| d.values.len() > 1).count();
        let inner = all.split_off(all.len() - several.clamp(1, 2));
        Self { panels: all, inner }
    }

    /// As a chart asks; nothing if it names what the figure does not vary along.
    fn asked(record: &Record, dimensions: &[Dimension], chart: &Chart) -> Option<Self> {
        let mut all = Self::all(record, dimensions);
        let mut take = |label: &str| {
            let place = all
                .iter()
                .position(|(_, dimension)| dimension.label == label)?;
            Some(all.remove(place))
        };
        let x = take(&chart.x)?;
        let by = chart.by.as_ref().map(|by| take(by));
        let inner = match by {
            None => vec![x],
            Some(by) => vec![by?, x],
        };
        Some(Self { panels: all, inner })
    }

    /// The variants, if there are several, and all dimensions.
    fn all(record: &Record, dimensions: &[Dimension]) -> Vec<(usize, Dimension)> {
        let mut all = Vec::new();
        if record.variants.len() > 1 {
            let names = record.variants.iter().map(|variant| variant.name.clone());
            let variants = Dimension {
                label: "variant".to_owned(),
                values: names.collect(),
            };
            all.push((0, variants));
        }
        let dimensions = dimensions.iter().cloned().enumerate();
        all.extend(dimensions.map(|(place, dimension)| (place + 1, dimension)));
        all
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

fn matrix(
    record: &Record,
    fields: &Fields<'_>,
    figure: &Key,
    found: &Found,
    axes: &Axes,
) -> Matrix {
    let dimensions = fields.dimensions(figure);
    let (everywhere, asked) = asked_of(record, fields, figure);
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
            let mut indices = vec![0; dimensions.len() + 1];
            for (place, value) in outer.zip(combination).chain(inner.zip(&[row, column])) {
                indices[place] = *value;
            }
            Cell {
                interval: found.cells.get(&indices).copied(),
                asked: asked.get(&indices).cloned().unwrap_or_default(),
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
        figure: figure.clone(),
        unit: found.unit.clone(),
        panels: shown.collect(),
        left_out: combinations.len().saturating_sub(PANELS_MAX),
        scale: Scale::of(&means, &found.unit),
        everywhere,
        named: false,
        played: record.variants.iter().map(whole_seeds).max().unwrap_or(0) as u32,
        rows,
        columns,
    }
}

/// What is expected of every cell of a figure alike, and what of each in particular. A cell that
/// misses what is expected of all has that among its own.
fn asked_of(
    record: &Record,
    fields: &Fields<'_>,
    figure: &Key,
) -> (Vec<Asked>, BTreeMap<Indices, Vec<Asked>>) {
    let dimensions = fields.dimensions(figure);
    let cells: usize = dimensions.iter().map(|d| d.values.len()).product();
    let mut everywhere = Vec::new();
    let mut asked: BTreeMap<Indices, Vec<Asked>> = BTreeMap::new();
    for expectation in &record.expectations {
        let mut of_figure = Vec::new();
        for judged in &expectation.figures {
            let variant = record
                .variants
                .iter()
                .position(|v| v.name == judged.variant);
            let of_grid = fields.locate(&judged.key);
            let (Some(variant), Some(of_grid)) = (variant, of_grid) else {
                continue;
            };
            if of_grid.figure == *figure {
                let indices: Indices = std::iter::once(variant).chain(of_grid.cell).collect();
                of_figure.push((indices, judged));
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
        for (indices, judged) in of_figure {
            if !(is_of_all && judged.held) {
                asked.entry(indices).or_default().push(Asked {
                    bound: expectation.bound.clone(),
                    worst: judged.value,
                    held: judged.held,
                });
            }
        }
    }
    (everywhere, asked)
}
