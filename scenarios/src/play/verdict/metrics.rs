//! Figures of a run, as they are gathered.

use std::collections::BTreeMap;

use orrery_reports::key::{Key, Labels};
use orrery_reports::record::Metric;
use orrery_reports::stats::Recorder;

use crate::metrics::{self, Definition, Shape, Span};

/// Labels of a figure, such as `[("cause", "refused")]`; none for the whole.
pub type LabelsOf<'a> = &'a [(&'static str, &'a str)];

/// Figures by key.
#[derive(Default)]
pub struct Metrics {
    /// The figures.
    pub all: BTreeMap<Key, Metric>,
    /// Kinds of the scenario's workloads.
    kinds: Vec<&'static str>,
}

impl Metrics {
    /// None yet, of a scenario with workloads of these kinds.
    pub fn new(kinds: Vec<&'static str>) -> Self {
        let all = BTreeMap::new();
        Self { all, kinds }
    }

    /// A figure, in the metric's unit.
    ///
    /// # Panics
    /// As [`Self::samples`].
    pub fn value(&mut self, metric: &Definition, labels: LabelsOf<'_>, value: f64) {
        let unit = metric.unit.to_owned();
        let figure = Metric::Value { unit, value };
        self.add(metric, Shape::Value, labels, figure);
    }

    /// A count.
    ///
    /// # Panics
    /// As [`Self::samples`].
    pub fn count(&mut self, metric: &Definition, labels: LabelsOf<'_>, count: u64) {
        self.value(metric, labels, count as f64);
    }

    /// The share of what is good, if there was anything.
    ///
    /// # Panics
    /// As [`Self::samples`].
    pub fn ratio(&mut self, metric: &Definition, labels: LabelsOf<'_>, good: u64, bad: u64) {
        if good + bad > 0 {
            self.value(metric, labels, good as f64 / (good + bad) as f64);
        }
    }

    /// A distribution. Without a sample it stands there, empty, only as a whole and if a workload
    /// was to produce some: then a seed in which nothing came of it counts like any other.
    ///
    /// # Panics
    /// The metric is in no registry, is of another shape or unit, or has not such a label: what is
    /// recorded so could not be expected, explained or read.
    pub fn samples(&mut self, metric: &Definition, labels: LabelsOf<'_>, recorder: &Recorder) {
        let produced = metric.is_given_by(&self.kinds) && metric.span != Span::Mishaps;
        if recorder.count() > 0 || labels.is_empty() && produced {
            self.add(metric, Shape::Distribution, labels, recorder.finish());
        }
    }

    /// The value of a metric as a whole, if it has been recorded.
    pub fn whole(&self, metric: &Definition) -> Option<f64> {
        match self.all.get(metric.name)? {
            Metric::Value { value, .. } => Some(*value),
            Metric::Distribution { .. } => None,
        }
    }

    fn add(&mut self, metric: &Definition, shape: Shape, labels: LabelsOf<'_>, figure: Metric) {
        let (Metric::Value { unit, .. } | Metric::Distribution { unit, .. }) = &figure;
        let name = metric.name;
        let listed =
            metrics::find(name).filter(|known| (known.unit, &known.shape) == (unit, &shape));
        let metric = listed.unwrap_or_else(|| {
            panic!("{name} ({shape:?}, {unit}) is in no registry: list it among the METRICS of its room")
        });
        let unknown = labels
            .iter()
            .find(|(label, _)| !metric.labels.contains(label));
        assert!(unknown.is_none(), "{name} has no such label: {unknown:?}");
        debug_assert!(
            knows_cases(metric, labels),
            "{name} does not know one of {labels:?}"
        );
        let labels: Labels = labels.iter().copied().collect();
        self.all.insert(Key::of(name).within(&labels), figure);
    }
}

/// Whether a metric has the cause or reason under which something is counted. An expectation on
/// another one would be refused.
fn knows_cases(metric: &Definition, labels: LabelsOf<'_>) -> bool {
    let case = metric.case_label();
    let mut cases = labels.iter().filter(|(label, _)| Some(*label) == case);
    cases.all(|(_, case)| metric.cases().any(|known| known == *case))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::metrics::value;
    use crate::metrics::world::{NET_BYTES, NET_DROPS};

    #[test]
    fn what_no_registry_has_is_refused() {
        let mut metrics = Metrics::default();
        metrics.count(&NET_DROPS, &[("reason", "loss")], 3);
        assert_eq!(metrics.whole(&NET_DROPS), None);
        assert_eq!(
            metrics.all.keys().next().expect("one"),
            &"net.drops{reason=loss}"
        );
        let check = |record: &mut dyn FnMut(&mut Metrics), expected: &str| {
            let refused = catch_unwind(AssertUnwindSafe(|| record(&mut Metrics::default())));
            let told = refused.expect_err(expected);
            let told = told.downcast_ref::<String>().expect("a message");
            assert!(told.contains(expected), "{told}");
        };
        let made_up = value("net.made_up", "1", &[], "Nothing.");
        check(
            &mut |metrics| metrics.count(&made_up, &[], 1),
            "in no registry",
        );
        let in_bits = Definition {
            unit: "bit/s",
            ..NET_BYTES
        };
        check(
            &mut |metrics| metrics.count(&in_bits, &[], 1),
            "in no registry",
        );
        let samples = Recorder::of("B");
        let mut recorded = samples.clone();
        recorded.record(0, 1);
        check(
            &mut |metrics| metrics.samples(&NET_BYTES, &[], &recorded),
            "Distribution",
        );
        let labels = [("cause", "loss")];
        check(
            &mut |metrics| metrics.count(&NET_DROPS, &labels, 1),
            "no such label",
        );
        let labels = [("reason", "bad luck")];
        check(
            &mut |metrics| metrics.count(&NET_DROPS, &labels, 1),
            "does not know",
        );
    }
}
