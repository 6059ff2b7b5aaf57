//! What became of hostile peers' acts, and whether each of their misbehaviours came about.

use orrery_node::environment::Disk;
use orrery_reports::record::{Fault, SeedResult};

use super::metrics::Metrics;
use crate::format::scenario::group::Group;
use crate::metrics::Definition;
use crate::metrics::hostile::{
    HOSTILE_ATTEMPTS, HOSTILE_BORNE, HOSTILE_LEFT_OUT, HOSTILE_REACHED, HOSTILE_REFUSED,
};
use crate::metrics::node::{NODE_EVENTS, NODE_STORED};
use crate::play::hostile::Counts;
use crate::play::machine::Machines;

/// One of the counts.
type Figure = fn(&Counts) -> u64;

/// Counts acts by kind. A misbehaviour is a fault that has to fire: it is declared by its attempts.
pub fn judge(machines: &Machines, metrics: &mut Metrics, result: &mut SeedResult) {
    let groups = &machines.scenario.groups;
    if !groups.iter().any(Group::is_hostile) {
        return;
    }
    let stored = (0..).zip(&machines.world.hosts);
    let stored = stored
        .map(|(machine, _)| stored_bytes(&**machines.testbed.storage(machine).files(), "", 0));
    metrics.count(&NODE_STORED, &[], stored.max().unwrap_or(0));
    let state = machines.state();
    metrics.count(&NODE_EVENTS, &[], state.tally.events_max());
    let figures: [(&Definition, Figure); 5] = [
        (&HOSTILE_ATTEMPTS, |counts| counts.attempts),
        (&HOSTILE_LEFT_OUT, |counts| counts.left_out),
        (&HOSTILE_REACHED, |counts| counts.reached),
        (&HOSTILE_REFUSED, |counts| counts.refused),
        (&HOSTILE_BORNE, |counts| counts.borne),
    ];
    for (metric, figure) in figures {
        let all: u64 = state.hostile.values().map(figure).sum();
        metrics.count(metric, &[], all);
        for (kind, counts) in &state.hostile {
            metrics.count(metric, &[("kind", kind.name())], figure(counts));
        }
    }
    let acts = state.hostile.iter().map(|(kind, counts)| Fault {
        kind: format!("hostile {}", kind.name()).into(),
        declared: counts.attempts,
        fired: counts.reached,
    });
    result.faults.extend(acts);
}

/// Folders within folders that a node's disk has at most, far more than it makes.
const DEPTH_MAX: u32 = 8;

/// Bytes of all files below a folder.
fn stored_bytes(disk: &dyn Disk, folder: &str, depth: u32) -> u64 {
    if depth > DEPTH_MAX {
        return 0;
    }
    let names = disk.list(folder).unwrap_or_default();
    let path = |name: &String| match folder {
        "" => name.clone(),
        _ => format!("{folder}/{name}"),
    };
    let of = |path: String| match disk.open(&path, false) {
        Ok(file) => file.len().unwrap_or(0),
        Err(_) => stored_bytes(disk, &path, depth + 1),
    };
    names.iter().map(path).map(of).sum()
}
