//! What punching holes without nodes has shown.

use std::collections::BTreeSet;

use super::metrics::{PUNCH_FAILED, PUNCH_SUCCESS, PUNCH_TIME};
use super::tracker::{Entry, PunchFailure, Punches, Summary};
use crate::play::verdict::losses::Lost;
use crate::play::verdict::metrics::{LabelsOf, Metrics};
use crate::workload::{Ended, Results};

/// Which hosts reached each other through NATs, and which did not.
pub fn collect(punches: &Punches, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (run, metrics) = (ended.run, &mut *results.metrics);
    let gateways = &run.world.gateways;
    let nats = |entry: &Entry| entry.what.sides.map(|host| gateways.profile(host));
    let summary = punches.summarise(|_| true);
    figures(metrics, &[], &summary);
    // Where all pairs are alike, figures by pair would say the same again.
    let pairs: BTreeSet<[&str; 2]> = punches.measured().map(nats).collect();
    for pair in pairs.iter().filter(|_| pairs.len() > 1) {
        let labels = [("nat_a", pair[0]), ("nat_b", pair[1])];
        let of_pair = punches.summarise(|entry| nats(entry) == *pair);
        figures(metrics, &labels, &of_pair);
    }
    let lost = punches.lost().map(|(number, entry, cause)| Lost {
        item: format!("punch {number}"),
        author: entry.what.sides[0],
        reader: entry.what.sides[1],
        at_ns: entry.start_ns,
        cause: cause.name(),
    });
    results.list(run, &PUNCH_FAILED, lost);
    results.count(&PUNCH_FAILED, &summary.failed, PunchFailure::name);
}

/// Figures of some pairs, under these labels.
fn figures(metrics: &mut Metrics, labels: LabelsOf<'_>, summary: &Summary) {
    let failed = summary.failed.values().sum();
    metrics.samples(&PUNCH_TIME, labels, &summary.times);
    metrics.ratio(&PUNCH_SUCCESS, labels, summary.times.count(), failed);
    metrics.count(&PUNCH_FAILED, labels, failed);
}
