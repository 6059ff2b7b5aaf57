//! What was asked of hosts and not done, of all workloads together.
//!
//! Every workload of the scenario has a count, 0 included, so that no seed lacks the figure.

use std::collections::{BTreeMap, BTreeSet};

use super::metrics::Metrics;
use crate::play::machine::{Machines, State};
use crate::play::messages::Sent;
use crate::play::not_done::{NotDone, Reason};

/// Counts by workload and reason. The ledgers of all workloads have been closed.
pub fn judge(machines: &Machines, metrics: &mut Metrics) {
    let state = machines.state();
    let mut not_done = state.not_done.clone();
    not_done.add_many("dial", Reason::Unfinished, state.links.dials_open());
    from_ledgers(&state, &mut not_done);
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

/// What the ledgers of workloads know.
fn from_ledgers(state: &State, not_done: &mut NotDone) {
    let mut add = |kind, reasons: &mut dyn Iterator<Item = Reason>| {
        for reason in reasons {
            not_done.add(kind, reason);
        }
    };
    add("flow", &mut state.flows.not_done());
    add("connect", &mut state.connects.not_done());
    add("punch", &mut state.punches.not_done());
    add("lookup", &mut state.lookups.not_done());
    let messages = state.messages.by_time().into_iter();
    let unsent = messages.filter_map(|(_, message)| match message.sent {
        Sent::AuthorDown => Some(Reason::HostDown),
        Sent::Refused => Some(Reason::Refused),
        Sent::Unanswered | Sent::Yes => None,
    });
    add("publish", &mut { unsent });
}
