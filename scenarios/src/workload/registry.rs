//! Which kinds of workload there are, a line each, and what each of them does in a run.
//!
//! The only place beside their own rooms that names kinds. What is here for all of them follows
//! from [`Kind`]: what is declared of them before anything runs, and dispatch.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;

use super::action::{Declared, declare};
use super::{
    Act, Action, Actor, Kind, Planned, Tracker, Trackers, chat, connect, dial, feed, flow, lookup,
    packets, ping, publish, punch,
};
use crate::added::Added;
use crate::fault;
use crate::metrics::{self, Definition};
use crate::play::run::Run;

/// The kinds of workload that ship with the program, in the order of their documentation.
const KINDS: &[Entry] = &[
    Entry::of::<feed::post::Post>(),
    Entry::of::<feed::pull::Pull>(),
    Entry::of::<feed::late_grant::LateGrant>(),
    Entry::of::<chat::Chat>(),
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
    declared: Declared,
    tracker: fn(&Planned<'_>) -> Box<dyn Tracker>,
    serve: fn(&Arc<Run>, u32),
    perform: fn(&Action, &Arc<Run>, Actor, &Act),
}

impl Entry {
    /// What a kind says of itself.
    pub const fn of<K: Kind>() -> Self {
        Self {
            declared: Declared {
                name: K::NAME,
                metrics: K::METRICS,
                not_done: K::NOT_DONE,
                read: |reading, problems| {
                    let pace = K::read_pace(reading, problems);
                    Some((pace, Action::new(K::read(reading, problems)?)))
                },
                fields: <K::Fields as JsonSchema>::json_schema,
                from_json: |value| serde_json::from_value::<K>(value).map(Action::new),
            },
            tracker: |planned| Box::new(K::tracker(planned)),
            serve: K::serve,
            perform: |action, run, actor, act| match (action.get::<K>(), act.get::<K>()) {
                (Some(kind), Some(act)) => kind.perform(run, actor, act),
                _ => unreachable!("{act:?} was not drawn for {action:?}"),
            },
        }
    }

    /// Its name, as written.
    pub fn name(&self) -> &'static str {
        self.declared.name
    }
}

/// Kinds of the program that this library is part of.
static ADDED: Added<Entry> = Added::none();

/// All kinds, those that ship with the tool first.
fn entries() -> impl Iterator<Item = &'static Entry> {
    KINDS.iter().chain(ADDED.iter())
}

/// Adds a program's own kinds, before [`ready`].
///
/// # Errors
/// A name that is there twice.
pub(crate) fn add(kinds: Vec<Entry>) -> Result<(), String> {
    ADDED.fill(KINDS.iter().map(Entry::name), kinds, |kind| kind.name())
}

/// Declares all kinds, if that has not been done: without them no scenario can be read.
pub(crate) fn ready() {
    declare(|| {
        let declared = entries().map(|entry| entry.declared);
        declared.map(with_causes_of_faults).collect()
    });
}

/// A kind of whose metrics those that have the causes of faults, too, have them among their values.
fn with_causes_of_faults(kind: Declared) -> Declared {
    if !kind.metrics.iter().any(|metric| metric.of_faults) {
        return kind;
    }
    let with_causes = |metric: &Definition| {
        if !metric.of_faults {
            return *metric;
        }
        let mut values = metric.values.to_vec();
        values.extend(fault::loss_meanings());
        values.sort_unstable();
        let values = values.leak();
        Definition { values, ..*metric }
    };
    // Kinds are declared once, and live as long as the process.
    let metrics: Vec<Definition> = kind.metrics.iter().map(with_causes).collect();
    Declared {
        metrics: metrics.leak(),
        ..kind
    }
}

/// Whether a program's own kinds may be added with their metrics.
///
/// # Errors
/// The name of a metric that is there twice.
pub(crate) fn check_metrics(kinds: &[Entry]) -> Result<(), String> {
    let shipped = KINDS.iter().flat_map(|kind| kind.declared.metrics);
    let shipped = shipped.map(|metric| metric.name);
    let mut names: BTreeSet<&str> = shipped.chain(metrics::names_without_kinds()).collect();
    let mut added = kinds.iter().flat_map(|kind| kind.declared.metrics);
    match added.find(|metric| !names.insert(metric.name)) {
        Some(metric) => Err(metric.name.to_owned()),
        None => Ok(()),
    }
}

/// What follows the actions of all kinds, in a world in which nothing has happened yet.
pub fn trackers(planned: &Planned<'_>) -> Trackers {
    let used = planned.scenario.workload_kinds();
    Trackers::new(entries().map(|kind| {
        let name = kind.name();
        (name, used.contains(&name), (kind.tracker)(planned))
    }))
}

/// Starts on a host that boots what workloads of any kind need there.
pub fn serve(run: &Arc<Run>, host: u32) {
    for kind in entries() {
        (kind.serve)(run, host);
    }
}

/// Has a host do what was drawn for it.
///
/// # Panics
/// If `act` is not one of the action's kind.
pub fn perform(action: &Action, run: &Arc<Run>, actor: Actor, act: &Act) {
    let kind = entries().find(|kind| kind.name() == action.kind());
    let kind = kind.unwrap_or_else(|| unreachable!("{action:?} is of no kind"));
    (kind.perform)(action, run, actor, act);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::reading::reader::kinds_of;
    use crate::format::scenario::selector::Hosts;
    use crate::workload::{WorkloadFields, kinds};

    #[test]
    fn kinds_are_documented_under_names_of_their_own() {
        let mut names: Vec<&str> = kinds().map(|kind| kind.name).collect();
        assert_eq!(kinds_of::<WorkloadFields>(), names);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kinds().count());
    }

    #[test]
    fn a_metric_that_is_taken_is_refused() {
        let of_nodes = [crate::metrics::value("relay.lost", "1", &[], "Nothing.")];
        let entry = |metrics: &'static [Definition]| {
            let mut entry = Entry::of::<ping::Ping>();
            entry.declared.metrics = metrics;
            entry
        };
        let lost = || entry(Vec::from(of_nodes).leak());
        assert_eq!(check_metrics(&[lost()]), Err("relay.lost".to_owned()));
        let shipped = Entry::of::<ping::Ping>().declared.metrics;
        assert_eq!(
            check_metrics(&[entry(shipped)]),
            Err(shipped[0].name.to_owned())
        );
        assert_eq!(check_metrics(&[entry(&[])]), Ok(()));
    }

    #[test]
    fn metrics_of_lost_messages_have_the_causes_of_all_faults() {
        let metric = metrics::find("gossip.lost").expect("it is there");
        for (cause, _) in fault::loss_meanings() {
            assert!(metric.cases().any(|known| known == cause), "{cause}");
        }
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
