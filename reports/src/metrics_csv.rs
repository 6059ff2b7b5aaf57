//! `metrics.csv`: every figure of every seed, one a line (tidy), for data frames.

use std::borrow::Cow;

use crate::{
    Error,
    key::Key,
    record::{Metric, Record, SeedResult},
    stats::{Shares, Stat, Zeros, metric_value},
};

/// Columns of every table.
const COLUMNS: [&str; 9] = [
    "scenario", "variant", "fidelity", "seed", "metric", "labels", "stat", "value", "unit",
];

/// The table: scenario, variant, fidelity, seed, metric, labels, stat, value, unit; and for each
/// dimension of a grid `grid_` with its label, which has the cell's value.
///
/// Lines are ordered by variant as in the record, seed, metric and statistic. Seeds that ended
/// early are included. Counts of what did not happen in a seed are 0. Figures are written to the
/// last digit, not rounded for people.
///
/// # Errors
/// [`Error::Csv`] only where memory does not suffice.
pub fn table(record: &Record) -> Result<String, Error> {
    let (shares, zeros) = (Shares::of(record), Zeros::of(record));
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let of_grid = record.grid.iter().map(|it| format!("grid_{}", it.label));
    writer.write_record(COLUMNS.map(str::to_owned).into_iter().chain(of_grid))?;
    for variant in &record.variants {
        for seed in &variant.seeds {
            for line in lines(seed, &shares, &zeros) {
                let cells = [
                    record.scenario.as_str(),
                    &variant.name,
                    variant.fidelity.name(),
                    &seed.seed,
                    line.key.metric(),
                    &line.key.labels().to_string(),
                    &line.stat.map_or(Cow::Borrowed("value"), Stat::name),
                    &line.figure.to_string(),
                    line.unit,
                ];
                let of_grid = record.grid.iter();
                let of_grid = of_grid.map(|it| line.key.label(&it.label).unwrap_or_default());
                writer.write_record(cells.into_iter().chain(of_grid))?;
            }
        }
    }
    text_of(writer)
}

/// One figure of one seed.
struct Line<'a> {
    key: Cow<'a, Key>,
    stat: Option<&'a Stat>,
    figure: f64,
    unit: &'a str,
}

/// The figures of a seed, by metric and statistic.
fn lines<'a>(seed: &'a SeedResult, shares: &'a Shares, zeros: &'a Zeros) -> Vec<Line<'a>> {
    let mut all = Vec::new();
    for (key, metric) in &seed.metrics {
        let (unit, stats): (_, Vec<Option<&Stat>>) = match metric {
            Metric::Distribution { unit, .. } => (unit, shares.stats_of(key).map(Some).collect()),
            Metric::Value { unit, .. } => (unit, vec![None]),
        };
        all.extend(stats.into_iter().filter_map(|stat| {
            Some(Line {
                key: Cow::Borrowed(key),
                stat,
                figure: metric_value(metric, stat)?,
                unit: stat.map_or(unit, |stat| stat.unit(unit)),
            })
        }));
    }
    // A seed that ended early has counted nothing to its end.
    let zeros = zeros.in_seed(seed).filter(|_| seed.failure.is_none());
    all.extend(zeros.map(|key| Line {
        key: key.without_stat(),
        stat: key.stat(),
        figure: 0.0,
        unit: "1",
    }));
    // Figures of one metric stay in their order.
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

/// What was written.
pub(crate) fn text_of(writer: csv::Writer<Vec<u8>>) -> Result<String, Error> {
    let bytes = writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8(bytes).expect("every field was a string"))
}
