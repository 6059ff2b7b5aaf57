//! What a kind of workload says of itself, from the fields that it has to what it does in a run.

use std::fmt::Debug;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Drawing, Planned, Tracker, Turn};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::{bytes, time_ns};
use crate::format::reading::reader::Reader;
use crate::format::scenario::friends::Graph;
use crate::format::scenario::group::Group;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::Hosts;
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;

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

/// Headers of a datagram over IPv4.
pub const HEADER_BYTES: u32 = 28;

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The host.
    pub host: u32,
    /// The workload that says so, by its place in the scenario.
    pub workload: usize,
}

/// A workload that is being read.
pub struct Reading<'a> {
    /// Its table.
    pub reader: Reader<'a>,
    /// Who acts, if that could be read.
    pub from: Option<&'a Hosts>,
    /// The groups of the scenario.
    pub groups: &'a [Group],
    /// The scenario's duration; 0 if it could not be read.
    pub duration_ns: u64,
}

impl Reading<'_> {
    /// Reads `timeout`, which is above 0s, in nanoseconds; `None` if a problem was noted.
    pub fn timeout_ns(&self, default_ns: u64, problems: &mut Problems) -> Option<u64> {
        match self.reader.quantity("timeout", time_ns, problems) {
            None => Some(default_ns),
            Some(ns) if ns > 0 => Some(ns as u64),
            Some(_) => {
                let message = "\"timeout\": expected a time above 0s";
                problems.push(self.reader.span("timeout"), message);
                None
            }
        }
    }

    /// Notes hosts that are to act through nodes and have none. Returns whether there are any.
    pub fn note_nodeless(&self, from: &Hosts, problems: &mut Problems) -> bool {
        for group in self.groups.iter().filter(|group| !group.has_node()) {
            if from.iter().any(|host| group.hosts().contains(&host)) {
                let message = format!(
                    "{} needs nodes, and group {} has none",
                    self.reader.what,
                    quoted(&group.name)
                );
                problems.push(self.reader.span("from"), message);
                return true;
            }
        }
        false
    }

    /// Notes hosts that are to act through nodes on their friends and have no nodes, or none of
    /// which has a friend.
    pub fn note_friendless(&self, from: &Hosts, problems: &mut Problems) {
        if self.note_nodeless(from, problems) {
            return;
        }
        let lonely = self.groups.iter().all(|group| {
            let concerned = from.iter().any(|host| group.hosts().contains(&host));
            let none = group.friends.friendships(group.count) == 0 || group.friends == Graph::None;
            !concerned || none && !has_friends_elsewhere(group, self.groups)
        });
        if lonely {
            let what = self.reader.what;
            let message = format!("{what} reaches nobody: its hosts have no friends");
            let help = "give their group friends, such as { graph = \"ring\" }".to_owned();
            problems.push_with_help(self.reader.span("from"), message, Some(help));
        }
    }

    /// Reads `size`, the bytes of a packet with all its headers, which the senders' links must take
    /// and in which there must be room for so many bytes of payload.
    pub fn packet_bytes(
        &self,
        payload_min: u32,
        default: u32,
        problems: &mut Problems,
    ) -> Option<u32> {
        if self.reader.value("size").is_none() {
            return Some(default);
        }
        let size = self.reader.quantity("size", bytes, problems)?;
        let sends = |group: &&Group| {
            let mut hosts = self.from.into_iter().flat_map(Hosts::iter);
            hosts.any(|host| group.hosts().contains(&host))
        };
        let senders = self.groups.iter().filter(sends);
        let most = senders.map(|group| group.access.mtu_bytes).min();
        let (least, most) = (HEADER_BYTES + payload_min, most.unwrap_or(1_500));
        if !(i64::from(least)..=i64::from(most)).contains(&size) {
            let message = format!(
                "\"size\": expected {least}B to {most}B, headers of {HEADER_BYTES} B included, \
                 which is what the link of the senders takes"
            );
            problems.push(self.reader.span("size"), message);
            return None;
        }
        Some(size as u32)
    }

    /// Notes senders of which one is dealt itself as the receiver. Returns whether there is one.
    pub fn note_to_itself(&self, to: &Hosts, message: &str, problems: &mut Problems) -> bool {
        let mut pairs = self.from.into_iter().flat_map(Hosts::iter).zip(0..);
        let to_itself = pairs.any(|(sender, place)| to.dealt(place) == sender);
        if to_itself {
            problems.push(self.reader.span("to"), message);
        }
        to_itself
    }
}

/// Whether hosts of a group are friends with hosts of others, whichever group says so.
fn has_friends_elsewhere(group: &Group, groups: &[Group]) -> bool {
    let named = |other: &Group| {
        let mut friends = other.friends_with.iter();
        friends.any(|host| group.hosts().contains(&host))
    };
    !group.friends_with.is_empty() || groups.iter().any(named)
}
