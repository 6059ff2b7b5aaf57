//! The workload of looking others up.
//!
//! Owns its fields' meaning; when it happens is the pace's, and what nodes answer is the
//! tracker's.

mod depths;
mod figures;
mod metrics;
mod tracker;

use std::sync::Arc;

use orrery_node::api::LookupMethod;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;

/// Hosts look up where others are.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that look others up.
    pub from: HostsText,
    /// When each of them does so.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The hosts that are looked up: the seed draws one of them each time, never the searcher itself.
    pub to: HostsText,
    /// The lookup method; `kad` if absent.
    pub by: Option<LookupMethod>,
    /// What is looked for: their `address` (if absent), or the `peers` nearest to its record.
    pub what: Option<SoughtName>,
}

/// What is looked for.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SoughtName {
    /// Where a host is reached.
    Address,
    /// The peers nearest to the record of a host's address, by Kademlia.
    Peers,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sought {
    /// Where a host is reached, by this method.
    Address(LookupMethod),
    /// The peers nearest to the record of a host's address.
    Peers,
}

impl Sought {
    /// As metrics label it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Peers => "peers",
        }
    }
}

/// A look-up, each time of one of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Of whom one is drawn each time, the searcher aside.
    pub to: Hosts,
    /// What is looked for.
    pub sought: Sought,
}

/// A host looks another up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Who is looked for.
    pub whom: u32,
    /// Names the look-up among all of the run, from 0 without gaps in no particular order.
    pub ticket: u32,
}

impl Kind for Lookup {
    type Fields = Fields;
    type Act = Act;
    type Tracker = tracker::Lookups;

    const NAME: &'static str = "lookup";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::LOOKUP_NOT_DONE;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let (reader, groups) = (&reading.reader, reading.groups);
        let methods = LookupMethod::ALL.map(|method| (method.name(), method));
        let by = reader.choice("by", &methods, problems);
        let what = [("address", false), ("peers", true)];
        let peers = reader.choice("what", &what, problems).unwrap_or(false);
        if peers && by.is_some_and(|by| by != LookupMethod::Kad) {
            let message = "\"by\": only Kademlia knows which peers are nearest to a record";
            problems.push(reader.span("by"), message);
        }
        let to = selector::read(reader, "to", groups, problems)?;
        for group in groups.iter().filter(|group| !group.has_node()) {
            if to.iter().any(|host| group.hosts().contains(&host)) {
                let name = quoted(&group.name);
                let message = format!("hosts of group {name} cannot be found: they run no nodes");
                problems.push(reader.span("to"), message);
            }
        }
        let sought = if peers {
            Sought::Peers
        } else {
            Sought::Address(by.unwrap_or(LookupMethod::Kad))
        };
        Some(Self { to, sought })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_nodeless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn others(&self) -> Option<(&Hosts, &'static str)> {
        Some((&self.to, "looks up"))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let Some(&whom) = drawing.others(&self.to, Some(1), turn.host).first() else {
            return;
        };
        let ticket = drawing.number(Self::NAME);
        drawing.act::<Self>(turn.at_ns, turn.host, Act { whom, ticket });
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        tracker::look_up(run, actor.host, *act, self.sought);
    }

    fn tracker(planned: &Planned<'_>) -> tracker::Lookups {
        tracker::Lookups::of(planned)
    }
}
