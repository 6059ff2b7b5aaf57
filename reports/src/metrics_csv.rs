//! `metrics.csv`: every figure of every seed, one a line (tidy), for data frames.

use crate::{
    Error,
    record::{Metric, Record},
    stats::{STATS, Shares, metric_value, within_text},
};

/// The table: scenario, variant, fidelity, seed, metric, labels, stat, value, unit.
///
/// Lines are ordered by variant as in the record, seed, metric and statistic. Seeds that ended
/// early are included. Figures are written to the last digit, not rounded for people.
///
/// # Errors
/// [`Error::Csv`] only where memory does not suffice.
pub fn table(record: &Record) -> Result<String, Error> {
    let shares = Shares::of(record);
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record([
        "scenario", "variant", "fidelity", "seed", "metric", "labels", "stat", "value", "unit",
    ])?;
    for variant in &record.variants {
        for seed in &variant.seeds {
            for (key, metric) in &seed.metrics {
                let (name, labels) = split_labels(key);
                let (unit, stats): (_, Vec<&str>) = match metric {
                    Metric::Distribution { unit, .. } => (
                        unit,
                        STATS.into_iter().chain(shares.of_metric(key)).collect(),
                    ),
                    Metric::Value { unit, .. } => (unit, vec!["value"]),
                };
                for stat in stats {
                    let Some(figure) = metric_value(metric, stat) else {
                        continue;
                    };
                    let unit = match stat {
                        "count" => "1",
                        stat if within_text(stat).is_some() => "ratio",
                        _ => unit,
                    };
                    writer.write_record([
                        &record.scenario,
                        &variant.name,
                        variant.fidelity.name(),
                        &seed.seed,
                        name,
                        labels,
                        stat,
                        &figure.to_string(),
                        unit,
                    ])?;
                }
            }
        }
    }
    text_of(writer)
}

/// What was written.
pub(crate) fn text_of(writer: csv::Writer<Vec<u8>>) -> Result<String, Error> {
    let bytes = writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8(bytes).expect("every field was a string"))
}

/// `name{a=1,b=2}` → `name` and `a=1,b=2`.
fn split_labels(key: &str) -> (&str, &str) {
    match key.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap_or(rest)),
        None => (key, ""),
    }
}
