//! What flows have shown.

use std::collections::BTreeSet;

use super::metrics::{
    FLOW_COMPLETION, FLOW_CONNECT, FLOW_FAILED, FLOW_FAIRNESS, FLOW_GOODPUT, FLOW_RETRANSMITS,
    FLOW_STALL, FLOW_SUCCESS, FLOW_TIMEOUTS,
};
use super::tracker::{Entry, FlowFailure, Flows};
use crate::play::verdict::losses::Lost;
use crate::workload::{Ended, Results};

/// What flows did, and those that were lost.
pub fn collect(flows: &Flows, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (run, metrics) = (ended.run, &mut *results.metrics);
    let summary = flows.summarise();
    metrics.samples(&FLOW_CONNECT, &[], &summary.connects);
    metrics.samples(&FLOW_COMPLETION, &[], &summary.completions);
    metrics.samples(&FLOW_STALL, &[], &summary.stalls);
    let failed = summary.failed.values().sum();
    metrics.ratio(&FLOW_SUCCESS, &[], summary.delivered, failed);
    metrics.count(&FLOW_FAILED, &[], failed);
    metrics.count(&FLOW_RETRANSMITS, &[], summary.retransmits);
    metrics.count(&FLOW_TIMEOUTS, &[], summary.timeouts);
    if let Some(index) = summary.fairness {
        metrics.value(&FLOW_FAIRNESS, &[], index);
    }
    let group = |host: u32| run.scenario.group_of(host).name.as_str();
    let ends: BTreeSet<(&str, &str)> = flows
        .pairs()
        .map(|(from, to)| (group(from), group(to)))
        .collect();
    if let Some(bps) = flows.goodput(|_| true) {
        metrics.value(&FLOW_GOODPUT, &[], bps);
    }
    for (from, to) in ends {
        let between = |entry: &Entry| (group(entry.from), group(entry.to)) == (from, to);
        if let Some(bps) = flows.goodput(between) {
            metrics.value(&FLOW_GOODPUT, &[("from", from), ("to", to)], bps);
        }
    }
    let lost = flows.lost().map(|(number, entry, cause)| Lost {
        item: format!("flow {number}"),
        author: entry.from,
        reader: entry.to,
        at_ns: entry.start_ns,
        cause: cause.name(),
    });
    results.list(run, &FLOW_FAILED, lost);
    results.count(&FLOW_FAILED, &summary.failed, FlowFailure::name);
}
