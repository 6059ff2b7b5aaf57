//! `metrics.csv`: every figure of every seed, one a line (tidy), for data frames.

use std::borrow::Cow;

use crate::{
    Error,
    record::{Metric, Record},
    stats::{Shares, Stat, metric_value},
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
                let (unit, stats): (_, Vec<Option<&Stat>>) = match metric {
                    Metric::Distribution { unit, .. } => {
                        (unit, shares.stats_of(key).map(Some).collect())
                    }
                    Metric::Value { unit, .. } => (unit, vec![None]),
                };
                let labels = key.labels().to_string();
                for stat in stats {
                    let Some(figure) = metric_value(metric, stat) else {
                        continue;
                    };
                    writer.write_record([
                        record.scenario.as_str(),
                        &variant.name,
                        variant.fidelity.name(),
                        &seed.seed,
                        key.metric(),
                        &labels,
                        &stat.map_or(Cow::Borrowed("value"), Stat::name),
                        &figure.to_string(),
                        stat.map_or(unit.as_str(), |stat| stat.unit(unit)),
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
