//! What punching holes without nodes has shown.

use std::collections::BTreeSet;

use orrery_reports::record::SeedResult;
use orrery_sim::kernel;

use super::losses::{self, Lost};
use super::metrics::Metrics;
use crate::play::machine::Machines;
use crate::play::punches::{self, Entry as Punch};

/// Which hosts reached each other through NATs, and which did not.
pub fn judge(machines: &Machines, metrics: &mut Metrics, result: &mut SeedResult) {
    let mut state = machines.state();
    if state.punches.is_empty() {
        return;
    }
    state.punches.close(kernel::now().as_nanos());
    let punches = &state.punches;
    let gateways = &machines.world.gateways;
    let nats = |entry: &Punch| entry.sides.map(|host| gateways.profile(host));
    let summary = punches.summarise(|_| true);
    figures(metrics, "", &summary);
    // Where all pairs are alike, figures by pair would say the same again.
    let pairs: BTreeSet<[&str; 2]> = punches.measured().map(nats).collect();
    for pair in pairs.iter().filter(|_| pairs.len() > 1) {
        let labels = format!("{{nat_a={},nat_b={}}}", pair[0], pair[1]);
        let of_pair = punches.summarise(|entry| nats(entry) == *pair);
        figures(metrics, &labels, &of_pair);
    }
    let lost = state.punches.lost().map(|(number, entry, cause)| Lost {
        item: format!("punch {number}"),
        author: entry.sides[0],
        reader: entry.sides[1],
        at_ns: entry.start_ns,
        cause: cause.name(),
    });
    losses::list(machines, result, lost);
    losses::count(
        metrics,
        result,
        "punch.failed",
        &summary.failed,
        punches::Cause::name,
    );
}

/// Figures of some pairs, under these labels.
fn figures(metrics: &mut Metrics, labels: &str, summary: &punches::Summary) {
    let failed = summary.failed.values().sum();
    let key = |name: &str| format!("punch.{name}{labels}");
    metrics.samples(&key("time"), &summary.times);
    metrics.ratio(&key("success"), summary.times.count(), failed);
    metrics.value(&key("failed"), "1", failed as f64);
}
