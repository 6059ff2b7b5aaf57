//! What people do with their nodes: who acts, when, and by which kind of work.
//!
//! Owns what all workloads have in common. What a kind may say beyond that, and does, is in its
//! room: see [`crate::workload`].

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::pace::Pace;
use super::possible::latest_ns;
use super::selector::{self, Hosts};
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, fields_of_kind, read_kind};
use crate::format::reading::tree::Table;
use crate::workload::{self, Action, Reading, WorkloadFields};

/// What people do with their nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Who.
    pub from: Hosts,
    /// When.
    pub pace: Pace,
    /// What.
    pub action: Action,
}

/// Actions of all workloads together at most, as expected from their paces.
pub const ACTIONS_MAX: u64 = 5_000_000;

impl Workload {
    /// Actions to be expected within `duration_ns`.
    pub fn expected_actions(&self, duration_ns: u64) -> u64 {
        u64::from(self.from.len()) * self.pace.expected(duration_ns)
    }

    /// The earliest moment at which its first host may act, in nanoseconds.
    pub fn begins_ns(&self) -> u64 {
        match self.pace {
            Pace::Poisson { .. } | Pace::Every { .. } => 0,
            Pace::At { at_ns, .. } | Pace::Series { at_ns, .. } => at_ns
                .bounds()
                .map_or(0, |(from_ns, _)| from_ns.max(0) as u64),
        }
    }

    /// Whether what it does may still go on at `from_ns`, or begin later, in some seed.
    pub fn reaches(&self, from_ns: u64) -> bool {
        let last = (0..u64::from(self.from.len())).map(|place| latest_ns(self.pace, place));
        let Some(last_ns) = last.max().flatten() else {
            return true;
        };
        let Some(longest_ns) = self.action.longest_ns() else {
            return true;
        };
        last_ns.saturating_add(longest_ns) >= from_ns
    }

    /// Reads a workload; `None` if a problem was noted that leaves nothing to play.
    pub fn read(
        table: &Table,
        groups: &[Group],
        duration_ns: u64,
        problems: &mut Problems,
    ) -> Option<Self> {
        let kind = read_kind::<WorkloadFields>(table, "workload", problems)?;
        let what = format!("workload \"{kind}\"");
        let fields = fields_of_kind::<WorkloadFields>(&kind)?;
        let reader = Reader::new(table, &what, &fields, problems);
        let from = selector::read(&reader, "from", groups, problems);
        let reading = Reading {
            reader,
            from: from.as_ref(),
            groups,
            duration_ns,
        };
        let (pace, action) = workload::read(&kind, &reading, problems)?;
        let from = reading.from?;
        pace.note_too_long(from.len(), duration_ns, &reader, problems);
        action.note_unfit(from, &reading, problems);
        Some(Self {
            from: from.clone(),
            pace,
            action,
        })
    }
}
