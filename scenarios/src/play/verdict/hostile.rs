//! What became of hostile peers' acts, and whether each of their misbehaviours came about.

use orrery_node::environment::Disk;
use orrery_reports::record::{Fault, SeedResult};

use super::metrics::Metrics;
use crate::format::scenario::group::Group;
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
    metrics.value("node.stored", "B", stored.max().unwrap_or(0) as f64);
    let state = machines.state();
    metrics.value("node.events", "1", state.tally.events_max() as f64);
    let figures: [(&str, Figure); 5] = [
        ("attempts", |counts| counts.attempts),
        ("left_out", |counts| counts.left_out),
        ("reached", |counts| counts.reached),
        ("refused", |counts| counts.refused),
        ("borne", |counts| counts.borne),
    ];
    for (name, figure) in figures {
        let all: u64 = state.hostile.values().map(figure).sum();
        metrics.value(&format!("hostile.{name}"), "1", all as f64);
        for (kind, counts) in &state.hostile {
            let key = format!("hostile.{name}{{kind={}}}", kind.name());
            metrics.value(&key, "1", figure(counts) as f64);
        }
    }
    let acts = state.hostile.iter().map(|(kind, counts)| Fault {
        kind: format!("hostile {}", kind.name()),
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
