//! The workload `late-grant`: hosts write posts to all friends but one, who is let in later.

use std::sync::Arc;

use orrery_node::api::{Audience, Command};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::post::{self, Post, write};
use super::{command, metrics, read_size};
use crate::format::reading::amount::{Amount, AmountText};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::{PaceFields, read_length};
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::workload::not_done::Reason;
use crate::workload::{Actor, Drawing, Kind, Planned, Reading, Turn, Untracked};
use crate::world::draw;

/// Hosts write posts to all friends but one, who is let in only later.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that post.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// How old a post is when the last friend may read it, such as `uniform(1m, 5m)`.
    pub age: AmountText,
    /// Size of a post's text; `200B` if absent.
    pub size: Option<AmountText>,
}

/// Write a post and let one friend in later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateGrant {
    /// Age of the post at that moment, in nanoseconds.
    pub age_ns: Amount,
    /// Size of its text in bytes.
    pub size_bytes: Amount,
}

/// One of the two things that happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The post is written.
    Post {
        /// What is written.
        post: post::Act,
        /// A friend who may not read it yet.
        except: u32,
    },
    /// The friend is let in.
    Grant {
        /// The friend.
        reader: u32,
        /// Which post.
        ticket: u32,
    },
}

impl Kind for LateGrant {
    type Fields = Fields;
    type Act = Act;
    type Tracker = Untracked;

    const NAME: &'static str = "late-grant";
    const METRICS: &'static [Definition] = metrics::LATE_GRANT;
    const NOT_DONE: &'static Definition = &metrics::LATE_GRANT_NOT_DONE;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        Some(Self {
            age_ns: read_age(reading, problems)?,
            size_bytes: read_size(reading, problems),
        })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_friendless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        let (_, high) = self.age_ns.bounds()?;
        Some(high.max(0) as u64)
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let size_bytes = draw::positive(self.size_bytes, &mut drawing.stream) as u32;
        let age_ns = draw::positive(self.age_ns, &mut drawing.stream);
        let circle = drawing.friends.of(turn.host);
        if circle.is_empty() {
            return drawing.in_vain();
        }
        let granted_ns = turn.at_ns.saturating_add(age_ns.max(1));
        if granted_ns >= drawing.duration_ns {
            return;
        }
        let reader = circle[drawing.stream.below(circle.len() as u64) as usize];
        let post = post::Act::next(size_bytes, drawing);
        let except = reader;
        drawing.act::<Self>(turn.at_ns, turn.host, Act::Post { post, except });
        let ticket = post.ticket;
        drawing.act::<Self>(granted_ns, turn.host, Act::Grant { reader, ticket });
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        match *act {
            Act::Post { post, except } => {
                let friends = run.world.friends.of(actor.host).iter();
                let others = friends.filter(|&&friend| friend != except);
                let others = others.map(|&friend| run.identity(friend));
                let to = Audience::Only(others.collect());
                write::<Self>(run, actor.host, to, post);
            }
            Act::Grant { reader, ticket } => {
                let op = run.state().trackers.get::<Post>().ops.get(&ticket).copied();
                let Some(op) = op else {
                    let not_done = &mut run.state().not_done;
                    return not_done.add(Self::NAME, Reason::NoPost);
                };
                let reader = run.identity(reader);
                command::<Self>(run, actor.host, Command::Grant { op, reader });
            }
        }
    }

    fn tracker(_: &Planned<'_>) -> Untracked {
        Untracked
    }
}

fn read_age(reading: &Reading<'_>, problems: &mut Problems) -> Option<Amount> {
    let age = read_length(&reading.reader, "age", problems)?;
    let least = age.bounds().map_or(0, |(low, _)| low);
    if reading.duration_ns > 0 && least >= reading.duration_ns as i64 {
        let message = "\"age\": every grant would come after the end of the run";
        problems.push(reading.reader.span("age"), message);
        return None;
    }
    Some(age)
}
