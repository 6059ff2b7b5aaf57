//! Figures of a run, as they are gathered.

use std::collections::BTreeMap;

use orrery_reports::record::Metric;
use orrery_reports::stats::Recorder;

/// Figures by name.
#[derive(Default)]
pub struct Metrics(pub BTreeMap<String, Metric>);

impl Metrics {
    pub fn value(&mut self, name: &str, unit: &str, value: f64) {
        self.0.insert(
            name.to_owned(),
            Metric::Value {
                unit: unit.to_owned(),
                value,
            },
        );
    }

    pub fn count(&mut self, name: &str, count: usize) {
        self.value(name, "1", count as f64);
    }

    pub fn ratio(&mut self, name: &str, good: u64, bad: u64) {
        if good + bad > 0 {
            self.value(name, "ratio", good as f64 / (good + bad) as f64);
        }
    }

    pub fn samples(&mut self, name: &str, recorder: &Recorder) {
        if recorder.count() > 0 {
            self.0.insert(name.to_owned(), recorder.finish());
        }
    }
}
