//! What follows the actions of workloads in a run: the signals that reach every kind.
//!
//! Owns the signals' contents. A tracker asks nothing: it is told what its own kind performs, and
//! by these signals what nodes tell, which hosts go down and which connections are no more. What
//! became of its actions it says in the end.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use libp2p::PeerId;
use orrery_node::NodeHandle;
use orrery_node::api::Event;
use orrery_node::identity::IdentityId;
use orrery_node::op::OpId;
use orrery_reports::record::SeedResult;
use orrery_sim::watch::Watch;

use super::not_done::Reason;
use crate::fault::DiskReplaced;
use crate::format::Scenario;
use crate::metrics::Definition;
use crate::play::run::{Run, State};
use crate::play::verdict::losses::{self, Lost};
use crate::play::verdict::metrics::Metrics;
use crate::play::{Down, Gone};
use crate::world::World;

/// What follows the actions of one kind.
pub trait Tracker: Any + Send {
    /// A node tells something.
    fn on_event(&mut self, told: &NodeEvent<'_>) {
        let _ = told;
    }

    /// Two hosts have no more connections of some kinds. Only if the kind follows links.
    fn on_gone(&mut self, gone: &Gone) {
        let _ = gone;
    }

    /// The programs of a host end, with all that they were doing.
    fn on_host_down(&mut self, down: &HostDown<'_>) {
        let _ = down;
    }

    /// A host, whose programs have ended, has an empty disk from now on.
    fn on_new_disk(&mut self, host: u32, now_ns: u64, replaced: DiskReplaced) {
        let _ = (host, now_ns, replaced);
    }

    /// Whether it wants to see how many connections nodes have, from time to time.
    fn wants_samples(&self) -> bool {
        false
    }

    /// Running nodes have so many connections.
    fn sample(&mut self, now_ns: u64, connections: &[u32]) {
        let _ = (now_ns, connections);
    }

    /// What libraries tell in trace events that it wants to see; at most one kind does.
    fn watch(&mut self) -> Option<Arc<dyn Watch>> {
        None
    }

    /// The run has ended: what its actions have come to, and what was lost.
    fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        let _ = (ended, results);
    }

    /// What the store on a host's disk holds at the end. Comes after [`Tracker::collect`], if the run has
    /// not failed.
    fn on_disk(&mut self, found: &FoundOnDisk<'_>) {
        let _ = found;
    }

    /// All disks were looked at: what its actions have come to there, and what must hold.
    fn judge(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        let _ = (ended, results);
    }

    /// Tells `add` how many of its actions were not done and why, those aside that were counted
    /// when they were performed. Everything has been collected.
    fn not_done(&self, add: &mut dyn FnMut(Reason, u64)) {
        let _ = add;
    }
}

/// Nothing to follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Untracked;

impl Tracker for Untracked {}

/// What a run is going to be.
pub struct Planned<'a> {
    /// What is played.
    pub scenario: &'a Scenario,
    /// What the seed has drawn for it.
    pub world: &'a World,
}

impl Planned<'_> {
    /// The measured time, in simulated nanoseconds.
    pub fn window_ns(&self) -> Range<u64> {
        self.scenario.warmup_ns..self.scenario.duration_ns
    }
}

/// Which host is which peer, and whose it is.
#[derive(Debug, Default)]
pub struct Names {
    /// Hosts by the identities of the people at them.
    pub by_identity: BTreeMap<IdentityId, u32>,
    /// Hosts by their peers.
    pub by_peer: BTreeMap<PeerId, u32>,
}

impl Names {
    /// The host of a person.
    pub fn of_identity(&self, identity: &IdentityId) -> Option<u32> {
        self.by_identity.get(identity).copied()
    }

    /// The host of a peer.
    pub fn of_peer(&self, peer: &PeerId) -> Option<u32> {
        self.by_peer.get(peer).copied()
    }
}

/// What a node tells.
pub struct NodeEvent<'a> {
    /// The host that it runs on.
    pub host: u32,
    /// When, in simulated nanoseconds.
    pub now_ns: u64,
    /// Whether that is within the measured time.
    pub measured: bool,
    /// What.
    pub event: &'a Event,
    /// Who is who.
    pub names: &'a Names,
    /// The running node of each host.
    pub nodes: &'a [Option<NodeHandle>],
}

/// The programs of a host end.
pub struct HostDown<'a> {
    /// The host.
    pub host: u32,
    /// When, in simulated nanoseconds.
    pub now_ns: u64,
    /// With its power, or in good order.
    pub how: Down,
    /// Its node, which does not run from now on; `None` if none ran.
    pub node: Option<&'a NodeHandle>,
}

/// What the next start of a host's node would find in its store.
pub struct FoundOnDisk<'a> {
    /// The host.
    pub host: u32,
    /// Posts and messages of the host's own.
    pub own: &'a BTreeSet<OpId>,
    /// All that can be read there.
    pub readable: &'a BTreeSet<OpId>,
}

/// A run that has ended.
pub struct Ended<'a> {
    /// All that it knew.
    pub run: &'a Run,
    /// What had become of that, the trackers aside.
    pub state: &'a State,
    /// When it ended, in simulated nanoseconds.
    pub now_ns: u64,
    /// When it was to end.
    pub end_ns: u64,
    /// Whether it failed on its way.
    pub failed: bool,
}

/// Where results go.
pub struct Results<'a> {
    /// Figures.
    pub metrics: &'a mut Metrics,
    /// Losses.
    pub result: &'a mut SeedResult,
}

impl Results<'_> {
    /// Lists what was lost and `metric` counts, as far as there is room.
    pub fn list(&mut self, run: &Run, metric: &Definition, lost: impl Iterator<Item = Lost>) {
        losses::list(&run.world, self.result, metric, lost);
    }

    /// Counts losses by cause, under `metric` and among those of the whole run.
    pub fn count<C: Copy>(
        &mut self,
        metric: &Definition,
        causes: &BTreeMap<C, u64>,
        name: fn(C) -> &'static str,
    ) {
        losses::count(self.metrics, self.result, metric, causes, name);
    }
}
