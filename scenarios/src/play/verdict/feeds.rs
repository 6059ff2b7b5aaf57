//! What became of posts.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use orrery_node::op::OpId;
use orrery_node::store::Store;
use orrery_reports::record::{Invariant, SeedResult};

use super::losses::{self, Lost, UNKNOWN};
use super::metrics::Metrics;
use super::missed;
use crate::play::run::Run;
use crate::workload::feed::metrics::{
    DISK_ACKED_LOST, FEED_DELIVERED, FEED_DELIVERY_LATENCY, FEED_LEAKED, FEED_MISSED_FOREVER,
};
use crate::workload::{FoundOnDisk, Trackers};

/// Which posts have come to their readers, and why others have not; with what must hold in every run.
///
/// # Errors
/// The store on a host's disk cannot be read: nothing is known then.
pub fn collect(
    run: &Run,
    whole: bool,
    trackers: &mut Trackers,
    metrics: &mut Metrics,
    result: &mut SeedResult,
) -> Result<(), String> {
    let lost_by_authors = inspect(run, trackers)?;
    let state = run.state();
    let window_ns = run.scenario.warmup_ns..run.scenario.duration_ns;
    let latencies = state.ledger.latencies(window_ns.clone());
    metrics.samples(&FEED_DELIVERY_LATENCY, &[], &latencies);
    metrics.count(&DISK_ACKED_LOST, &[], lost_by_authors.len() as u64);
    metrics.count(&FEED_LEAKED, &[], state.ledger.leaks() as u64);
    let mut missed = BTreeMap::new();
    let mut delivered = 0;
    for (op, entry, reader, fate) in state.ledger.due(window_ns) {
        if fate.delivered_ns.is_some() || fate.held {
            delivered += 1;
            continue;
        }
        let cause = missed::cause(
            run,
            &state,
            &state.ledger,
            entry,
            reader,
            fate,
            lost_by_authors.contains(&op),
        );
        *missed.entry(cause).or_insert(0) += 1;
        let lost = Lost {
            item: op.to_string(),
            author: entry.author,
            reader,
            at_ns: fate.since_ns,
            cause,
        };
        losses::list(&run.world, result, &FEED_MISSED_FOREVER, iter::once(lost));
    }
    metrics.count(&FEED_DELIVERED, &[], delivered);
    if whole {
        let all = missed.values().sum::<u64>();
        metrics.count(&FEED_MISSED_FOREVER, &[], all);
        losses::count(metrics, result, &FEED_MISSED_FOREVER, &missed, |cause| {
            cause
        });
    } else {
        for (cause, count) in &missed {
            let metric = FEED_MISSED_FOREVER.name;
            result.losses.count(metric, cause, *count);
        }
    }
    let causes = result.losses.causes();
    result.invariants = invariants(&lost_by_authors, state.ledger.leaks(), causes, whole);
    Ok(())
}

fn invariants(
    lost_by_authors: &BTreeSet<OpId>,
    leaks: usize,
    causes: &BTreeMap<String, u64>,
    whole: bool,
) -> Vec<Invariant> {
    let check = |name: &str, broken: Option<String>| Invariant {
        name: name.into(),
        held: broken.is_none(),
        detail: broken,
    };
    let unknown = causes.get(UNKNOWN).copied().unwrap_or(0);
    let mut invariants = vec![
        check(
            "acknowledged-posts-survive",
            lost_by_authors.first().map(|first| {
                format!(
                    "{} acknowledged posts are gone, {first} first",
                    lost_by_authors.len()
                )
            }),
        ),
        check(
            "nothing-leaks",
            (leaks > 0).then(|| format!("{leaks} posts are held by hosts that may not read them")),
        ),
    ];
    if whole {
        let broken = (unknown > 0).then(|| format!("{unknown} losses have no known cause"));
        invariants.push(check("every-loss-has-a-cause", broken));
    }
    invariants
}

/// Pulls every host's plug, and reads from its disk what its node would find
/// at the next start, which trackers are told. Returns the acknowledged posts that authors have lost.
fn inspect(run: &Run, trackers: &mut Trackers) -> Result<BTreeSet<OpId>, String> {
    let mut lost = BTreeSet::new();
    for plan in &run.world.hosts {
        run.testbed.pull_plug(plan.host);
        // Nothing was ever posted or pulled there, and no store made.
        if !run.exchanges_feeds(plan.host) {
            continue;
        }
        let disk = run.testbed.storage(plan.host);
        let read = || -> Result<_, orrery_node::store::StoreError> {
            let store = Store::open(disk.files(), run.keys(plan.host).clone())?;
            let own = store.owned_ops()?.into_iter().map(|(op, _)| op);
            let own: BTreeSet<OpId> = own.collect();
            Ok((
                own,
                store.readable_ops()?.into_iter().collect::<BTreeSet<_>>(),
            ))
        };
        let mut found = None;
        run.testbed.as_host(plan.host, &mut || found = Some(read()));
        let found = found.expect("a testbed calls what it is given");
        let (own, readable) = found.map_err(|error| {
            format!(
                "the disk of {} cannot be read at the end: {error}",
                plan.name
            )
        })?;
        trackers.on_disk(&FoundOnDisk {
            host: plan.host,
            own: &own,
            readable: &readable,
        });
        let mut state = run.state();
        lost.extend(state.ledger.lost_by_author(plan.host, &own));
        state.ledger.found(plan.host, &readable);
    }
    Ok(lost)
}
