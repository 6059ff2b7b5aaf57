//! What a run has shown of reaching others: figures, by NAT pair too, and losses with their causes.

use std::collections::{BTreeMap, BTreeSet};

use super::metrics::{
    CONNECT_FAILED, CONNECT_PATH, CONNECT_SUCCESS, CONNECT_TIME, CONNECT_TRANSPORT,
    HOLEPUNCH_ATTEMPTS, HOLEPUNCH_FIRST, HOLEPUNCH_TRANSPORT,
};
use super::tracker::{Attempt, ConnectFailure, Connects, Summary, summarise};
use crate::play::verdict::losses::Lost;
use crate::play::verdict::metrics::{LabelsOf, Metrics};
use crate::workload::{Ended, Results};
use orrery_node::api::{Path, Transport};

/// Notes what came of reaching others, and what was lost.
pub fn collect(connects: &Connects, ended: &Ended<'_>, results: &mut Results<'_>) {
    let (run, metrics) = (ended.run, &mut *results.metrics);
    metrics.count(&HOLEPUNCH_ATTEMPTS, &[], connects.punches);
    let first = connects.punched.get(&1).copied().unwrap_or(0);
    let later = connects.punched.values().sum::<u64>() - first;
    metrics.ratio(&HOLEPUNCH_FIRST, &[], first, later);
    let nats = |attempt: &Attempt| (run.nat(attempt.from), run.nat(attempt.to));
    let measured = || {
        let attempts = connects.all();
        attempts.filter(|(_, attempt)| run.is_measured(attempt.at_ns))
    };
    let pairs: BTreeSet<(&str, &str)> = measured().map(|(_, attempt)| nats(attempt)).collect();
    let all = summarise(measured().map(|(_, attempt)| attempt));
    figures(metrics, &[], &all);
    // Where all pairs are alike, figures by pair would say the same again.
    if pairs.len() > 1 {
        for pair in pairs {
            let of_pair = measured().map(|(_, attempt)| attempt);
            let summary = summarise(of_pair.filter(|attempt| nats(attempt) == pair));
            figures(metrics, &[("nat_a", pair.0), ("nat_b", pair.1)], &summary);
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
    results.list(run, &CONNECT_FAILED, lost);
    results.count(&CONNECT_FAILED, &all.failed, ConnectFailure::name);
}

/// Figures of some attempts to reach others, under these labels.
fn figures(metrics: &mut Metrics, labels: LabelsOf<'_>, summary: &Summary) {
    let failed = summary.failed.values().sum();
    let attempts = summary.succeeded + failed;
    metrics.ratio(&CONNECT_SUCCESS, labels, summary.succeeded, failed);
    metrics.count(&CONNECT_FAILED, labels, failed);
    metrics.samples(&CONNECT_TIME, labels, &summary.times);
    for (path, name) in [
        (Path::Direct, "direct"),
        (Path::HolePunched, "hole-punched"),
        (Path::Relayed, "relayed"),
    ] {
        let by_it = summary.paths.get(&path).copied().unwrap_or(0);
        let labels = [labels, &[("path", name)]].concat();
        metrics.ratio(&CONNECT_PATH, &labels, by_it, attempts - by_it);
    }
    let punched: u64 = summary.punched.values().sum();
    for transport in [Transport::Circuit, Transport::Quic, Transport::Tcp] {
        let labels = [labels, &[("transport", transport.name())]].concat();
        let of = |counts: &BTreeMap<Transport, u64>| counts.get(&transport).copied().unwrap_or(0);
        let by_it = of(&summary.transports);
        metrics.ratio(&CONNECT_TRANSPORT, &labels, by_it, attempts - by_it);
        if let Some(times) = summary.times_by_transport.get(&transport) {
            metrics.samples(&CONNECT_TIME, &labels, times);
        }
        if punched > 0 && transport != Transport::Circuit {
            let by_it = of(&summary.punched);
            metrics.ratio(&HOLEPUNCH_TRANSPORT, &labels, by_it, punched - by_it);
        }
    }
}
