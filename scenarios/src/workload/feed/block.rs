//! The workload `block`: hosts refuse others' requests and leave them out of later posts.

use std::sync::Arc;

use orrery_node::api::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{command, metrics};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::workload::{Actor, Drawing, Kind, Planned, Reading, Turn, Untracked};

/// Hosts block others: refuse their requests and leave them out of later posts.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that block others.
    pub from: HostsText,
    /// The hosts that are blocked: those of them that are friends of the blocking host.
    pub whom: HostsText,
    /// When each of them does so.
    pub at: AmountText,
}

/// Block others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Whom.
    pub whom: Hosts,
}

/// One friend is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub whom: u32,
}

impl Kind for Block {
    type Fields = Fields;
    type Act = Act;
    type Tracker = Untracked;

    const NAME: &'static str = "block";
    const METRICS: &'static [Definition] = metrics::BLOCK;
    const NOT_DONE: &'static Definition = &metrics::BLOCK_NOT_DONE;

    fn read_pace(reading: &Reading<'_>, problems: &mut Problems) -> Pace {
        Pace::read_once(&reading.reader, reading.duration_ns, problems)
    }

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let whom = selector::read(&reading.reader, "whom", reading.groups, problems)?;
        Some(Self { whom })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_friendless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let friends = drawing.friends.of(turn.host).iter().copied();
        let blocked: Vec<u32> = friends
            .filter(|&friend| self.whom.contains(friend))
            .collect();
        if blocked.is_empty() {
            drawing.in_vain();
        }
        for whom in blocked {
            drawing.act::<Self>(turn.at_ns, turn.host, Act { whom });
        }
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        run.state().ledger.blocked(actor.host, act.whom);
        let identity = run.identity(act.whom);
        command::<Self>(run, actor.host, Command::Block { identity });
    }

    fn tracker(_: &Planned<'_>) -> Untracked {
        Untracked
    }
}
