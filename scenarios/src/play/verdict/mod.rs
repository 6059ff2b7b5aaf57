//! What a run has shown: metrics, losses with their causes, faults and invariants.

mod feeds;
mod hostile;
pub mod losses;
pub mod metrics;
#[cfg(test)]
mod provoked;
mod relays;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orrery_reports::record::{Fault, SeedResult};
use orrery_sim::{HostId, kernel, net};

use super::conditions;
use super::machine::Machines;
use super::steps::{self, counter};
use crate::engine::{self, Failure, Job, Played};
use crate::format::scenario::group::Group;
use crate::workload::not_done::{NotDone, Reason};
use crate::workload::{Ended, Results};
use crate::world::Step;
pub use feeds::MEANINGS as MISSED_MEANINGS;
use metrics::Metrics;

/// Metrics that are counters of nodes, over all their lives.
pub const NODE_COUNTERS: [(&str, &str); 2] = [
    ("node.crossing_dials", "crossing-dials"),
    ("node.second_dials", "second-dials"),
];

/// Names of stalled machines in a failure's text.
const STALLED_NAMED_MAX: usize = 5;

/// Judges a run that has ended, or `failed` on its way.
pub fn judge(machines: &Arc<Machines>, job: &Job, failed: bool) -> Played {
    let mut failure = None;
    conditions::count_rest(machines);
    let mut result = SeedResult {
        faults: faults(machines),
        ..SeedResult::default()
    };
    let whole = job.end_ns() == machines.scenario.end_ns();
    let mut metrics = Metrics::new(machines.scenario.workload_kinds());
    // No other engine tells what its wires carried.
    if job.engine == engine::Engine::Sim {
        network(machines, &mut metrics);
    }
    told(machines, &mut metrics);
    relays::judge(machines, &mut metrics);
    if !failed && whole {
        failure = stalled(machines);
    }
    let mut state = machines.state();
    state.settle_links();
    let mut trackers = std::mem::take(&mut state.trackers);
    let ended = Ended {
        machines,
        state: &state,
        now_ns: kernel::now().as_nanos(),
        end_ns: job.end_ns(),
        failed,
    };
    let mut results = Results {
        metrics: &mut metrics,
        result: &mut result,
    };
    trackers.collect(&ended, &mut results);
    let mut not_done = state.not_done.clone();
    drop(state);
    trackers.add_not_done(&mut not_done);
    asked_in_vain(machines, not_done, &mut metrics);
    hostile::judge(machines, &mut metrics, &mut result);
    if !failed {
        let judged = feeds::judge(machines, whole, &mut metrics, &mut result);
        failure = judged.map_or_else(|why| Some(Failure::Unplayed { why }), |()| failure);
    }
    result.metrics = metrics.all;
    Played { result, failure }
}

fn faults(machines: &Machines) -> Vec<Fault> {
    let mut declared = vec![0; machines.scenario.faults.len()];
    for (_, step) in &machines.world.steps {
        if let Step::Fault { fault, change } = step {
            declared[*fault] += u64::from(change.is_effect());
        }
    }
    let state = machines.state();
    machines
        .scenario
        .faults
        .iter()
        .enumerate()
        .map(|(place, fault)| Fault {
            kind: format!("{}#{}", fault.kind(), place + 1),
            declared: declared[place],
            fired: state.fired[place],
        })
        .collect()
}

fn network(machines: &Machines, metrics: &mut Metrics) {
    let (mut bytes, mut packets) = (0, 0);
    for plan in &machines.world.hosts {
        let traffic = net::traffic(HostId(plan.host));
        bytes += traffic.sent_bytes;
        packets += traffic.sent_packets;
    }
    metrics.value("net.bytes", "B", bytes as f64);
    metrics.value("net.packets", "1", packets as f64);
    let drops = net::drops();
    metrics.value("net.drops", "1", drops.values().sum::<u64>() as f64);
    for (reason, count) in drops {
        metrics.value(&format!("net.drops{{reason={reason}}}"), "1", count as f64);
    }
}

/// What nodes told of themselves.
fn told(machines: &Machines, metrics: &mut Metrics) {
    let state = machines.state();
    let tally = &state.tally;
    metrics.value("node.connections", "1", f64::from(tally.connections_max));
    metrics.value("feed.refused", "1", tally.refused as f64);
    metrics.samples("pull.latency", &tally.pulls);
    metrics.ratio("pull.success", tally.pulls.count(), tally.pulls_failed);
    let neighbourhood = &state.neighbourhood;
    metrics.samples("node.neighbours.time", &neighbourhood.times);
    if machines
        .scenario
        .groups
        .iter()
        .any(|group| group.lan.is_some() || group.interfaces.iter().any(|it| it.lan.is_some()))
    {
        metrics.value("node.neighbours.gone", "1", neighbourhood.gone as f64);
    }
    if machines.asks_friends() {
        let nodes = state.nodes.iter().flatten();
        let questions: u64 = nodes
            .map(|node| counter(node, "friends-questions-sent"))
            .sum();
        metrics.value("node.friends.questions", "1", questions as f64);
    }
    if machines.scenario.groups.iter().any(Group::has_node) {
        for (name, counter) in NODE_COUNTERS {
            let nodes = state.nodes.iter().flatten();
            let now: u64 = nodes.map(|node| steps::counter(node, counter)).sum();
            let before = tally.of_ended_nodes.get(counter).copied().unwrap_or(0);
            metrics.value(name, "1", (now + before) as f64);
        }
    }
    for (ends, recorder) in &tally.pings {
        let name = match ends {
            None => "ping.rtt".to_owned(),
            Some((from, to)) => format!("ping.rtt{{from={from},to={to}}}"),
        };
        metrics.samples(&name, recorder);
    }
}

/// Machines that still pulled something new, or could not pull, when the drain ended.
fn stalled(machines: &Machines) -> Option<Failure> {
    if machines.scenario.drain_ns == 0 {
        return None;
    }
    let drained = machines.state().drained.clone();
    let hosts = machines.world.hosts.iter();
    let (names, undrained): (Vec<&str>, Vec<u32>) = hosts
        .filter(|plan| !drained.contains(&plan.host))
        .map(|plan| (plan.name.as_str(), plan.host))
        .unzip();
    let (first, _) = names
        .split_at_checked(STALLED_NAMED_MAX)
        .unwrap_or((&names, &[]));
    (!names.is_empty()).then(|| Failure::Stalled {
        undrained: names.len(),
        hosts: machines.world.hosts.len(),
        first: first.iter().map(|&name| name.to_owned()).collect(),
        outlook: machines.outlook(&undrained),
    })
}

/// What was asked of hosts and not done, of all workloads together: counts by workload and reason.
///
/// Every workload of the scenario has a count, 0 included, so that no seed lacks the figure.
fn asked_in_vain(machines: &Machines, mut not_done: NotDone, metrics: &mut Metrics) {
    for (place, count) in &machines.world.in_vain {
        let kind = machines.scenario.workloads[*place].action.kind();
        not_done.add_many(kind, Reason::NoFriends, *count);
    }
    let kinds: BTreeSet<&str> = machines.scenario.workload_kinds().into_iter().collect();
    for kind in kinds {
        let name = format!("{}.not_done", kind.replace('-', "_"));
        let reasons: BTreeMap<Reason, u64> = not_done.of(kind).collect();
        metrics.value(&name, "1", reasons.values().sum::<u64>() as f64);
        for (reason, count) in reasons {
            let key = format!("{name}{{reason={}}}", reason.name());
            metrics.value(&key, "1", count as f64);
        }
    }
}
