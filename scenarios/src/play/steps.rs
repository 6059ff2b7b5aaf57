//! Performs the steps of a schedule: what people do, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId};

use super::conditions;
use super::run::Run;
use crate::workload::{self, Actor};
use crate::world::Step;

/// Puts all steps of the run's world into the event queue.
pub fn schedule(run: &Arc<Run>) {
    let last = last_changes(&run.world.steps);
    for (place, (at_ns, step)) in run.world.steps.clone().into_iter().enumerate() {
        let (class, host) = match &step {
            Step::Work { host, .. } => (Class::Workload, HostId(*host)),
            Step::Fault { .. } => (Class::World, HostId::NONE),
        };
        let performing = Arc::clone(run);
        let is_last = last.contains(&place);
        let action = Box::new(move || perform(&performing, &step, is_last));
        let at = SimTime::from_nanos(at_ns);
        run.testbed.call_at(at, class, host, action);
    }
}

/// Steps that are the last of their moment at which a fault begins or ends where they do.
fn last_changes(steps: &[(u64, Step)]) -> BTreeSet<usize> {
    let mut last = BTreeMap::new();
    for (place, (at_ns, step)) in steps.iter().enumerate() {
        if let Step::Fault { change, .. } = step
            && change.lasts()
        {
            last.insert((*at_ns, change.target), place);
        }
    }
    last.into_values().collect()
}

/// Performs a step; `is_last` is for faults, as [`conditions::change`] has it.
fn perform(run: &Arc<Run>, step: &Step, is_last: bool) {
    match step {
        Step::Work {
            host,
            workload: index,
            act,
        } => {
            let actor = Actor {
                host: *host,
                workload: *index,
            };
            let action = &run.scenario.workloads[*index].action;
            workload::perform(action, run, actor, act);
        }
        Step::Fault { fault, change } => conditions::change(run, *fault, change, is_last),
    }
}
