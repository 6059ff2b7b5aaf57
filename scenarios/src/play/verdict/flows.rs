//! What flows have shown.

use std::collections::BTreeSet;

use orrery_reports::record::SeedResult;
use orrery_sim::kernel;

use super::losses::{self, Lost};
use super::metrics::Metrics;
use crate::play::flows::{Cause, Entry as Flow};
use crate::play::machine::Machines;

/// What flows did, and those that were lost.
pub fn judge(machines: &Machines, metrics: &mut Metrics, result: &mut SeedResult) {
    let mut state = machines.state();
    if state.flows.is_empty() {
        return;
    }
    state.flows.close(kernel::now().as_nanos());
    let flows = &state.flows;
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
        let between = |entry: &Flow| (group(entry.from), group(entry.to)) == (from, to);
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
    losses::list(machines, result, lost);
    losses::count(metrics, result, "flow.failed", &summary.failed, Cause::name);
}
