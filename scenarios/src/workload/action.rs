//! Workloads of any kind as values, and what a kind declares before anything runs: its name, its
//! fields, how these are read, and its metrics.
//!
//! Names no kind and knows no run. Scenarios are read, written and documented, worlds drawn and metrics
//! listed by what is declared here, so that none of them depends on a kind's room, which stands on
//! all of them. The [`registry`](super::registry) lists the rooms and declares them all, once,
//! before anything is read ([`ready`](super::ready)).

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::drawing::{Drawing, Turn};
use super::reading::Reading;
use crate::by_kind::{self, ByKind, with_kind};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::Hosts;
use crate::metrics::Definition;
use crate::testbed::Capability;

/// What a kind of workload says of itself before anything runs.
#[derive(Clone, Copy)]
pub struct Declared {
    /// Its name, as written.
    pub name: &'static str,
    /// Its metrics.
    pub metrics: &'static [Definition],
    /// The one that counts what was not done.
    pub not_done: &'static Definition,
    pub(super) read: fn(&Reading<'_>, &mut Problems) -> Option<(Pace, Action)>,
    pub(super) fields: fn(&mut SchemaGenerator) -> Schema,
    pub(super) from_json: fn(Value) -> serde_json::Result<Action>,
}

static DECLARED: OnceLock<Vec<Declared>> = OnceLock::new();

/// Declares the kinds that `list` gives, unless some are declared.
pub(super) fn declare(list: impl FnOnce() -> Vec<Declared>) {
    DECLARED.get_or_init(list);
}

/// All kinds, in the order of their documentation: that of trackers and of losses, too. Those that
/// ship with the tool go first.
///
/// # Panics
/// Before [`ready`](super::ready).
pub fn kinds() -> impl Iterator<Item = &'static Declared> {
    #[cfg(test)]
    super::ready();
    let declared = DECLARED.get();
    declared
        .expect("`workload::ready` comes before anything is read")
        .iter()
}

/// The kind of that name.
fn find(name: &str) -> Option<&'static Declared> {
    kinds().find(|kind| kind.name == name)
}

/// Reads when a workload of that kind acts, and what it does; `None` if there is no such kind, or a
/// problem was noted that leaves nothing to play.
pub fn read(kind: &str, reading: &Reading<'_>, problems: &mut Problems) -> Option<(Pace, Action)> {
    (find(kind)?.read)(reading, problems)
}

/// What a workload does: an action of any kind.
#[derive(Clone)]
pub struct Action(Arc<dyn Erased>);

impl Action {
    pub(super) fn new(kind: impl Erased) -> Self {
        Self(Arc::new(kind))
    }

    /// It as an action of kind `K`, if it is one.
    pub fn get<K: Any>(&self) -> Option<&K> {
        let kind: &dyn Any = &*self.0;
        kind.downcast_ref()
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        self.0.name()
    }

    /// See [`Kind::note_unfit`](super::Kind::note_unfit).
    pub fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        self.0.unfit(from, reading, problems);
    }

    /// See [`Kind::longest_ns`](super::Kind::longest_ns).
    pub fn longest_ns(&self) -> Option<u64> {
        self.0.longest()
    }

    /// See [`Kind::others`](super::Kind::others).
    pub fn others(&self) -> Option<(&Hosts, &'static str)> {
        self.0.those()
    }

    /// See [`Kind::concerns`](super::Kind::concerns).
    pub fn concerns(&self, index: u32) -> Option<u32> {
        self.0.end_of(index)
    }

    /// See [`Kind::NEEDS`](super::Kind::NEEDS).
    pub fn needs(&self) -> &'static [Capability] {
        self.0.wants()
    }

    /// See [`Kind::FOLLOWS_LINKS`](super::Kind::FOLLOWS_LINKS).
    pub fn follows_links(&self) -> bool {
        self.0.sees_links()
    }

    /// See [`Kind::plan`](super::Kind::plan).
    pub fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        self.0.draw(turn, drawing);
    }
}

/// A kind behind a pointer, as far as scenarios and worlds ask it. What it does in a run is asked of the
/// registry.
pub(super) trait Erased: Any + fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems);
    fn longest(&self) -> Option<u64>;
    fn those(&self) -> Option<(&Hosts, &'static str)>;
    fn end_of(&self, index: u32) -> Option<u32>;
    fn wants(&self) -> &'static [Capability];
    fn sees_links(&self) -> bool;
    fn draw(&self, turn: &Turn, drawing: &mut Drawing<'_>);
    fn is(&self, other: &dyn Any) -> bool;
    fn to_json(&self) -> serde_json::Result<Value>;
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&*other.0)
    }
}

impl Eq for Action {}

impl ByKind for Action {
    const WHAT: &'static str = "workload";

    fn kind(&self) -> &'static str {
        self.0.name()
    }

    fn to_json(&self) -> serde_json::Result<Value> {
        self.0.to_json()
    }

    fn from_json(name: &str, fields: Value) -> Option<serde_json::Result<Self>> {
        Some((find(name)?.from_json)(fields))
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        by_kind::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind::deserialize(deserializer)
    }
}

/// `[[workload]]` as it is documented.
pub struct WorkloadFields;

impl JsonSchema for WorkloadFields {
    fn schema_name() -> Cow<'static, str> {
        "WorkloadFields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let member = |kind: &Declared| with_kind(kind.name, (kind.fields)(generator));
        let members: Vec<Schema> = kinds().map(member).collect();
        let description = "`[[workload]]`: what people do with their nodes.";
        json_schema!({ "description": description, "oneOf": members })
    }
}
