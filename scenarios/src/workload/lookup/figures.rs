//! What look-ups have shown.

use std::collections::BTreeMap;

use super::metrics::{
    LOOKUP_CONNECTIONS, LOOKUP_DEPTH, LOOKUP_FAILED, LOOKUP_HOPS, LOOKUP_LATENCY, LOOKUP_MESSAGES,
    LOOKUP_SUCCESS,
};
use super::tracker::{LookupFailure, Lookups};
use crate::play::verdict::losses::Lost;
use crate::workload::{Ended, Results};

/// What look-ups did, and those that failed.
pub fn collect(lookups: &Lookups, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (run, metrics) = (ended.run, &mut *results.metrics);
    let summary = lookups.summarise();
    metrics.samples(&LOOKUP_LATENCY, &[], &summary.latencies);
    for (sought, hops) in &lookups.hops {
        let sought = sought.map(|sought| ("sought", sought));
        metrics.samples(&LOOKUP_HOPS, sought.as_slice(), hops);
    }
    for (to, depths) in &lookups.depths_to {
        metrics.samples(&LOOKUP_DEPTH, &[("to", to)], depths);
    }
    metrics.samples(&LOOKUP_MESSAGES, &[], &lookups.messages);
    metrics.samples(&LOOKUP_CONNECTIONS, &[], &lookups.connections);
    let group = |host: u32| run.scenario.group_of(host).name.as_str();
    let mut by_groups: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    let mut all = (0, 0);
    for ((from, whom), (found, failed)) in &summary.by_pair {
        let of = by_groups.entry((group(*from), group(*whom))).or_default();
        *of = (of.0 + found, of.1 + failed);
        all = (all.0 + found, all.1 + failed);
    }
    metrics.ratio(&LOOKUP_SUCCESS, &[], all.0, all.1);
    for ((from, to), (found, failed)) in by_groups {
        let labels = [("from", from), ("to", to)];
        metrics.ratio(&LOOKUP_SUCCESS, &labels, found, failed);
    }
    metrics.count(&LOOKUP_FAILED, &[], all.1);
    let lost = lookups.lost().map(|(number, entry, cause)| Lost {
        item: format!("look-up {number}"),
        author: entry.what.whom,
        reader: entry.what.from,
        at_ns: entry.start_ns,
        cause: cause.name(),
    });
    results.list(run, &LOOKUP_FAILED, lost);
    results.count(&LOOKUP_FAILED, &summary.failed, LookupFailure::name);
}
