//! What a run has shown: metrics, losses with their causes, faults and invariants.

mod lookups;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orrery_node::engine::Engine;
use orrery_node::store::Store;
use orrery_reports::record::{Fault, Invariant, Loss, Metric, SeedResult};
use orrery_reports::stats::Recorder;
use orrery_sim::{HostId, kernel, net};

use super::connect_figures;
use super::fates::{self, UNKNOWN};
use super::flows::Entry as Flow;
use super::ledger::{Entry, Fate};
use super::machine::{Machines, State};
use super::punches::{self, Entry as Punch};
use super::relays::circuit_bytes;
use super::steps::{copies, counter};
use crate::engine::{self, Job, STALLED};
use crate::world::Step;

/// Losses that are listed one by one; all are counted by cause.
pub(super) const LOSSES_LISTED_MAX: usize = 500;

/// Names of stalled machines in a failure's text.
const STALLED_NAMED_MAX: usize = 5;

/// Judges a run that has ended, or `failed` on its way.
pub fn judge(machines: &Arc<Machines>, job: &Job, failed: bool) -> SeedResult {
    let mut result = SeedResult {
        faults: faults(machines),
        ..SeedResult::default()
    };
    let whole = job.end_ns() == machines.scenario.end_ns();
    let mut metrics = Metrics::default();
    // No other engine tells what its wires carried.
    if job.engine == engine::Engine::Sim {
        network(machines, &mut metrics);
    }
    told(machines, &mut metrics);
    relays(machines, &mut metrics);
    if !failed {
        if whole {
            result.failure = stalled(machines);
        }
        groups(machines, job.end_ns(), &mut metrics, &mut result);
    }
    flows(machines, &mut metrics, &mut result);
    connect_figures::judge(machines, &mut metrics, &mut result);
    punches(machines, &mut metrics, &mut result);
    lookups::judge(machines, &mut metrics, &mut result);
    if !failed {
        feeds(machines, whole, &mut metrics, &mut result);
    }
    result.metrics = metrics.0;
    result
}

/// Figures by name.
#[derive(Default)]
pub(super) struct Metrics(BTreeMap<String, Metric>);

impl Metrics {
    pub(super) fn value(&mut self, name: &str, unit: &str, value: f64) {
        self.0.insert(
            name.to_owned(),
            Metric::Value {
                unit: unit.to_owned(),
                value,
            },
        );
    }

    pub(super) fn count(&mut self, name: &str, count: usize) {
        self.value(name, "1", count as f64);
    }

    pub(super) fn ratio(&mut self, name: &str, good: u64, bad: u64) {
        if good + bad > 0 {
            self.value(name, "ratio", good as f64 / (good + bad) as f64);
        }
    }

    pub(super) fn samples(&mut self, name: &str, recorder: &Recorder) {
        if recorder.count() > 0 {
            self.0.insert(name.to_owned(), recorder.finish());
        }
    }
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
    metrics.samples("post.latency", &tally.posts);
    metrics.ratio("post.success", tally.posts.count(), tally.posts_failed);
    let neighbourhood = &state.neighbourhood;
    metrics.samples("node.neighbours.time", &neighbourhood.times);
    if machines
        .scenario
        .groups
        .iter()
        .any(|group| group.lan.is_some())
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
    for (ends, recorder) in &tally.pings {
        let name = match ends {
            None => "ping.rtt".to_owned(),
            Some((from, to)) => format!("ping.rtt{{from={from},to={to}}}"),
        };
        metrics.samples(&name, recorder);
    }
}

/// What became of places on relays, and of circuits.
fn relays(machines: &Machines, metrics: &mut Metrics) {
    if !machines.uses_relays() {
        return;
    }
    let state = machines.state();
    let relays = &state.relays;
    metrics.samples("relay.reservation.time", &relays.reservation_times);
    metrics.samples("relay.join.time", &relays.join_times);
    metrics.samples("relay.recovery.time", &relays.recovery_times);
    metrics.count("relay.without", relays.without());
    metrics.count("relay.held", relays.held().count());
    let circuits: u64 = state.nodes.iter().flatten().map(circuit_bytes).sum();
    let circuits = circuits + relays.bytes_before_cuts;
    metrics.value("relay.bytes", "B", circuits as f64);
    if let Some(Metric::Value { value: all, .. }) = metrics.0.get("net.bytes")
        && *all > 0.0
    {
        let share = 2.0 * circuits as f64 / all;
        metrics.value("relay.bytes_share", "ratio", share);
    }
    for group in &machines.scenario.groups {
        let hosts = group.hosts();
        let held = relays.held().filter(|relay| hosts.contains(relay)).count();
        if held > 0 {
            metrics.count(&format!("relay.held{{group={}}}", group.name), held);
        }
    }
    metrics.value("relay.renewed", "1", relays.renewed as f64);
    metrics.value("relay.circuits", "1", relays.opened as f64);
    let failed = relays.failed.values().sum();
    let granted = relays.reservation_times.count();
    metrics.ratio("relay.reservation.success", granted, failed);
    for (name, counts) in [
        ("relay.reservation.failed", &relays.failed),
        ("relay.refused", &relays.refused),
        ("relay.lost", &relays.lost),
        ("relay.circuits.denied", &relays.denied),
        ("relay.circuits.ended", &relays.ended),
    ] {
        metrics.value(name, "1", counts.values().sum::<u64>() as f64);
        for (reason, count) in counts {
            metrics.value(&format!("{name}{{reason={reason}}}"), "1", *count as f64);
        }
    }
}

/// What flows did, and those that were lost.
fn flows(machines: &Machines, metrics: &mut Metrics, result: &mut SeedResult) {
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
    for (cause, count) in &summary.failed {
        let name = format!("flow.failed{{cause={}}}", cause.name());
        metrics.value(&name, "1", *count as f64);
    }
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
    let room = LOSSES_LISTED_MAX.saturating_sub(result.losses.len());
    let name = |host: u32| machines.world.hosts[host as usize].name.clone();
    for (number, entry, cause) in flows.lost().take(room) {
        result.losses.push(Loss {
            item: format!("flow {number}"),
            author: name(entry.from),
            reader: name(entry.to),
            created_s: entry.start_ns as f64 / 1e9,
            cause: cause.name().to_owned(),
        });
    }
    let causes = summary.failed.iter();
    count_causes(
        result,
        causes.map(|(cause, count)| (cause.name().to_owned(), *count)),
    );
}

/// Which hosts reached each other through NATs, and which did not.
fn punches(machines: &Machines, metrics: &mut Metrics, result: &mut SeedResult) {
    let mut state = machines.state();
    if state.punches.is_empty() {
        return;
    }
    state.punches.close(kernel::now().as_nanos());
    let punches = &state.punches;
    let gateways = &machines.world.gateways;
    let nats = |entry: &Punch| entry.sides.map(|host| gateways.profile(host));
    let summary = punches.summarise(|_| true);
    punches_of(metrics, "", &summary);
    for (cause, count) in &summary.failed {
        let name = format!("punch.failed{{cause={}}}", cause.name());
        metrics.value(&name, "1", *count as f64);
    }
    // Where all pairs are alike, figures by pair would say the same again.
    let pairs: BTreeSet<[&str; 2]> = punches.measured().map(nats).collect();
    for pair in pairs.iter().filter(|_| pairs.len() > 1) {
        let labels = format!("{{nat_a={},nat_b={}}}", pair[0], pair[1]);
        let of_pair = punches.summarise(|entry| nats(entry) == *pair);
        punches_of(metrics, &labels, &of_pair);
    }
    let room = LOSSES_LISTED_MAX.saturating_sub(result.losses.len());
    let name = |host: u32| machines.world.hosts[host as usize].name.clone();
    for (number, entry, cause) in state.punches.lost().take(room) {
        result.losses.push(Loss {
            item: format!("punch {number}"),
            author: name(entry.sides[0]),
            reader: name(entry.sides[1]),
            created_s: entry.start_ns as f64 / 1e9,
            cause: cause.name().to_owned(),
        });
    }
    let causes = summary.failed.iter();
    count_causes(
        result,
        causes.map(|(cause, count)| (cause.name().to_owned(), *count)),
    );
}

/// Figures of some pairs, under these labels.
fn punches_of(metrics: &mut Metrics, labels: &str, summary: &punches::Summary) {
    let failed = summary.failed.values().sum();
    let key = |name: &str| format!("punch.{name}{labels}");
    metrics.samples(&key("time"), &summary.times);
    metrics.ratio(&key("success"), summary.times.count(), failed);
    metrics.value(&key("failed"), "1", failed as f64);
}

/// Machines that still pulled something new, or could not pull, when the drain ended.
fn stalled(machines: &Machines) -> Option<String> {
    if machines.scenario.drain_ns == 0 {
        return None;
    }
    let drained = &machines.state().drained;
    let names: Vec<&str> = machines
        .world
        .hosts
        .iter()
        .filter(|plan| !drained.contains(&plan.host))
        .map(|plan| plan.name.as_str())
        .collect();
    let (first, _) = names
        .split_at_checked(STALLED_NAMED_MAX)
        .unwrap_or((&names, &[]));
    (!names.is_empty()).then(|| {
        format!(
            "{STALLED}{} of {} machines, {} among them, did not reach two empty pulls before the \
             drain ended; see their logs with --log info, or give a longer drain",
            names.len(),
            machines.world.hosts.len(),
            first.join(", ")
        )
    })
}

/// What became of messages to groups without storage, if there are any.
fn groups(machines: &Machines, end_ns: u64, metrics: &mut Metrics, result: &mut SeedResult) {
    let workloads = &machines.scenario.workloads;
    if !workloads.iter().any(|w| w.action.kind() == "publish") {
        return;
    }
    let state = machines.state();
    let fates = fates::follow(machines, &state, end_ns, LOSSES_LISTED_MAX);
    let lost = fates.causes.values().sum::<u64>();
    metrics.samples("gossip.delivery.latency", &state.messages.latencies);
    metrics.ratio("gossip.delivery", fates.delivered, lost);
    metrics.value("gossip.published", "1", fates.published as f64);
    let copies: u64 = state.nodes.iter().flatten().map(copies).sum();
    let copies = copies + state.messages.copies_lost;
    let duplicates = copies.saturating_sub(state.messages.firsts);
    metrics.value("gossip.duplicates", "1", duplicates as f64);
    result.losses.extend(fates.losses);
    count_causes(result, fates.causes);
}

/// Adds losses of one kind to those counted by cause.
pub(super) fn count_causes(
    result: &mut SeedResult,
    causes: impl IntoIterator<Item = (String, u64)>,
) {
    for (cause, count) in causes {
        *result.loss_causes.entry(cause).or_default() += count;
    }
}

fn feeds(machines: &Machines, whole: bool, metrics: &mut Metrics, result: &mut SeedResult) {
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
        count_causes(result, [(cause.to_owned(), 1)]);
        if result.losses.len() < LOSSES_LISTED_MAX {
            result.losses.push(Loss {
                item: op.clone(),
                author: machines.world.hosts[entry.author as usize].name.clone(),
                reader: machines.world.hosts[reader as usize].name.clone(),
                created_s: fate.since_ns as f64 / 1e9,
                cause: cause.to_owned(),
            });
        }
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
