//! Which faults are in force, and what of them is carried out at each host and gateway.
//!
//! A part of what changes during a run; it knows no run and carries nothing out.

use std::collections::{BTreeMap, BTreeSet};

use orrery_sim::net::nat::Renewed;
use orrery_sim::net::stage::LinkCounts;

use super::sum::OfHost;
use crate::fault::OwnCondition;
use crate::world::Phase;

/// The faults in force in a run, and what of them is carried out.
pub struct Conditions {
    /// Hosts that a fault has concerned.
    pub(super) hosts: BTreeMap<u32, HostState>,
    /// Gateways that a fault has concerned.
    pub(super) gateways: BTreeMap<usize, GatewayState>,
    /// What runs, by host.
    pub(super) lives: Vec<Life>,
    /// Partitions in force, by fault.
    pub(super) partitions: BTreeSet<usize>,
}

impl Conditions {
    /// Nothing is in force yet, and no host has started.
    pub fn new(hosts: usize) -> Self {
        Self {
            hosts: BTreeMap::new(),
            gateways: BTreeMap::new(),
            lives: vec![Life::default(); hosts],
            partitions: BTreeSet::new(),
        }
    }
}

/// Names a turn of a fault at one target. Ascending, they are in the order in which they began,
/// and those that began together in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    since_ns: u64,
    fault: usize,
}

/// Turns that are in force at one target, and whether each has been counted as an effect.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce(BTreeMap<Turn, bool>);

impl InForce {
    pub(super) fn enter(&mut self, fault: usize, phase: Phase, now_ns: u64) {
        match phase {
            Phase::Begins => {
                let turn = Turn {
                    since_ns: now_ns,
                    fault,
                };
                self.0.insert(turn, false);
            }
            Phase::Ends => self.0.retain(|turn, _| turn.fault != fault),
            Phase::Strikes { .. } => {}
        }
    }

    /// The faults, in the order in which they began.
    pub(super) fn faults(&self) -> impl DoubleEndedIterator<Item = usize> + Clone + '_ {
        self.0.keys().map(|turn| turn.fault)
    }

    /// Whether this is the first time that the turn of a fault is counted.
    pub(super) fn is_news(&mut self, fault: usize) -> bool {
        let turn = self.0.iter_mut().find(|(turn, _)| turn.fault == fault);
        turn.is_some_and(|(_, counted)| !std::mem::replace(counted, true))
    }
}

/// A host that a fault has concerned.
#[derive(Debug, Default)]
pub(super) struct HostState {
    pub(super) in_force: InForce,
    /// What is carried out.
    pub(super) applied: OfHost,
    /// What its access link had done when effects were counted last, up and down.
    pub(super) seen: [LinkCounts; 2],
    /// The same of its port on the local network.
    pub(super) seen_on_lan: [LinkCounts; 2],
    /// Whether the testbed knows where it belongs.
    pub(super) has_home: bool,
    /// What its interfaces had stopped when effects were counted last, by their places.
    pub(super) seen_stopped: Vec<u64>,
    /// The conditions that hold of those that one kind of fault makes.
    pub(super) own: Vec<&'static OwnCondition>,
    /// By fault in force that makes one, what that had met when effects were counted last.
    pub(super) seen_own: BTreeMap<usize, u64>,
    /// Interfaces that have not come up yet or are down for good, a bit each.
    pub(super) absent: u8,
}

/// A gateway that a fault has concerned.
#[derive(Debug, Default)]
pub(super) struct GatewayState {
    pub(super) in_force: InForce,
    /// What its sessions had done when effects were counted last.
    pub(super) seen: Renewed,
}

/// What runs on a host.
#[derive(Debug, Clone, Default)]
pub(super) struct Life {
    /// Its time to boot has come.
    pub(super) is_due: bool,
    /// Its programs run, or are starting.
    pub(super) runs: bool,
    /// Its programs are ending in good order.
    pub(super) is_ending: bool,
    /// How often its programs have ended.
    pub(super) ends: u32,
}
