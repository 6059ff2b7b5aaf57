//! What plain packets have shown.

use super::metrics::{
    PACKETS_DELIVERED, PACKETS_LATENCY, PACKETS_LOSS, PACKETS_SENT, PACKETS_SUCCESS,
};
use super::sources::{Sources, Summary};
use crate::play::verdict::metrics::{LabelsOf, Metrics};
use crate::workload::{Ended, Results};

/// How many packets came through, and how long they took.
pub fn collect(packets: &Sources, ended: &Ended<'_>, results: &mut Results<'_>) {
    let metrics = &mut *results.metrics;
    figures(metrics, &[], &packets.summarise(|_| true));
    if let Some(latencies) = packets.latencies(None) {
        metrics.samples(&PACKETS_LATENCY, &[], latencies);
    }
    let name = |group: usize| &ended.run.scenario.groups[group].name;
    for pair in packets.pairs() {
        let labels = [("from", &**name(pair.0)), ("to", &**name(pair.1))];
        figures(
            metrics,
            &labels,
            &packets.summarise(|groups| groups == pair),
        );
        if let Some(latencies) = packets.latencies(Some(pair)) {
            metrics.samples(&PACKETS_LATENCY, &labels, latencies);
        }
    }
}

/// Figures of some packets, under these labels.
fn figures(metrics: &mut Metrics, labels: LabelsOf<'_>, summary: &Summary) {
    let lost = summary.sent.saturating_sub(summary.delivered);
    metrics.count(&PACKETS_SENT, labels, summary.sent);
    metrics.count(&PACKETS_DELIVERED, labels, summary.delivered);
    metrics.ratio(&PACKETS_SUCCESS, labels, summary.delivered, lost);
    metrics.ratio(&PACKETS_LOSS, labels, lost, summary.delivered);
}
