//! The workload `chat`: hosts send messages to friends, who read them a while later.
//!
//! Owns what may be said of it, what is drawn, and the commands. What became of each message is
//! [`messages`]'.

mod messages;
mod metrics;

use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::{Command, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::not_done::Reason;
use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::amount::{Amount, AmountText};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::bytes;
use crate::format::scenario::pace::{PaceFields, read_length};
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::world::draw;
use messages::Messages;

/// Hosts send messages to friends, each to one that is drawn for it, who reads it later.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that send.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// Those of its friends with whom a host talks; all of them if absent.
    pub to: Option<HostsText>,
    /// How long after a message was sent its reader looks at the conversation, such as
    /// `uniform(5s, 2m)`, and reads all that has come by then; never if absent.
    pub read: Option<AmountText>,
    /// Size of a message's text, such as `uniform(20B, 500B)`, at most 16 KiB; `100B` if absent.
    pub size: Option<AmountText>,
}

/// Talk with friends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// Who is talked with, if they are friends; all friends if absent.
    pub to: Option<Hosts>,
    /// How long after a message its reader looks, in nanoseconds.
    pub read_ns: Option<Amount>,
    /// Size of a text in bytes.
    pub size_bytes: Amount,
}

/// What a host does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It sends a message.
    Send {
        /// To whom.
        to: u32,
        /// Size of its text.
        size_bytes: u32,
        /// Names the message among all of the run, from 0 without gaps in no particular order.
        ticket: u32,
    },
    /// It reads what has come.
    Read {
        /// From whom.
        with: u32,
    },
}

impl Kind for Chat {
    type Fields = Fields;
    type Act = Act;
    type Tracker = Messages;

    const NAME: &'static str = "chat";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::CHAT_NOT_DONE;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let read_ns = match reading.reader.value("read") {
            Some(_) => Some(read_length(&reading.reader, "read", problems)?),
            None => None,
        };
        let to = match reading.reader.value("to") {
            Some(_) => Some(selector::read(
                &reading.reader,
                "to",
                reading.groups,
                problems,
            )?),
            None => None,
        };
        Some(Self {
            to,
            read_ns,
            size_bytes: read_size(reading, problems),
        })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_friendless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        let Some(read_ns) = self.read_ns else {
            return Some(0);
        };
        let (_, high) = read_ns.bounds()?;
        Some(high.max(0) as u64)
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let size_bytes = draw::positive(self.size_bytes, &mut drawing.stream) as u32;
        let read_ns = self.read_ns;
        let read_ns = read_ns.map(|read_ns| draw::positive(read_ns, &mut drawing.stream));
        let friends = drawing.friends.of(turn.host).iter().copied();
        let talks = |friend: &u32| self.to.as_ref().is_none_or(|to| to.contains(*friend));
        let circle: Vec<u32> = friends.filter(talks).collect();
        if circle.is_empty() {
            return drawing.in_vain();
        }
        let to = circle[drawing.stream.below(circle.len() as u64) as usize];
        let ticket = drawing.number(Self::NAME);
        let send = Act::Send {
            to,
            size_bytes,
            ticket,
        };
        drawing.act::<Self>(turn.at_ns, turn.host, send);
        if let Some(read_ns) = read_ns {
            let at_ns = turn.at_ns.saturating_add(read_ns.max(1));
            if at_ns < drawing.duration_ns {
                drawing.act::<Self>(at_ns, to, Act::Read { with: turn.host });
            }
        }
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        match *act {
            Act::Send {
                to,
                size_bytes,
                ticket,
            } => send(run, actor.host, to, text(ticket, size_bytes)),
            Act::Read { with } => read(run, actor.host, with),
        }
    }

    fn tracker(planned: &Planned<'_>) -> Messages {
        Messages::new(planned.window_ns())
    }
}

/// A host sends a message, if its node runs.
fn send(run: &Arc<Run>, author: u32, reader: u32, text: String) {
    let Some(node) = run.node(author) else {
        return run.state().not_done.add(Chat::NAME, Reason::HostDown);
    };
    let command = Command::ChatSend {
        to: run.identity(reader),
        text,
        reply_to: None,
    };
    let testbed = Arc::clone(&run.testbed);
    let run = Arc::clone(run);
    let sending = async move {
        let asked = run.testbed.now();
        let reply = node.command(command).await;
        let took_us = (run.testbed.now() - asked).as_micros() as u64;
        let state = &mut *run.state();
        if let Err(error) = &reply {
            tracing::warn!(%error, "a message was not sent");
            state.not_done.add(Chat::NAME, error.into());
        }
        let messages = state.trackers.get::<Chat>();
        messages.answered(asked.as_nanos(), took_us, reply.is_ok());
    };
    testbed.spawn(author, sending.boxed());
}

/// A host reads what has come from a friend, if its node runs.
fn read(run: &Arc<Run>, reader: u32, author: u32) {
    let Some(node) = run.node(reader) else {
        return run.state().not_done.add(Chat::NAME, Reason::HostDown);
    };
    let with = run.identity(author);
    let testbed = Arc::clone(&run.testbed);
    let run = Arc::clone(run);
    let reading = async move {
        let asked_ns = run.testbed.now().as_nanos();
        let reply = node.command(Command::ChatRead { with }).await;
        let now_ns = run.testbed.now().as_nanos();
        let state = &mut *run.state();
        match reply {
            Ok(Reply::MarkedRead { .. }) => {
                let messages = state.trackers.get::<Chat>();
                messages.marked((author, reader), asked_ns, now_ns);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "a conversation was not read");
                state.not_done.add(Chat::NAME, (&error).into());
            }
        }
    };
    testbed.spawn(reader, reading.boxed());
}

/// A text of `size_bytes` characters that names its ticket.
fn text(ticket: u32, size_bytes: u32) -> String {
    const FILLER: &str = "is it at noon or is it at one or is it not at all ";
    let beginning = format!("message {ticket}: ");
    let rest = (size_bytes as usize).saturating_sub(beginning.len());
    beginning + &FILLER.chars().cycle().take(rest).collect::<String>()
}

/// Reads the size of a message's text, in bytes.
fn read_size(reading: &Reading<'_>, problems: &mut Problems) -> Amount {
    const SIZE_MAX_BYTES: i64 = orrery_node::chat::TEXT_BYTES_MAX as i64;
    let default = Amount::constant(100);
    let Some(size) = reading.reader.amount("size", bytes, problems) else {
        return default;
    };
    match size.bounds() {
        Some((low, high)) if low >= 0 && high <= SIZE_MAX_BYTES => size,
        _ => {
            let message = "\"size\": expected a constant or uniform(a, b) of at most 16KiB";
            problems.push(reading.reader.span("size"), message);
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::format::read;
    use crate::play;

    fn scenario(fields: &str, rest: &str) -> String {
        format!(
            "name='t'\nduration='4m'\ndrain='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='a'\ncount=2\nboot='0s'\nfriends={{ graph='complete' }}\n\
             node={{ 'sync.pull_interval'='5s' }}\n\
             [[workload]]\nkind='chat'\nfrom='a'\n{fields}\n{rest}"
        )
    }

    fn value(result: &SeedResult, key: &str) -> Option<u64> {
        match result.metrics.get(key)? {
            Metric::Value { value, .. } => Some(*value as u64),
            Metric::Distribution { count, .. } => Some(*count),
        }
    }

    #[test]
    fn wrong_chats_are_named() {
        let check = |fields: &str, expected: &str| {
            let problems = read("t", &scenario(fields, ""), None, &[]).expect_err(fields);
            let problems = problems.to_string();
            assert!(problems.contains(expected), "{fields}: {problems}");
        };
        check("at='20s'\nsize='17KiB'", "at most 16KiB");
        check("at='20s'\nread='soon'", "\"read\"");
    }

    #[test]
    fn messages_come_in_order_and_are_read_also_across_a_power_cut() {
        let fields = "at='20s'\nevery='5s'\ncount=30\nread='10s'";
        let cut = "[[fault]]\nkind='power-cut'\nhosts='a[1]'\nat='60s'\nfor='40s'\n";
        for (rest, asked) in [("", true), (cut, false)] {
            let result = play::played(&scenario(fields, rest), None);
            let of = |key: &str| value(&result, key).unwrap_or_else(|| panic!("no {key}"));
            assert_eq!(of("chat.lost"), 0);
            assert_eq!([of("chat.duplicates"), of("chat.reordered")], [0, 0]);
            assert_eq!([of("chat.acked_lost"), of("chat.receipts.refused")], [0, 0]);
            let sent = of("chat.delivered");
            assert_eq!(of("chat.delivery.latency"), sent);
            assert_eq!(sent == 60, asked, "{sent}");
            assert_eq!(of("chat.not_done") == 0, asked);
            assert!(of("chat.read.latency") > 30);
            assert!(result.invariants.iter().all(|invariant| invariant.held));
            let names = ["acknowledged-messages-survive", "receipts-are-true"];
            for name in names {
                assert!(
                    result.invariants.iter().any(|it| it.name == name.into()),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn what_goes_with_a_disk_has_its_cause_and_breaks_nothing() {
        let fields = "at='20s'\nevery='10s'\ncount=12\nread='5s'";
        for (host, keys) in [(0, "kept"), (1, "kept"), (0, "lost"), (1, "lost")] {
            let fault = format!(
                "[[fault]]\nkind='new-disk'\nhosts='a[{host}]'\nat='60s'\nfor='20s'\nkeys='{keys}'\n"
            );
            let result = play::played(&scenario(fields, &fault), None);
            let broken = result.invariants.iter().find(|it| !it.held);
            assert!(broken.is_none(), "a[{host}], {keys}: {broken:?}");
            assert_eq!(value(&result, "chat.duplicates"), Some(0));
            assert!(value(&result, "chat.delivered") > Some(8));
        }
    }

    #[test]
    fn a_message_to_who_never_comes_back_is_lost_with_its_cause() {
        let away = "[[fault]]\nkind='stop'\nhosts='a[1]'\nat='30s'\nfor='1h'\n";
        let fields = "at='40s'\nread='10s'";
        // In a drain the host would be back.
        let text = scenario(fields, away).replace("drain='1m'", "drain='0s'");
        let result = play::played(&text, None);
        assert_eq!(value(&result, "chat.lost"), Some(1));
        assert_eq!(value(&result, "chat.lost{cause=reader-down}"), Some(1));
        assert_eq!(value(&result, "chat.unread"), Some(1));
    }
}
