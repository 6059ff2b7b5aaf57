//! Which kinds of workload there are, a line each, and actions of any of them as values.
//!
//! The only place beside their own rooms that names kinds. What is here for all of them follows
//! from [`Kind`]: the documented fields, reading, dispatch, and the form in which workloads travel
//! to workers, `{"post": {"to": …}}`.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{
    Actor, Drawing, Kind, Planned, Reading, Tracker, Turn, connect, dial, feed, flow, lookup,
    packets, ping, publish, punch,
};
use crate::added::Added;
use crate::by_kind::{self, ByKind, with_kind};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::Hosts;
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;

/// The kinds of workload that ship with the program, in the order of their documentation.
const KINDS: &[Entry] = &[
    Entry::of::<feed::post::Post>(),
    Entry::of::<feed::pull::Pull>(),
    Entry::of::<feed::late_grant::LateGrant>(),
    Entry::of::<flow::Flow>(),
    Entry::of::<packets::Packets>(),
    Entry::of::<punch::Punch>(),
    Entry::of::<feed::block::Block>(),
    Entry::of::<dial::Dial>(),
    Entry::of::<connect::Connect>(),
    Entry::of::<lookup::Lookup>(),
    Entry::of::<publish::Publish>(),
    Entry::of::<ping::Ping>(),
];

/// A kind of workload, known by its name.
pub struct Entry {
    /// Its name, as written.
    pub name: &'static str,
    /// Its metrics.
    pub metrics: &'static [Definition],
    /// The one that counts what was not done.
    pub not_done: &'static Definition,
    pub(super) tracker: fn(&Planned<'_>) -> Box<dyn Tracker>,
    read: fn(&Reading<'_>, &mut Problems) -> Option<(Pace, Action)>,
    serve: fn(&Arc<Run>, u32),
    fields: fn(&mut SchemaGenerator) -> Schema,
    from_json: fn(Value) -> serde_json::Result<Action>,
}

impl Entry {
    /// What a kind says of itself.
    pub const fn of<K: Kind>() -> Self {
        Self {
            name: K::NAME,
            metrics: K::METRICS,
            not_done: K::NOT_DONE,
            tracker: |planned| Box::new(K::tracker(planned)),
            read: |reading, problems| {
                let pace = K::read_pace(reading, problems);
                Some((pace, Action::new(K::read(reading, problems)?)))
            },
            serve: K::serve,
            fields: <K::Fields as JsonSchema>::json_schema,
            from_json: |value| serde_json::from_value::<K>(value).map(Action::new),
        }
    }
}

/// Kinds of the program that this library is part of.
static ADDED: Added<Entry> = Added::none();

/// All kinds, in the order of their documentation: that of trackers and of losses, too. Those that
/// ship with the tool go first.
pub fn kinds() -> impl Iterator<Item = &'static Entry> {
    KINDS.iter().chain(ADDED.iter())
}

/// Adds a program's own kinds.
///
/// # Errors
/// A name that is there twice.
pub(crate) fn add(kinds: Vec<Entry>) -> Result<(), String> {
    ADDED.fill(KINDS.iter().map(|kind| kind.name), kinds, |kind| kind.name)
}

/// The kind of that name.
fn find(name: &str) -> Option<&'static Entry> {
    kinds().find(|kind| kind.name == name)
}

/// Reads when a workload of that kind acts, and what it does; `None` if there is no such kind, or a
/// problem was noted that leaves nothing to play.
pub fn read(kind: &str, reading: &Reading<'_>, problems: &mut Problems) -> Option<(Pace, Action)> {
    (find(kind)?.read)(reading, problems)
}

/// Starts on a host that boots what workloads of any kind need there.
pub fn serve(run: &Arc<Run>, host: u32) {
    for kind in kinds() {
        (kind.serve)(run, host);
    }
}

/// What a workload does: an action of any kind.
#[derive(Clone)]
pub struct Action(Arc<dyn Erased>);

impl Action {
    fn new<K: Kind>(kind: K) -> Self {
        Self(Arc::new(kind))
    }

    /// It as an action of kind `K`, if it is one.
    pub fn get<K: Kind>(&self) -> Option<&K> {
        let kind: &dyn Any = &*self.0;
        kind.downcast_ref()
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        self.0.name()
    }

    /// See [`Kind::note_unfit`].
    pub fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        self.0.unfit(from, reading, problems);
    }

    /// See [`Kind::longest_ns`].
    pub fn longest_ns(&self) -> Option<u64> {
        self.0.longest()
    }

    /// See [`Kind::others`].
    pub fn others(&self) -> Option<(&Hosts, &'static str)> {
        self.0.those()
    }

    /// See [`Kind::concerns`].
    pub fn concerns(&self, index: u32) -> Option<u32> {
        self.0.end_of(index)
    }

    /// See [`Kind::NEEDS`].
    pub fn needs(&self) -> &'static [Capability] {
        self.0.wants()
    }

    /// See [`Kind::FOLLOWS_LINKS`].
    pub fn follows_links(&self) -> bool {
        self.0.sees_links()
    }

    /// See [`Kind::plan`].
    pub fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        self.0.draw(turn, drawing);
    }

    /// See [`Kind::perform`].
    ///
    /// # Panics
    /// If `act` is not one of this action's kind.
    pub fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        self.0.act(run, actor, act);
    }
}

/// A kind behind a pointer.
trait Erased: Any + fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems);
    fn longest(&self) -> Option<u64>;
    fn those(&self) -> Option<(&Hosts, &'static str)>;
    fn end_of(&self, index: u32) -> Option<u32>;
    fn wants(&self) -> &'static [Capability];
    fn sees_links(&self) -> bool;
    fn draw(&self, turn: &Turn, drawing: &mut Drawing<'_>);
    fn act(&self, run: &Arc<Run>, actor: Actor, act: &Act);
    fn is(&self, other: &dyn Any) -> bool;
    fn to_json(&self) -> serde_json::Result<Value>;
}

impl<K: Kind> Erased for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        self.note_unfit(from, reading, problems);
    }

    fn longest(&self) -> Option<u64> {
        self.longest_ns()
    }

    fn those(&self) -> Option<(&Hosts, &'static str)> {
        self.others()
    }

    fn end_of(&self, index: u32) -> Option<u32> {
        self.concerns(index)
    }

    fn wants(&self) -> &'static [Capability] {
        K::NEEDS
    }

    fn sees_links(&self) -> bool {
        K::FOLLOWS_LINKS
    }

    fn draw(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        self.plan(turn, drawing);
    }

    fn act(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        let act = act.get::<K>();
        let act = act.unwrap_or_else(|| unreachable!("{act:?} was not drawn for {self:?}"));
        self.perform(run, actor, act);
    }

    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
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

/// What one host does once, as the seed has drawn it, for a workload of any kind.
#[derive(Clone)]
pub struct Act(Arc<dyn ErasedAct>);

impl Act {
    /// What a kind has drawn.
    pub fn new<K: Kind>(act: K::Act) -> Self {
        Self(Arc::new(act))
    }

    /// It as an act of kind `K`, if it is one.
    pub fn get<K: Kind>(&self) -> Option<&K::Act> {
        let act: &dyn Any = &*self.0;
        act.downcast_ref()
    }
}

/// An act behind a pointer.
trait ErasedAct: Any + fmt::Debug + Send + Sync {
    fn is_act(&self, other: &dyn Any) -> bool;
}

impl<A: Any + fmt::Debug + Eq + Send + Sync> ErasedAct for A {
    fn is_act(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Act {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_act(&*other.0)
    }
}

impl Eq for Act {}

/// `[[workload]]` as it is documented.
pub struct WorkloadFields;

impl JsonSchema for WorkloadFields {
    fn schema_name() -> Cow<'static, str> {
        "WorkloadFields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let member = |kind: &Entry| with_kind(kind.name, (kind.fields)(generator));
        let members: Vec<Schema> = kinds().map(member).collect();
        let description = "`[[workload]]`: what people do with their nodes.";
        json_schema!({ "description": description, "oneOf": members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::reading::reader::kinds_of;

    #[test]
    fn kinds_are_documented_under_names_of_their_own() {
        let mut names: Vec<&str> = kinds().map(|kind| kind.name).collect();
        assert_eq!(kinds_of::<WorkloadFields>(), names);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kinds().count());
    }

    #[test]
    fn an_action_travels_by_the_name_of_its_kind() {
        let hosts = Hosts {
            ranges: vec![(1, 2)],
        };
        let sent = Action::new(feed::block::Block { whom: hosts });
        let text = serde_json::to_string(&sent).expect("it is plain data");
        assert_eq!(text, r#"{"block":{"whom":{"ranges":[[1,2]]}}}"#);
        let received: Action = serde_json::from_str(&text).expect("it is an action");
        assert_eq!(received, sent);
        assert!(received.get::<feed::pull::Pull>().is_none());
        let unknown = serde_json::from_str::<Action>(r#"{"flood":{}}"#);
        let told = unknown.expect_err("there is no such kind").to_string();
        assert!(told.contains("no workload \"flood\""), "{told}");
    }
}
