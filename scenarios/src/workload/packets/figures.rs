//! What plain packets have shown.

use super::sources::{Sources, Summary};
use crate::play::verdict::metrics::Metrics;
use crate::workload::{Ended, Results};

/// How many packets came through, and how long they took.
pub fn collect(packets: &Sources, ended: &Ended<'_>, results: &mut Results<'_>) {
    let metrics = &mut *results.metrics;
    figures(metrics, "", &packets.summarise(|_| true));
    if let Some(latencies) = packets.latencies(None) {
        metrics.samples("packets.latency", latencies);
    }
    let name = |group: usize| &ended.machines.scenario.groups[group].name;
    for pair in packets.pairs() {
        let labels = format!("{{from={},to={}}}", name(pair.0), name(pair.1));
        figures(
            metrics,
            &labels,
            &packets.summarise(|groups| groups == pair),
        );
        if let Some(latencies) = packets.latencies(Some(pair)) {
            metrics.samples(&format!("packets.latency{labels}"), latencies);
        }
    }
}

/// Figures of some packets, under these labels.
fn figures(metrics: &mut Metrics, labels: &str, summary: &Summary) {
    let lost = summary.sent.saturating_sub(summary.delivered);
    let key = |name: &str| format!("packets.{name}{labels}");
    metrics.value(&key("sent"), "1", summary.sent as f64);
    metrics.value(&key("delivered"), "1", summary.delivered as f64);
    metrics.ratio(&key("success"), summary.delivered, lost);
    metrics.ratio(&key("loss"), lost, summary.delivered);
}
