//! What punching holes without nodes has shown.

use std::collections::BTreeSet;

use super::tracker::{Cause, Entry, Punches, Summary};
use crate::play::verdict::losses::Lost;
use crate::play::verdict::metrics::Metrics;
use crate::workload::{Ended, Results};

/// Which hosts reached each other through NATs, and which did not.
pub fn collect(punches: &Punches, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (machines, metrics) = (ended.machines, &mut *results.metrics);
    let gateways = &machines.world.gateways;
    let nats = |entry: &Entry| entry.what.sides.map(|host| gateways.profile(host));
    let summary = punches.summarise(|_| true);
    figures(metrics, "", &summary);
    // Where all pairs are alike, figures by pair would say the same again.
    let pairs: BTreeSet<[&str; 2]> = punches.measured().map(nats).collect();
    for pair in pairs.iter().filter(|_| pairs.len() > 1) {
        let labels = format!("{{nat_a={},nat_b={}}}", pair[0], pair[1]);
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
    results.list(machines, lost);
    results.count("punch.failed", &summary.failed, Cause::name);
}

/// Figures of some pairs, under these labels.
fn figures(metrics: &mut Metrics, labels: &str, summary: &Summary) {
    let failed = summary.failed.values().sum();
    let key = |name: &str| format!("punch.{name}{labels}");
    metrics.samples(&key("time"), &summary.times);
    metrics.ratio(&key("success"), summary.times.count(), failed);
    metrics.value(&key("failed"), "1", failed as f64);
}
