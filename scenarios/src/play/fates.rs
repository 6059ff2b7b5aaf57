//! What became of messages to groups without storage: shares, and a cause for
//! each that did not arrive.

use std::collections::BTreeMap;

use orrery_reports::record::Loss;

use super::machine::{Machines, State};
use super::messages::{LIFE_NS, Message, Sent};
use crate::format::workload::Action;

/// A loss that nothing explains.
pub const UNKNOWN: &str = "unknown";

/// All fates of a run, counted.
#[derive(Debug, Default)]
pub struct Fates {
    /// Messages whose author's node took them.
    pub published: u64,
    /// Pairs of a message and a subscriber who got it.
    pub delivered: u64,
    /// Pairs in which the subscriber did not, by cause.
    pub causes: BTreeMap<String, u64>,
    /// The first of those.
    pub losses: Vec<Loss>,
}

/// Follows every measured message to each subscriber; lists at most `listed_max` losses.
pub fn follow(machines: &Machines, state: &State, end_ns: u64, listed_max: usize) -> Fates {
    let mut fates = Fates::default();
    let subscribers = subscribers(machines);
    for (number, message) in state.messages.all() {
        if !machines.is_measured(message.at_ns) {
            continue;
        }
        fates.published += u64::from(message.sent == Sent::Yes);
        for &host in &subscribers[message.workload] {
            if host == message.author {
                continue;
            }
            if message.got.contains(host) {
                fates.delivered += 1;
                continue;
            }
            let cause = cause(state, message, host, end_ns);
            *fates.causes.entry(cause.to_owned()).or_default() += 1;
            if fates.losses.len() < listed_max {
                fates.losses.push(Loss {
                    item: format!("message {number}"),
                    author: machines.world.hosts[message.author as usize].name.clone(),
                    reader: machines.world.hosts[host as usize].name.clone(),
                    created_s: message.at_ns as f64 / 1e9,
                    cause: cause.to_owned(),
                });
            }
        }
    }
    fates
}

/// By workload, the hosts whose nodes join its topic.
fn subscribers(machines: &Machines) -> Vec<Vec<u32>> {
    let joined = |topic: &str| {
        let groups = machines.scenario.groups.iter();
        groups
            .filter(|group| group.has_joined(topic))
            .flat_map(crate::format::group::Group::hosts)
            .collect()
    };
    let workloads = machines.scenario.workloads.iter();
    workloads
        .map(|workload| match &workload.action {
            Action::Publish { topic, .. } => joined(topic),
            _ => Vec::new(),
        })
        .collect()
}

/// Why a message did not arrive.
fn cause(state: &State, message: &Message, host: u32, end_ns: u64) -> &'static str {
    match message.sent {
        Sent::AuthorDown => return "author-down",
        Sent::Refused => return "not-published",
        Sent::Unanswered | Sent::Yes => {}
    }
    let life_ns = message.at_ns..message.at_ns.saturating_add(LIFE_NS);
    if !message.present.contains(host) {
        return "reader-away";
    }
    let cut = |host: u32| state.last_cut_ns[host as usize].is_some_and(|at| life_ns.contains(&at));
    if cut(host) {
        return "reader-lost-power";
    }
    if cut(message.author) {
        return "author-lost-power";
    }
    let parted = |(from_ns, to_ns): &(u64, Option<u64>)| {
        *from_ns < life_ns.end && to_ns.is_none_or(|to_ns| to_ns > life_ns.start)
    };
    if state.partition_times_ns.values().any(parted) {
        return "partitioned";
    }
    if life_ns.contains(&end_ns) {
        return "in-flight-at-the-end";
    }
    UNKNOWN
}
