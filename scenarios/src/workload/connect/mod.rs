//! The workload `connect`: nodes reach others, wherever these are.
//!
//! Owns what may be said of it, and who reaches whom when. What became of each attempt is
//! [`tracker`]'s.

mod figures;
mod metrics;
mod tracker;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use orrery_node::api::Command;
use orrery_sim::{Class, HostId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use tracker::{ConnectFailure, Terms};

/// Hosts connect to others, wherever these are: at the addresses that are known of them, or by
/// what the methods of `reach.lookup_order` find. Of hosts behind NATs circuits through the relays of
/// their group's `bootstrap` are known, and nothing else.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that reach others.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The hosts that are reached: the k-th action of the n-th host goes to the (n + k)-th of them, over
    /// and over, so that in turn each reaches all others; no host reaches itself.
    pub to: HostsText,
    /// What counts as success: a connection of `any` kind (if absent), or a `direct` one.
    pub path: Option<WantedPath>,
    /// Time for it; `90s` if absent.
    pub timeout: Option<String>,
    /// How long such a connection must live to count, such as `5s`; `1s` if absent. An attempt
    /// whose connection dies earlier has failed, by `connection-lost`.
    pub holds: Option<String>,
}

/// Which connections count as success.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WantedPath {
    /// Any.
    Any,
    /// One without a relay in between.
    Direct,
}

/// Whom each action of a workload reaches, and what counts as success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The hosts that are reached: the k-th action of the n-th host goes to the (n + k)-th of them.
    pub to: Hosts,
    /// What counts as success.
    pub wanted: Wanted,
    /// Time for it, in nanoseconds.
    pub timeout_ns: u64,
    /// How long such a connection must live, in nanoseconds.
    pub holds_ns: u64,
}

/// Which connections count as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Any.
    Any,
    /// One without a relay in between.
    Direct,
}

/// Time for a connection where none is given: three hole punches of 20 s each, and what goes
/// before them.
const TIMEOUT_NS: u64 = 90_000_000_000;

/// How long a connection must live where that is not given.
const HOLDS_NS: u64 = 1_000_000_000;

/// A host reaches another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Whom.
    pub to: u32,
    /// Names the attempt among all of the run, from 0 without gaps in no particular order.
    pub attempt: u32,
}

impl Connect {
    /// Whom the `turn`-th action of the `place`-th host reaches, both from 0; no host reaches itself.
    fn target(&self, host: u32, place: u64, turn: u64) -> Option<u32> {
        let others = || self.to.iter().filter(|&other| other != host);
        let count = others().count() as u64;
        others().nth(((place + turn) % count.max(1)) as usize)
    }
}

impl Kind for Connect {
    type Fields = Fields;
    type Act = Act;
    type Tracker = tracker::Connects;

    const NAME: &'static str = "connect";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::CONNECT_NOT_DONE;
    const FOLLOWS_LINKS: bool = true;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let (reader, groups) = (&reading.reader, reading.groups);
        let choices = [("any", Wanted::Any), ("direct", Wanted::Direct)];
        let wanted = reader.choice("path", &choices, problems);
        let timeout_ns = reading.timeout_ns(TIMEOUT_NS, problems)?;
        let holds_ns = reader.quantity("holds", time_ns, problems);
        if holds_ns.is_some_and(|ns| ns < 0) {
            let message = "\"holds\": expected a time of at least 0s";
            problems.push(reader.span("holds"), message);
        }
        let to = selector::read(reader, "to", groups, problems)?;
        for group in groups.iter().filter(|group| !group.has_node()) {
            if to.iter().any(|host| group.hosts().contains(&host)) {
                let message = "\"to\": hosts without nodes cannot be reached";
                problems.push(reader.span("to"), message);
                return None;
            }
        }
        Some(Self {
            to,
            wanted: wanted.unwrap_or(Wanted::Any),
            timeout_ns,
            holds_ns: holds_ns.map_or(HOLDS_NS, |ns| ns.max(0) as u64),
        })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_nodeless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn others(&self) -> Option<(&Hosts, &'static str)> {
        Some((&self.to, "reaches"))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let Some(to) = self.target(turn.host, turn.index, turn.number) else {
            return;
        };
        let attempt = drawing.number(Self::NAME);
        drawing.act::<Self>(turn.at_ns, turn.host, Act { to, attempt });
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        reach(run, self, actor.host, *act);
    }

    fn tracker(_: &Planned<'_>) -> tracker::Connects {
        tracker::Connects::default()
    }
}

/// A host reaches another, if its node runs.
fn reach(run: &Arc<Run>, connect: &Connect, from: u32, Act { to, attempt }: Act) {
    let now = run.testbed.now();
    let mut state = run.state();
    let terms = Terms {
        wanted: connect.wanted,
        holds_ns: connect.holds_ns,
    };
    let connects = state.trackers.get::<Connect>();
    connects.begins(attempt, (from, to), terms, now.as_nanos());
    let Some(node) = state.nodes[from as usize].clone() else {
        return state
            .trackers
            .get::<Connect>()
            .fails(attempt, ConnectFailure::DialerDown);
    };
    drop(state);
    let late = Arc::clone(run);
    let time_is_up = move || {
        let mut state = late.state();
        let target_runs = state.nodes[to as usize].is_some();
        state
            .trackers
            .get::<Connect>()
            .times_out(attempt, target_runs);
    };
    run.testbed.call_at(
        now + Duration::from_nanos(connect.timeout_ns),
        Class::Workload,
        HostId(from),
        Box::new(time_is_up),
    );
    let addresses = run.addresses(to).iter().map(ToString::to_string);
    let command = Command::Reach {
        identity: run.identity(to),
        peer: Some(run.keys(to).peer()),
        addresses: addresses.collect(),
        wait: false,
    };
    let run = Arc::clone(run);
    let testbed = Arc::clone(&run.testbed);
    let reaching = async move {
        if let Err(error) = node.command(command).await {
            tracing::warn!(%error, "nobody was reached");
            let mut state = run.state();
            let connects = state.trackers.get::<Connect>();
            connects.fails(attempt, ConnectFailure::Refused);
        }
    };
    testbed.spawn(from, reaching.boxed());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn in_turn_everybody_reaches_everybody_else_once() {
        let connect = Connect {
            to: Hosts {
                ranges: vec![(0, 2), (5, 7)],
            },
            wanted: Wanted::Any,
            timeout_ns: 1,
            holds_ns: 0,
        };
        let check = |host, place, expected: &[u32]| {
            let turns = 0..expected.len() as u64;
            let targets: Vec<u32> = turns
                .filter_map(|turn| connect.target(host, place, turn))
                .collect();
            assert_eq!(targets, expected, "{host}");
        };
        check(9, 0, &[0, 1, 5, 6, 0]);
        check(9, 3, &[6, 0, 1, 5]);
        check(1, 1, &[5, 6, 0, 5]);
        let alone = Connect {
            to: Hosts {
                ranges: vec![(3, 4)],
            },
            ..connect
        };
        assert_eq!(alone.target(3, 0, 0), None);
    }

    #[test]
    fn what_cannot_be_reached_is_pointed_at() {
        let check = |fields: &str, expected: &str| {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='home'\ncount=2\n\
                 [[group]]\nname='bare'\ncount=1\nprogram='none'\n\
                 [[workload]]\nkind='connect'\nat='1s'\n{fields}\n"
            );
            let told = read("t.toml", &text, None, &[]).map_or_else(
                |problems| problems.to_string(),
                |_| "nothing is wrong".to_owned(),
            );
            assert!(told.contains(expected), "{fields}: {told}");
        };
        check("from='home'\nto='home'\npath='direct'", "nothing is wrong");
        check(
            "from='home'\nto='bare'",
            "t.toml:16:4: \"to\": hosts without nodes",
        );
        check("from='bare'\nto='home'", "needs nodes");
        check("from='home'\nto='home'\ntimeout='0s'", "above 0s");
        check("from='home'\nto='home'\nholds='-1s'", "at least 0s");
        check("from='home'\nto='home'\npath='straight'", "unknown path");
    }
}
