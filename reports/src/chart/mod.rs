//! Charts of a record, as SVG that takes its colours from the page.
//!
//! One chart a file, one line in [`CHARTS`]. A chart looks at a record and draws as many figures
//! as the record has material for; none is an answer too. It must not carry meaning by colour
//! alone, and must not run or load anything.

pub mod bars;
mod canvas;
pub(crate) mod cdf;
mod data;
mod figure;
pub(crate) mod lines;
mod losses;
mod plot;
pub mod saved;
pub(crate) mod seeds;
mod tail;
mod timeline;

pub use canvas::{Drawing, STYLES};
pub use figure::{Chart, Figure, METRICS_MAX, Section};
use figure::{distributions, legend, merged};

use crate::{matrix, record::Record};

/// All charts, in the order of the page.
pub const CHARTS: &[Chart] = &[
    seeds::CHART,
    cdf::CHART,
    tail::CHART,
    timeline::CHART,
    losses::CHART,
];

/// All figures of a record: the matrices that are lines along an axis, and what each chart draws. No two
/// have one title.
pub fn all(record: &Record) -> Vec<Figure> {
    let (matrices, _) = matrix::matrices(record);
    let asked = matrix::charts(record);
    let lines = asked.iter().chain(&matrices).filter_map(lines::figures);
    let charts = CHARTS.iter().flat_map(|chart| (chart.figures)(record));
    let mut all: Vec<Figure> = Vec::new();
    for figure in lines.flatten().chain(charts) {
        if all.iter().all(|known| known.title != figure.title) {
            all.push(figure);
        }
    }
    all
}
