//! What happens from outside, one thing at a time.

use crate::workload::Act;

/// Something that happens at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A host does something for a workload.
    Work {
        /// The host.
        host: u32,
        /// The workload, by its place among the scenario's.
        workload: usize,
        /// What it does.
        act: Act,
    },
    /// A fault begins or ends.
    Fault {
        /// Which, by its place among the scenario's faults.
        fault: usize,
        /// What changes.
        change: Change,
    },
}

/// What a fault changes at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub target: Target,
    /// What happens there.
    pub phase: Phase,
}

/// What has conditions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The network between all.
    Network,
    /// A host.
    Host(u32),
    /// A NAT or firewall.
    Gateway(usize),
}

/// What a fault does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is in force from now on.
    Begins,
    /// It is in force no more.
    Ends,
    /// It happens, and is not undone.
    Strikes {
        /// What was drawn for it, or 0; the unit is its kind's.
        amount: i64,
    },
}

impl Change {
    /// Whether a fault is in force from then on, or no more.
    pub fn lasts(&self) -> bool {
        match self.phase {
            Phase::Begins | Phase::Ends => true,
            Phase::Strikes { .. } => false,
        }
    }

    /// Whether it does harm, rather than end it: these are the effects that a fault declares.
    pub fn is_effect(&self) -> bool {
        match self.phase {
            Phase::Begins | Phase::Strikes { .. } => true,
            Phase::Ends => false,
        }
    }
}
