//! What a kind of workload says of itself, from the fields that it has to what it does in a run.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::action::Erased;
use super::{Act, Drawing, Planned, Reading, Tracker, Trackers, Turn};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::Hosts;
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;
use crate::world::Step;

/// A kind of workload, as a scenario has given it.
///
/// ```
/// use orrery_scenarios::workload::{Kind, feed::post::Post};
///
/// assert_eq!(Post::NAME, "post");
/// ```
pub trait Kind:
    Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + Sized + 'static
{
    /// Its fields, of which the schema and all explanations are made; their documentation is the
    /// kind's. It is never built.
    type Fields: JsonSchema;
    /// What one host does once, as drawn.
    type Act: Debug + Eq + Send + Sync + 'static;
    /// What follows its actions.
    type Tracker: Tracker;

    /// Its name, as written.
    const NAME: &'static str;
    /// Its metrics, by name.
    const METRICS: &'static [Definition];
    /// The one of them that counts what was asked and not done: `<kind>.not_done`.
    const NOT_DONE: &'static Definition;
    /// What a testbed must be able to do for it, beside carrying nodes.
    const NEEDS: &'static [Capability] = &[];
    /// Whether it matters which host has connections with which other.
    const FOLLOWS_LINKS: bool = false;

    /// Reads when it acts.
    fn read_pace(reading: &Reading<'_>, problems: &mut Problems) -> Pace {
        Pace::read(&reading.reader, reading.duration_ns, problems)
    }

    /// Reads its own fields; `None` if a problem was noted that leaves nothing to play.
    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self>;

    /// Notes what it needs of the hosts `from` that these have not.
    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems);

    /// How long an action may go on, in nanoseconds; `None` if that is not known beforehand.
    fn longest_ns(&self) -> Option<u64>;

    /// Whom it acts on with the acting host left out, and what it does to them, such as `dials`.
    fn others(&self) -> Option<(&Hosts, &'static str)> {
        None
    }

    /// The host that has to run, too, when the host of that place among those of the workload acts.
    fn concerns(&self, index: u32) -> Option<u32> {
        let _ = index;
        None
    }

    /// Draws what a host does in its turn.
    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>);

    /// Does it.
    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Self::Act);

    /// What follows the actions of all its workloads.
    fn tracker(planned: &Planned<'_>) -> Self::Tracker;

    /// Starts on a host that boots what its workloads need there, at whichever end.
    fn serve(run: &Arc<Run>, host: u32) {
        let _ = (run, host);
    }
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The host.
    pub host: u32,
    /// The workload that says so, by its place in the scenario.
    pub workload: usize,
}

impl Drawing<'_> {
    /// A host does something.
    pub fn act<K: Kind>(&mut self, at_ns: u64, host: u32, act: K::Act) {
        self.step(at_ns, host, Act::new(act));
    }
}

impl Planned<'_> {
    /// The acts of one kind in the order of their times: when, which host, and what.
    pub fn acts<K: Kind>(&self) -> impl Iterator<Item = (u64, u32, &K, &K::Act)> {
        self.world.steps.iter().filter_map(|(at_ns, step)| {
            let Step::Work {
                host,
                workload,
                act,
            } = step
            else {
                return None;
            };
            let kind = self.scenario.workloads[*workload].action.get::<K>()?;
            Some((*at_ns, *host, kind, act.get::<K>()?))
        })
    }
}

impl Trackers {
    /// The tracker of kind `K`.
    ///
    /// # Panics
    /// If the registry lacks the kind.
    pub fn get<K: Kind>(&mut self) -> &mut K::Tracker {
        let tracker = self.named(K::NAME).and_then(|it| it.downcast_mut());
        tracker.unwrap_or_else(|| panic!("no tracker of workloads of kind {}", K::NAME))
    }
}

impl Act {
    /// It as an act of kind `K`, if it is one.
    pub fn get<K: Kind>(&self) -> Option<&K::Act> {
        self.downcast()
    }
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

    fn is(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }

    fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}
