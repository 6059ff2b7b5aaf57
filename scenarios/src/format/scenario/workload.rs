//! What people do with their nodes: who acts, when, and by which kind of work.
//!
//! Owns what all workloads have in common. What a kind may say beyond that, and does, is in its
//! room: see [`crate::workload`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::pace::Pace;
use super::possible::latest_ns;
use super::selector::{self, Hosts};
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, fields_of_kind, kinds_of};
use crate::format::reading::tree::Table;
use crate::workload::{self, Action, Reading, WorkloadFields};

/// Hosts as text (`home`, `home[3]`, `home[0..20]`) or a list of such texts.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum HostsText {
    /// One selector.
    One(String),
    /// Several; their union is meant.
    Several(Vec<String>),
}

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

/// Reads the `kind` of a workload or fault.
pub fn read_kind<T: JsonSchema>(
    table: &Table,
    what: &str,
    problems: &mut Problems,
) -> Option<String> {
    let kinds = kinds_of::<T>();
    let names = || kinds.iter().map(String::as_str);
    let Some(value) = table.value("kind") else {
        let message = format!("a {what} lacks the field \"kind\"");
        problems.push_with_help(table.span, message, Some(suggestion("", names())));
        return None;
    };
    let Some(text) = value.as_text() else {
        crate::format::reading::reader::wrong_type(value, "kind", "a string", problems);
        return None;
    };
    if !kinds.iter().any(|kind| kind == text) {
        let message = format!("unknown kind of {what} {}", quoted(text));
        problems.push_with_help(value.span, message, Some(suggestion(text, names())));
        return None;
    }
    Some(text.to_owned())
}
