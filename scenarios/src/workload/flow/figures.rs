//! What flows have shown.

use std::collections::BTreeSet;

use super::tracker::{Cause, Entry, Flows};
use crate::play::verdict::losses::Lost;
use crate::workload::{Ended, Results};

/// What flows did, and those that were lost.
pub fn collect(flows: &Flows, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (machines, metrics) = (ended.machines, &mut *results.metrics);
    let summary = flows.summarise();
    metrics.samples("flow.connect", &summary.connects);
    metrics.samples("flow.completion", &summary.completions);
    metrics.samples("flow.stall", &summary.stalls);
    let failed = summary.failed.values().sum();
    metrics.ratio("flow.success", summary.delivered, failed);
    metrics.value("flow.failed", "1", failed as f64);
    metrics.value("flow.retransmits", "1", summary.retransmits as f64);
    metrics.value("flow.timeouts", "1", summary.timeouts as f64);
    if let Some(index) = summary.fairness {
        metrics.value("flow.fairness", "ratio", index);
    }
    let group = |host: u32| machines.scenario.group_of(host).name.as_str();
    let ends: BTreeSet<(&str, &str)> = flows
        .pairs()
        .map(|(from, to)| (group(from), group(to)))
        .collect();
    if let Some(bps) = flows.goodput(|_| true) {
        metrics.value("flow.goodput", "bit/s", bps);
    }
    for (from, to) in ends {
        let between = |entry: &Entry| (group(entry.from), group(entry.to)) == (from, to);
        if let Some(bps) = flows.goodput(between) {
            let name = format!("flow.goodput{{from={from},to={to}}}");
            metrics.value(&name, "bit/s", bps);
        }
    }
    let lost = flows.lost().map(|(number, entry, cause)| Lost {
        item: format!("flow {number}"),
        author: entry.from,
        reader: entry.to,
        at_ns: entry.start_ns,
        cause: cause.name(),
    });
    results.list(machines, lost);
    results.count("flow.failed", &summary.failed, Cause::name);
}
