//! The workload `post`: hosts write posts.
//!
//! Owns the writing, which `late-grant` uses too, the names of posts that nodes have acknowledged,
//! and how long that took.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::{Audience, Command, Reply};
use orrery_node::op::OpId;
use orrery_reports::stats::Recorder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metrics::{self, POST_LATENCY, POST_SUCCESS};
use super::read_size;
use crate::format::reading::amount::{Amount, AmountText};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::workload::not_done::Reason;
use crate::workload::{Actor, Drawing, Ended, Kind, Planned, Reading, Results, Tracker, Turn};
use crate::world::draw;

/// Hosts write posts.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that post.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The readers: `friends` (if absent) or `public`.
    pub to: Option<AudienceName>,
    /// Size of a post's text, such as `uniform(100B, 2kB)`; `200B` if absent.
    pub size: Option<AmountText>,
}

/// The readers of a post.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AudienceName {
    /// All whom the author follows.
    Friends,
    /// The public: every reader.
    Public,
}

/// The readers of a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readers {
    /// All whom the author follows.
    Friends,
    /// The public: every reader.
    Public,
}

/// Write a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Who may read it.
    pub to: Readers,
    /// Size of its text in bytes.
    pub size_bytes: Amount,
}

/// A post, as drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Size of its text.
    pub size_bytes: u32,
    /// Names the post among all of the run, from 0 without gaps in no particular order.
    pub ticket: u32,
}

impl Act {
    /// The next post of a run.
    pub(super) fn next(size_bytes: u32, drawing: &mut Drawing<'_>) -> Self {
        let ticket = drawing.number(Post::NAME);
        Self { size_bytes, ticket }
    }
}

impl Kind for Post {
    type Fields = Fields;
    type Act = Act;
    type Tracker = Posts;

    const NAME: &'static str = "post";
    const METRICS: &'static [Definition] = metrics::POST;
    const NOT_DONE: &'static Definition = &metrics::POST_NOT_DONE;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let choices = [("friends", Readers::Friends), ("public", Readers::Public)];
        let to = reading.reader.choice("to", &choices, problems);
        Some(Self {
            to: to.unwrap_or(Readers::Friends),
            size_bytes: read_size(reading, problems),
        })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_friendless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let size_bytes = draw::positive(self.size_bytes, &mut drawing.stream) as u32;
        let act = Act::next(size_bytes, drawing);
        drawing.act::<Self>(turn.at_ns, turn.host, act);
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        let to = match self.to {
            Readers::Public => Audience::Public,
            Readers::Friends => Audience::Friends,
        };
        write::<Self>(run, actor.host, to, *act);
    }

    fn tracker(_: &Planned<'_>) -> Posts {
        Posts::default()
    }
}

/// A host posts for a workload of kind `K`, if its node runs.
pub(super) fn write<K: Kind>(run: &Arc<Run>, author: u32, to: Audience, act: Act) {
    let Some(node) = run.node(author) else {
        return run.state().not_done.add(K::NAME, Reason::HostDown);
    };
    let body = note(act.ticket, act.size_bytes);
    let testbed = Arc::clone(&run.testbed);
    let run = Arc::clone(run);
    let posting = async move {
        let asked = run.testbed.now();
        let reply = node.command(Command::Post { body, to }).await;
        let took_us = (run.testbed.now() - asked).as_micros() as u64;
        let state = &mut *run.state();
        let posts = state.trackers.get::<Post>();
        match &reply {
            Ok(Reply::Posted { op, .. }) => {
                posts.ops.insert(act.ticket, *op);
            }
            Ok(_) => {}
            Err(error) => state.not_done.add(K::NAME, error.into()),
        }
        if run.is_measured(asked.as_nanos()) {
            posts.answered(asked.as_nanos(), took_us, reply.is_ok());
        }
    };
    testbed.spawn(author, posting.boxed());
}

/// A note of `size_bytes` characters that names its ticket.
fn note(ticket: u32, size_bytes: u32) -> serde_json::Value {
    const FILLER: &str = "the quick brown fox jumps over the lazy dog ";
    let beginning = format!("post {ticket}: ");
    let rest = (size_bytes as usize).saturating_sub(beginning.len());
    let filler: String = FILLER.chars().cycle().take(rest).collect();
    serde_json::json!({ "type": "note/1", "text": beginning + &filler })
}

/// What nodes have answered to commands to post.
#[derive(Debug)]
pub struct Posts {
    /// Names of posts by their tickets.
    pub(super) ops: BTreeMap<u32, OpId>,
    /// From command to acknowledgement of measured posts.
    latencies: Recorder,
    /// Measured commands that were not acknowledged.
    failed: u64,
}

impl Default for Posts {
    fn default() -> Self {
        Self {
            ops: BTreeMap::new(),
            latencies: Recorder::of_microseconds(),
            failed: 0,
        }
    }
}

impl Posts {
    /// A measured command to post was answered after `took_us`.
    fn answered(&mut self, now_ns: u64, took_us: u64, acknowledged: bool) {
        if acknowledged {
            self.latencies.record(now_ns, took_us);
        } else {
            self.failed += 1;
        }
    }
}

impl Tracker for Posts {
    fn collect(&mut self, _: &Ended<'_>, results: &mut Results<'_>) {
        let metrics = &mut *results.metrics;
        metrics.samples(&POST_LATENCY, &[], &self.latencies);
        metrics.ratio(&POST_SUCCESS, &[], self.latencies.count(), self.failed);
    }
}
