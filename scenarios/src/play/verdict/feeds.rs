//! What became of posts.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use orrery_node::engine::Engine;
use orrery_node::store::Store;
use orrery_reports::record::{Invariant, SeedResult};
use orrery_sim::{HostId, kernel};

use super::losses::{self, Lost};
use super::metrics::Metrics;
use crate::play::fates::UNKNOWN;
use crate::play::ledger::{Entry, Fate};
use crate::play::machine::{Machines, State};

/// Which posts have come to their readers, and why others have not; with what must hold in every run.
pub fn judge(machines: &Machines, whole: bool, metrics: &mut Metrics, result: &mut SeedResult) {
    let lost_by_authors = match inspect(machines) {
        Ok(lost) => lost,
        Err(error) => {
            result.failure = Some(error);
            return;
        }
    };
    let state = machines.state();
    let window_ns = machines.scenario.warmup_ns..machines.scenario.duration_ns;
    metrics.samples(
        "feed.delivery.latency",
        &state.ledger.latencies(window_ns.clone()),
    );
    metrics.count("disk.acked_lost", lost_by_authors.len());
    metrics.count("feed.leaked", state.ledger.leaks());
    let mut missed = 0;
    let mut delivered = 0;
    for (op, entry, reader, fate) in state.ledger.due(window_ns) {
        if fate.delivered_ns.is_some() || fate.held {
            delivered += 1;
            continue;
        }
        let cause = cause(
            machines,
            &state,
            entry,
            reader,
            fate,
            lost_by_authors.contains(op),
        );
        missed += 1;
        losses::add(result, cause, 1);
        let lost = Lost {
            item: op.clone(),
            author: entry.author,
            reader,
            at_ns: fate.since_ns,
            cause,
        };
        losses::list(machines, result, iter::once(lost));
    }
    metrics.count("feed.delivered", delivered);
    if whole {
        metrics.count("feed.missed_forever", missed);
    }
    let causes = &result.loss_causes;
    result.invariants = invariants(&lost_by_authors, state.ledger.leaks(), causes, whole);
    // Losses that are all listed need no counts.
    if causes.values().sum::<u64>() == result.losses.len() as u64 {
        result.loss_causes.clear();
    }
}

fn invariants(
    lost_by_authors: &BTreeSet<String>,
    leaks: usize,
    causes: &BTreeMap<String, u64>,
    whole: bool,
) -> Vec<Invariant> {
    let check = |name: &str, broken: Option<String>| Invariant {
        name: name.to_owned(),
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

/// Why a post is not at a reader.
fn cause(
    machines: &Machines,
    state: &State,
    entry: &Entry,
    reader: u32,
    fate: Fate,
    lost_by_author: bool,
) -> &'static str {
    if lost_by_author {
        return "lost-by-author";
    }
    if state.nodes[reader as usize].is_none() {
        return "reader-down";
    }
    let behind = state
        .ledger
        .highest_stamp_ms(entry.author, reader)
        .is_some_and(|highest| entry.stamp_ms <= highest);
    if machines.engine(reader) == Some(Engine::AfterTs) && behind {
        return if fate.since_ns > entry.created_ns {
            "granted-behind-timestamp"
        } else {
            "stamped-behind-timestamp"
        };
    }
    if !state.drained.contains(&reader) {
        return "reader-not-drained";
    }
    UNKNOWN
}

/// Pulls every machine's plug, and reads from its disk what its node would find
/// at the next start. Returns the acknowledged posts that authors have lost.
fn inspect(machines: &Machines) -> Result<BTreeSet<String>, String> {
    let mut lost = BTreeSet::new();
    for plan in &machines.world.hosts {
        machines.testbed.pull_plug(plan.host);
        // Nothing was ever posted or pulled there, and no store made.
        if !machines.exchanges_feeds(plan.host) {
            continue;
        }
        let disk = machines.testbed.storage(plan.host);
        let read = || -> Result<_, orrery_node::store::StoreError> {
            let store = Store::open(disk.files(), machines.keys(plan.host).clone())?;
            let own: BTreeSet<String> = store
                .owned_ops()?
                .into_iter()
                .map(|(op, _)| op.to_string())
                .collect();
            let readable = store
                .timeline(u32::MAX, None)?
                .into_iter()
                .map(|post| post.op);
            Ok((own, readable.collect::<BTreeSet<String>>()))
        };
        let mut found = None;
        machines
            .testbed
            .as_machine(plan.host, &mut || found = Some(read()));
        let found = found.expect("a testbed calls what it is given");
        let (own, readable) = found.map_err(|error| {
            format!(
                "the disk of {} cannot be read at the end: {error}",
                plan.name
            )
        })?;
        let mut state = machines.state();
        lost.extend(state.ledger.lost_by_author(plan.host, &own));
        state.ledger.found(plan.host, &readable);
    }
    debug_assert!(kernel::running_host() == HostId::NONE);
    Ok(lost)
}
