//! The workload `pull`: hosts ask all whom they follow for what is new.

use std::sync::Arc;

use orrery_node::api::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{command, metrics};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::workload::{Actor, Drawing, Kind, Planned, Reading, Turn, Untracked};

/// Hosts pull from all whom they follow, beyond the node's own regular pulls.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that pull.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
}

/// Pull from all followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull;

impl Kind for Pull {
    type Fields = Fields;
    type Act = ();
    type Tracker = Untracked;

    const NAME: &'static str = "pull";
    const METRICS: &'static [Definition] = metrics::PULL;
    const NOT_DONE: &'static Definition = &metrics::PULL_NOT_DONE;

    fn read(_: &Reading<'_>, _: &mut Problems) -> Option<Self> {
        Some(Self)
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_friendless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        drawing.act::<Self>(turn.at_ns, turn.host, ());
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, (): &()) {
        command::<Self>(run, actor.host, Command::Pull { from: None });
    }

    fn tracker(_: &Planned<'_>) -> Untracked {
        Untracked
    }
}
