//! The workload `dial`: hosts dial others, beyond whom their nodes dial by themselves.
//!
//! Owns the dials that have not led to a connection yet, and why others have not.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::{Command, Event};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::not_done::Reason;
use super::{Actor, Drawing, HostDown, Kind, NodeEvent, Planned, Reading, Tracker, Turn};
use crate::format::reading::problem::Problems;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::{Definition, not_done};
use crate::play::run::Run;

/// Hosts dial others, beside the node's own dials.
#[derive(JsonSchema)]
pub struct Fields {
    /// The hosts that dial.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The hosts that are dialled; no host dials itself.
    pub to: HostsText,
    /// How many of `to` the seed draws for each dialling; all of them if absent.
    pub peers: Option<u32>,
}

crate::metrics! {
    METRICS {
        DIAL_NOT_DONE = not_done(
        "dial.not_done",
        &["dial"],
        "Dials that workloads asked for and that led to no connection, warm-up included, also by reason: host-down (the dialer's node did not run), target-down (that of the dialled host did not), no-address (none is known), not-connected (it ran all the same), lost-power or stopped (the dialer, meanwhile), busy, refused, unfinished (the run ended first).",
    );
    }
}

/// Dial others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// Whom, the one who dials aside.
    pub to: Hosts,
    /// How many of them; all if absent.
    pub peers: Option<u32>,
}

/// A host dials others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Whom, ascending.
    pub peers: Vec<u32>,
}

impl Kind for Dial {
    type Fields = Fields;
    type Act = Act;
    type Tracker = Dials;

    const NAME: &'static str = "dial";
    const METRICS: &'static [Definition] = METRICS;
    const NOT_DONE: &'static Definition = &DIAL_NOT_DONE;
    const FOLLOWS_LINKS: bool = true;

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let to = selector::read(&reading.reader, "to", reading.groups, problems)?;
        let peers = reading.reader.whole("peers", 1..=10_000, problems);
        Some(Self {
            to,
            peers: peers.map(|count| count as u32),
        })
    }

    fn note_unfit(&self, from: &Hosts, reading: &Reading<'_>, problems: &mut Problems) {
        reading.note_nodeless(from, problems);
    }

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn others(&self) -> Option<(&Hosts, &'static str)> {
        Some((&self.to, "dials"))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let peers = drawing.others(&self.to, self.peers, turn.host);
        drawing.act::<Self>(turn.at_ns, turn.host, Act { peers });
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        for &peer in &act.peers {
            dial(run, actor.host, peer);
        }
    }

    fn tracker(_: &Planned<'_>) -> Dials {
        Dials::default()
    }
}

/// A host's node dials another at all its addresses, unless they are connected.
fn dial(run: &Arc<Run>, host: u32, peer: u32) {
    let mut state = run.state();
    let Some(node) = state.nodes[host as usize].clone() else {
        return state.trackers.get::<Dial>().fails(Reason::HostDown, 1);
    };
    let addresses: Vec<String> = run
        .named_addresses(peer)
        .map(|address| address.to_string())
        .collect();
    if addresses.is_empty() {
        return state.trackers.get::<Dial>().fails(Reason::NoAddress, 1);
    }
    if !state.links.connected(host, peer) {
        state.trackers.get::<Dial>().begins((host, peer));
    }
    drop(state);
    let told = Arc::clone(run);
    let dialling = async move {
        if let Err(error) = node.command(Command::DialPeer { addresses }).await {
            tracing::warn!(%error, "a dial did not begin");
            let mut state = told.state();
            let dials = state.trackers.get::<Dial>();
            dials.fail((host, peer), (&error).into());
        }
    };
    run.testbed.spawn(host, dialling.boxed());
}

/// All dials of a run that have not led to a connection.
#[derive(Debug, Default)]
pub struct Dials {
    /// Those that have not failed either, by who dials whom.
    open: BTreeMap<(u32, u32), u64>,
    failed: BTreeMap<Reason, u64>,
}

impl Dials {
    fn begins(&mut self, pair: (u32, u32)) {
        *self.open.entry(pair).or_default() += 1;
    }

    /// The dials of a pair have come to an end: how many.
    fn end(&mut self, pair: (u32, u32)) -> u64 {
        self.open.remove(&pair).unwrap_or(0)
    }

    fn fail(&mut self, pair: (u32, u32), reason: Reason) {
        let count = self.end(pair);
        self.fails(reason, count);
    }

    fn fails(&mut self, reason: Reason, count: u64) {
        *self.failed.entry(reason).or_default() += count;
    }
}

impl Tracker for Dials {
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        if self.open.is_empty() {
            return;
        }
        match told.event {
            Event::Connected { peer, .. } => {
                if let Some(peer) = told.names.of_peer(peer) {
                    self.end((told.host, peer));
                }
            }
            Event::DialFailed {
                peer: Some(peer), ..
            } => {
                let Some(peer) = told.names.of_peer(peer) else {
                    return;
                };
                let reason = if told.nodes[peer as usize].is_some() {
                    Reason::NotConnected
                } else {
                    Reason::TargetDown
                };
                self.fail((told.host, peer), reason);
            }
            _ => {}
        }
    }

    fn on_host_down(&mut self, down: &HostDown<'_>) {
        let of_host = (down.host, 0)..=(down.host, u32::MAX);
        let pairs: Vec<(u32, u32)> = self.open.range(of_host).map(|(pair, _)| *pair).collect();
        for pair in pairs {
            self.fail(pair, Reason::of_down(down.how));
        }
    }

    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        for (reason, count) in &self.failed {
            add(*reason, *count);
        }
        add(Reason::Unfinished, self.open.values().sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::Down;

    #[test]
    fn dials_end_once_and_with_their_hosts_power() {
        let mut dials = Dials::default();
        for peer in [2, 2, 3, 4] {
            dials.begins((1, peer));
        }
        dials.begins((2, 1));
        assert_eq!((dials.end((1, 2)), dials.end((1, 2))), (2, 0));
        dials.on_host_down(&HostDown {
            host: 1,
            now_ns: 0,
            how: Down::LostPower,
            node: None,
        });
        let mut counted = Vec::new();
        dials.not_done(&mut |reason, count| counted.push((reason, count)));
        assert_eq!(counted, [(Reason::LostPower, 2), (Reason::Unfinished, 1)]);
    }
}
