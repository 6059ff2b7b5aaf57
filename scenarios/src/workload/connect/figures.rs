//! What a run has shown of reaching others: figures, by NAT pair too, and losses with their causes.

use std::collections::{BTreeMap, BTreeSet};

use super::tracker::{Attempt, Cause, Connects, Summary, summarise};
use crate::play::verdict::losses::Lost;
use crate::play::verdict::metrics::Metrics;
use crate::workload::{Ended, Results};
use orrery_node::api::{Path, Transport};

/// Notes what came of reaching others, and what was lost.
pub fn collect(connects: &Connects, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (machines, metrics) = (ended.machines, &mut *results.metrics);
    metrics.value("holepunch.attempts", "1", connects.punches as f64);
    let first = connects.punched.get(&1).copied().unwrap_or(0);
    let later = connects.punched.values().sum::<u64>() - first;
    metrics.ratio("holepunch.first", first, later);
    let nats = |attempt: &Attempt| (machines.nat(attempt.from), machines.nat(attempt.to));
    let measured = || {
        let attempts = connects.all();
        attempts.filter(|(_, attempt)| machines.is_measured(attempt.at_ns))
    };
    let pairs: BTreeSet<(&str, &str)> = measured().map(|(_, attempt)| nats(attempt)).collect();
    let all = summarise(measured().map(|(_, attempt)| attempt));
    figures(metrics, "", &all);
    // Where all pairs are alike, figures by pair would say the same again.
    if pairs.len() > 1 {
        for pair in pairs {
            let of_pair = measured().map(|(_, attempt)| attempt);
            let summary = summarise(of_pair.filter(|attempt| nats(attempt) == pair));
            figures(
                metrics,
                &format!("nat_a={},nat_b={}", pair.0, pair.1),
                &summary,
            );
        }
    }
    let lost =
        measured().filter_map(|(number, attempt)| Some((number, attempt, attempt.failure()?)));
    let lost = lost.map(|(number, attempt, cause)| Lost {
        item: format!("connection {number}"),
        author: attempt.from,
        reader: attempt.to,
        at_ns: attempt.at_ns,
        cause: cause.name(),
    });
    results.list(machines, lost);
    results.count("connect.failed", &all.failed, Cause::name);
}

/// Figures of some attempts to reach others, under these labels.
fn figures(metrics: &mut Metrics, labels: &str, summary: &Summary) {
    let key = |name: &str, more: &str| {
        let both = [labels, more].into_iter().filter(|part| !part.is_empty());
        let both = both.collect::<Vec<_>>().join(",");
        if both.is_empty() {
            name.to_owned()
        } else {
            format!("{name}{{{both}}}")
        }
    };
    let failed = summary.failed.values().sum();
    let attempts = summary.succeeded + failed;
    metrics.ratio(&key("connect.success", ""), summary.succeeded, failed);
    metrics.value(&key("connect.failed", ""), "1", failed as f64);
    metrics.samples(&key("connect.time", ""), &summary.times);
    for (path, name) in [
        (Path::Direct, "path=direct"),
        (Path::HolePunched, "path=hole-punched"),
        (Path::Relayed, "path=relayed"),
    ] {
        let by_it = summary.paths.get(&path).copied().unwrap_or(0);
        metrics.ratio(&key("connect.path", name), by_it, attempts - by_it);
    }
    let punched: u64 = summary.punched.values().sum();
    for transport in [Transport::Circuit, Transport::Quic, Transport::Tcp] {
        let label = format!("transport={}", transport.name());
        let of = |counts: &BTreeMap<Transport, u64>| counts.get(&transport).copied().unwrap_or(0);
        let by_it = of(&summary.transports);
        metrics.ratio(&key("connect.transport", &label), by_it, attempts - by_it);
        if let Some(times) = summary.times_by_transport.get(&transport) {
            metrics.samples(&key("connect.time", &label), times);
        }
        if punched > 0 && transport != Transport::Circuit {
            let by_it = of(&summary.punched);
            metrics.ratio(&key("holepunch.transport", &label), by_it, punched - by_it);
        }
    }
}
