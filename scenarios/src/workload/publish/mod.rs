//! The workload `publish`: hosts send messages to groups without storage.
//!
//! Owns what may be said of it, and the sending. What became of each message is [`messages`]', and
//! why one did not arrive [`fates`] finds out.

mod fates;
mod figures;
mod messages;
mod metrics;

use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::{Command, Event};
use orrery_node::config::Gossip;
use orrery_node::topic::{Topic, TopicError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::not_done::Reason;
use super::{
    Actor, Drawing, Ended, HostDown, Kind, NodeEvent, Planned, Reading, Results, Tracker, Turn,
};
use crate::format::reading::amount::{Amount, AmountText};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::bytes;
use crate::format::scenario::group::Group;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::node_counters::copies;
use crate::play::run::Run;
use crate::world::draw;
use messages::{HostSet, Messages, Sent};

/// Hosts send messages to a topic, which are not stored. Every host whose node has joined the topic
/// is meant to get them (`"gossip.enabled" = true`, `"gossip.topics" = ["…"]`).
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that send.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The topic of the messages.
    pub topic: String,
    /// Size of a message, at least 4 bytes and at most what the nodes of those who send may
    /// (`"gossip.max_message_bytes"` less 1,024 bytes for author and signature); `200B` if
    /// absent. A host whose own limit is smaller leaves the message out.
    pub size: Option<AmountText>,
}

/// Send a message to a group without storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The topic of the messages.
    pub topic: Topic,
    /// Size of the message in bytes.
    pub size_bytes: Amount,
}

/// One message, as drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Size of the message.
    pub size_bytes: u32,
    /// Names the message among all of the run, from 0 without gaps in no particular order.
    pub ticket: u32,
}

impl Kind for Publish {
    type Fields = Fields;
    type Act = Act;
    type Tracker = Messages;

    const NAME: &'static str = "publish";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::PUBLISH_NOT_DONE;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let topic = reading.reader.text("topic", problems)?.parse();
        let topic = topic.map_err(|error: TopicError| {
            problems.push(reading.reader.span("topic"), error.to_string());
        });
        Some(Self {
            topic: topic.ok()?,
            size_bytes: read_size(reading, problems),
        })
    }

    /// A group is heard of only by hosts that take part in it.
    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        let help = "set node = { \"gossip.enabled\" = true, \"gossip.topics\" = [\"…\"] }";
        let mut note = |message: String| {
            let span = reading.reader.span("topic");
            problems.push_with_help(span, message, Some(help.to_owned()));
        };
        for group in reading.groups {
            let sends = from.iter().any(|host| group.hosts().contains(&host));
            if sends && !group.plays_gossip() {
                note(format!(
                    "hosts of group {} send, but their nodes take part in no groups",
                    quoted(&group.name)
                ));
            }
        }
        let mut groups = reading.groups.iter();
        if !groups.any(|group| group.has_joined(self.topic.as_str())) {
            note(format!(
                "no host has joined the topic {}",
                quoted(self.topic.as_str())
            ));
        }
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let size_bytes = draw::positive(self.size_bytes, &mut drawing.stream) as u32;
        let ticket = drawing.number(Self::NAME);
        drawing.act::<Self>(turn.at_ns, turn.host, Act { size_bytes, ticket });
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        let node = run.node(actor.host);
        let sent = if node.is_some() {
            Sent::Unanswered
        } else {
            Sent::AuthorDown
        };
        let now_ns = run.now_ns();
        let by = (actor.host, actor.workload);
        let mut state = run.state();
        let messages = state.trackers.get::<Publish>();
        messages.sending((act.ticket, act.size_bytes), by, now_ns, sent);
        drop(state);
        let Some(node) = node else { return };
        let (topic, ticket) = (self.topic.clone(), act.ticket);
        let data = messages::write(ticket, act.size_bytes);
        let run = Arc::clone(run);
        let testbed = Arc::clone(&run.testbed);
        let sending = async move {
            let reply = node.command(Command::Publish { topic, data }).await;
            let sent = match reply {
                Ok(_) => Sent::Yes,
                Err(error) => {
                    tracing::warn!(%error, "a message was not sent");
                    Sent::Refused
                }
            };
            run.state().trackers.get::<Publish>().answered(ticket, sent);
        };
        testbed.spawn(actor.host, sending.boxed());
    }

    fn tracker(planned: &Planned<'_>) -> Messages {
        let hosts = planned.world.hosts.len();
        let workloads = &planned.scenario.workloads;
        if !workloads.iter().any(|it| it.action.get::<Self>().is_some()) {
            return Messages::new(hosts, Vec::new(), planned.window_ns());
        }
        // The hosts that have joined the topic; none where a workload has none.
        let subscribers = workloads.iter().map(|workload| {
            let mut joined = HostSet::new(hosts);
            if let Some(publish) = workload.action.get::<Self>() {
                let groups = planned.scenario.groups.iter();
                let groups = groups.filter(|group| group.has_joined(publish.topic.as_str()));
                for host in groups.flat_map(Group::hosts) {
                    joined.insert(host);
                }
            }
            joined
        });
        Messages::new(hosts, subscribers.collect(), planned.window_ns())
    }
}

impl Tracker for Messages {
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        match told.event {
            Event::GossipReceived { data, from, .. } => {
                let from = told.names.of_peer(from);
                self.came(data, (from, told.host), told.now_ns);
            }
            Event::GossipRefused { .. } => self.refused += 1,
            _ => {}
        }
    }

    fn on_host_down(&mut self, down: &HostDown<'_>) {
        self.copies_lost += down.node.map_or(0, copies);
    }

    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        if !self.is_empty() && !ended.failed {
            figures::collect(self, ended, results);
        }
    }

    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        for (_, message) in self.by_time() {
            match message.sent {
                Sent::AuthorDown => add(Reason::HostDown, 1),
                Sent::Refused => add(Reason::Refused, 1),
                Sent::Unanswered | Sent::Yes => {}
            }
        }
    }
}

/// A message carries the number by which its fate is followed.
const MESSAGE_MIN_BYTES: i64 = 4;

/// Reads the size of messages, which the nodes of all who send them must be let send.
fn read_size(reading: &Reading<'_>, problems: &mut Problems) -> Amount {
    let (reader, from) = (&reading.reader, reading.from);
    let default = Amount::constant(200);
    let Some(size) = reader.amount("size", bytes, problems) else {
        return default;
    };
    let Some((low, high)) = size.bounds() else {
        let message = "\"size\": expected a constant or uniform(a, b)";
        problems.push(reader.span("size"), message);
        return default;
    };
    if low < MESSAGE_MIN_BYTES {
        problems.push(reader.span("size"), "\"size\": expected at least 4B");
        return default;
    }
    for group in reading.groups {
        let sends = from.is_some_and(|from| from.iter().any(|host| group.hosts().contains(&host)));
        let Some(max) = group.message_bytes_max().filter(|_| sends) else {
            continue;
        };
        if high > i64::from(max) {
            let message = format!(
                "\"size\": nodes of group {} send messages of at most {max}B \
                 (\"gossip.max_message_bytes\" less {}B for author and signature)",
                quoted(&group.name),
                Gossip::ENVELOPE_BYTES,
            );
            let help = format!(
                "set node = {{ \"gossip.max_message_bytes\" = {} }}, in all groups that have joined the topic",
                high.saturating_add(i64::from(Gossip::ENVELOPE_BYTES))
            );
            problems.push_with_help(reader.span("size"), message, Some(help));
            return default;
        }
    }
    size
}
