//! Figures of a run, as they are gathered.

use std::collections::BTreeMap;

use orrery_reports::record::{Metric, Producer};
use orrery_reports::stats::Recorder;

use crate::format::scenario::grid::split_key;
use crate::metrics;

/// Figures by name.
#[derive(Default)]
pub struct Metrics {
    /// The figures.
    pub all: BTreeMap<String, Metric>,
    /// Kinds of the scenario's workloads.
    kinds: Vec<&'static str>,
}

impl Metrics {
    /// None yet, of a scenario with workloads of these kinds.
    pub fn new(kinds: Vec<&'static str>) -> Self {
        let all = BTreeMap::new();
        Self { all, kinds }
    }

    pub fn value(&mut self, name: &str, unit: &str, value: f64) {
        debug_assert!(knows_case(name), "{name} is not in the registry");
        self.all.insert(
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

    /// A distribution. Without a sample it stands there, empty, only if a workload was to produce
    /// some: then a seed in which nothing came of it counts like any other.
    pub fn samples(&mut self, name: &str, recorder: &Recorder) {
        let producer = metrics::find(name).map(|metric| metric.producer(&self.kinds, false));
        if recorder.count() > 0 || producer == Some(Producer::Workload) {
            self.all.insert(name.to_owned(), recorder.finish());
        }
    }
}

/// Whether the registry has the cause or reason under which something is counted. An expectation
/// on another one would be refused.
fn knows_case(key: &str) -> bool {
    let (name, labels) = split_key(key);
    let definition = metrics::find(name);
    let case = definition.and_then(|metric| Some((metric, labels.get(metric.case_label()?)?)));
    case.is_none_or(|(metric, case)| metric.cases().any(|known| known == case))
}
