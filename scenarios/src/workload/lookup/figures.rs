//! What look-ups have shown.

use std::collections::BTreeMap;

use super::tracker::{Cause, Lookups};
use crate::play::verdict::losses::Lost;
use crate::workload::{Ended, Results};

/// What look-ups did, and those that failed.
pub fn collect(lookups: &Lookups, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (machines, metrics) = (ended.machines, &mut *results.metrics);
    let summary = lookups.summarise();
    metrics.samples("lookup.latency", &summary.latencies);
    for (sought, hops) in &lookups.hops {
        let name = match sought {
            None => "lookup.hops".to_owned(),
            Some(sought) => format!("lookup.hops{{sought={sought}}}"),
        };
        metrics.samples(&name, hops);
    }
    for (to, depths) in &lookups.depths_to {
        metrics.samples(&format!("lookup.depth{{to={to}}}"), depths);
    }
    metrics.samples("lookup.messages", &lookups.messages);
    metrics.samples("lookup.connections", &lookups.connections);
    let group = |host: u32| machines.scenario.group_of(host).name.as_str();
    let mut by_groups: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    let mut all = (0, 0);
    for ((from, whom), (found, failed)) in &summary.by_pair {
        let of = by_groups.entry((group(*from), group(*whom))).or_default();
        *of = (of.0 + found, of.1 + failed);
        all = (all.0 + found, all.1 + failed);
    }
    metrics.ratio("lookup.success", all.0, all.1);
    for ((from, to), (found, failed)) in by_groups {
        let name = format!("lookup.success{{from={from},to={to}}}");
        metrics.ratio(&name, found, failed);
    }
    metrics.value("lookup.failed", "1", all.1 as f64);
    let lost = lookups.lost().map(|(number, entry, cause)| Lost {
        item: format!("look-up {number}"),
        author: entry.what.whom,
        reader: entry.what.from,
        at_ns: entry.start_ns,
        cause: cause.name(),
    });
    results.list(machines, lost);
    results.count("lookup.failed", &summary.failed, Cause::name);
}
