//! What a run has shown: metrics, losses with their causes, faults and invariants.

mod feeds;
pub mod losses;
pub mod metrics;
pub mod missed;
#[cfg(test)]
mod provoked;
mod relays;

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_reports::record::{Fault, SeedResult};

use super::conditions;
use super::node_counters::{self, NODE_COUNTERS, counter};
use super::run::{Run, State};
use crate::failure::Failure;
use crate::format::scenario::group::Group;
use crate::job::{Job, Played};
use crate::metrics::node::{
    NODE_CONNECTIONS, NODE_FRIENDS_QUESTIONS, NODE_NEIGHBOURS_TIME, PING_RTT,
};
use crate::metrics::world::{
    NET_BYTES, NET_DROPS, NET_HOST_RATE, NET_PACKETS, NET_RUN_BYTES, NET_RUN_DROPS, NET_RUN_PACKETS,
};
use crate::program::running;
use crate::testbed::Traffic;
use crate::workload::feed::metrics::{FEED_REFUSED, PULL_LATENCY, PULL_SUCCESS};
use crate::workload::not_done::{NotDone, Reason};
use crate::workload::{self, Ended, Results};
use crate::world::Step;
use metrics::Metrics;

/// Names of stalled hosts in a failure's text.
const STALLED_NAMED_MAX: usize = 5;

/// Judges a run that has ended, or `failed` on its way.
pub fn collect(run: &Arc<Run>, job: &Job, failed: bool) -> Played {
    let mut failure = None;
    conditions::count_rest(run);
    let mut result = SeedResult {
        faults: faults(run, job.end_ns()),
        ..SeedResult::default()
    };
    let whole = job.end_ns() == run.scenario.end_ns();
    let mut metrics = Metrics::new(run.scenario.kinds());
    if let Some(traffic) = run.testbed.traffic() {
        network(run, &traffic, &mut metrics);
    }
    told(run, &mut metrics);
    relays::collect(run, &mut metrics);
    if !failed && whole {
        failure = stalled(run);
    }
    let mut state = run.state();
    state.settle_links();
    let mut trackers = std::mem::take(&mut state.trackers);
    let mut results = Results {
        metrics: &mut metrics,
        result: &mut result,
    };
    trackers.collect(&ended(run, &state, job, failed), &mut results);
    let mut not_done = state.not_done.clone();
    drop(state);
    trackers.add_not_done(&mut not_done);
    asked_in_vain(run, not_done, &mut metrics);
    running::collect(run, &mut metrics, &mut result);
    if !failed {
        let judged = feeds::collect(run, whole, &mut trackers, &mut metrics, &mut result);
        failure = judged.map_or_else(|why| Some(Failure::Unplayed { why }), |()| failure);
        let state = run.state();
        let mut results = Results {
            metrics: &mut metrics,
            result: &mut result,
        };
        trackers.judge(&ended(run, &state, job, failed), &mut results);
    }
    result.metrics = metrics.all;
    Played { result, failure }
}

fn ended<'a>(run: &'a Run, state: &'a State, job: &Job, failed: bool) -> Ended<'a> {
    Ended {
        run,
        state,
        now_ns: run.now_ns(),
        end_ns: job.end_ns(),
        failed,
    }
}

/// What became of the faults; of a run that is cut short, of those that were to begin before `end_ns`.
fn faults(run: &Run, end_ns: u64) -> Vec<Fault> {
    let is_cut = end_ns < run.scenario.end_ns();
    let mut declared = vec![0; run.scenario.faults.len()];
    for (at_ns, step) in &run.world.steps {
        if let Step::Fault { fault, change } = step
            && (!is_cut || *at_ns < end_ns)
        {
            declared[*fault] += u64::from(change.is_effect());
        }
    }
    let state = run.state();
    run.scenario
        .faults
        .iter()
        .enumerate()
        .filter(|(place, _)| !is_cut || declared[*place] > 0)
        .map(|(place, fault)| Fault {
            kind: format!("{}#{}", fault.kind(), place + 1).into(),
            declared: declared[place],
            fired: state.fired[place],
        })
        .collect()
}

/// What the wires carried, which is `whole` by now.
fn network(run: &Run, whole: &Traffic, metrics: &mut Metrics) {
    let measured = run.state().traffic.within(whole);
    let hosts = run.world.hosts.len() as f64;
    let scenario = &run.scenario;
    let end_ns = run.now_ns().min(scenario.duration_ns);
    let measured_ns = end_ns.saturating_sub(scenario.warmup_ns);
    if measured_ns > 0 {
        let bits = 8.0 * measured.bytes as f64;
        let rate = bits / hosts / (measured_ns as f64 / 1e9);
        metrics.value(&NET_HOST_RATE, &[], rate);
    }
    for (traffic, bytes, packets, drops) in [
        (&measured, &NET_BYTES, &NET_PACKETS, &NET_DROPS),
        (whole, &NET_RUN_BYTES, &NET_RUN_PACKETS, &NET_RUN_DROPS),
    ] {
        metrics.count(bytes, &[], traffic.bytes);
        metrics.count(packets, &[], traffic.packets);
        metrics.count(drops, &[], traffic.drops.values().sum::<u64>());
        for (reason, count) in &traffic.drops {
            metrics.count(drops, &[("reason", reason)], *count);
        }
    }
}

/// What nodes told of themselves.
fn told(run: &Run, metrics: &mut Metrics) {
    let state = run.state();
    let counters = &state.counters;
    state.presence.collect(run.now_ns(), metrics);
    metrics.count(&NODE_CONNECTIONS, &[], counters.connections_max.into());
    metrics.count(&FEED_REFUSED, &[], counters.refused);
    metrics.samples(&PULL_LATENCY, &[], &counters.pulls);
    metrics.ratio(
        &PULL_SUCCESS,
        &[],
        counters.pulls.count(),
        counters.pulls_failed,
    );
    let neighbourhood = &state.neighbourhood;
    metrics.samples(&NODE_NEIGHBOURS_TIME, &[], &neighbourhood.times);
    state.measured.collect(&run.configs(), metrics);
    if run.asks_friends() {
        let nodes = state.nodes.iter().flatten();
        let questions: u64 = nodes
            .map(|node| counter(node, "friends-questions-sent"))
            .sum();
        metrics.count(&NODE_FRIENDS_QUESTIONS, &[], questions);
    }
    if run.scenario.groups.iter().any(Group::has_node) {
        for (metric, counter) in &NODE_COUNTERS {
            let nodes = state.nodes.iter().flatten();
            let now: u64 = nodes
                .map(|node| node_counters::counter(node, counter))
                .sum();
            let before = counters.of_ended_nodes.get(counter).copied().unwrap_or(0);
            metrics.count(metric, &[], now + before);
        }
    }
    metrics.samples(&PING_RTT, &[], &counters.pings);
    for (from, ends) in &counters.pings_between {
        for (to, recorder) in ends {
            metrics.samples(&PING_RTT, &[("from", from), ("to", to)], recorder);
        }
    }
}

/// Hosts that still pulled something new, or could not pull, when the drain ended.
fn stalled(run: &Run) -> Option<Failure> {
    if run.scenario.drain_ns == 0 {
        return None;
    }
    let drained = run.state().drained.clone();
    let hosts = run.world.hosts.iter();
    let (names, undrained): (Vec<&str>, Vec<u32>) = hosts
        .filter(|plan| !drained.contains(&plan.host))
        .map(|plan| (plan.name.as_str(), plan.host))
        .unzip();
    let (first, _) = names
        .split_at_checked(STALLED_NAMED_MAX)
        .unwrap_or((&names, &[]));
    (!names.is_empty()).then(|| Failure::Stalled {
        undrained: names.len(),
        hosts: run.world.hosts.len(),
        first: first.iter().map(|&name| name.to_owned()).collect(),
        outlook: run.outlook(&undrained),
    })
}

/// What was asked of hosts and not done, of all workloads together: counts by workload and reason.
///
/// Every workload of the scenario has a count, 0 included, so that no seed lacks the figure.
fn asked_in_vain(run: &Run, mut not_done: NotDone, metrics: &mut Metrics) {
    for (place, count) in &run.world.in_vain {
        let kind = run.scenario.workloads[*place].action.kind();
        not_done.add_many(kind, Reason::NoFriends, *count);
    }
    let kinds = run.scenario.workload_kinds();
    for kind in workload::kinds().filter(|kind| kinds.contains(&kind.name)) {
        let reasons: BTreeMap<Reason, u64> = not_done.of(kind.name).collect();
        metrics.count(kind.not_done, &[], reasons.values().sum());
        for (reason, count) in reasons {
            metrics.count(kind.not_done, &[("reason", reason.name())], count);
        }
    }
}
