//! The trackers of all kinds, told of everything in the registry's order.
//!
//! Owns them, and that each signal reaches them all.

use std::any::Any;
use std::sync::Arc;

use orrery_sim::watch::Watch;

use super::not_done::NotDone;
use super::{Ended, FoundOnDisk, HostDown, NodeEvent, Results, Tracker};
use crate::fault::DiskReplaced;
use crate::play::Gone;

/// What follows the actions of each kind in a run.
#[derive(Default)]
pub struct Trackers(Vec<Of>);

/// The tracker of one kind.
struct Of {
    kind: &'static str,
    /// Whether a workload is of this kind: the others have nothing to hear of.
    is_used: bool,
    tracker: Box<dyn Tracker>,
}

impl Trackers {
    /// Those of kinds that go by these names: whether a workload is of the kind, and what follows its
    /// actions.
    pub(super) fn new(list: impl Iterator<Item = (&'static str, bool, Box<dyn Tracker>)>) -> Self {
        let trackers = list.map(|(kind, is_used, tracker)| Of {
            kind,
            is_used,
            tracker,
        });
        Self(trackers.collect())
    }

    /// The tracker of the kind of that name.
    pub(super) fn named(&mut self, kind: &str) -> Option<&mut dyn Any> {
        let found = self.0.iter_mut().find(|it| it.kind == kind)?;
        Some(&mut *found.tracker)
    }

    /// See [`Tracker::on_event`].
    pub fn on_event(&mut self, told: &NodeEvent<'_>) {
        self.tell(|tracker| tracker.on_event(told));
    }

    /// See [`Tracker::on_gone`].
    pub fn on_gone(&mut self, gone: &Gone) {
        self.tell(|tracker| tracker.on_gone(gone));
    }

    /// See [`Tracker::on_host_down`].
    pub fn on_host_down(&mut self, down: &HostDown<'_>) {
        self.tell(|tracker| tracker.on_host_down(down));
    }

    /// See [`Tracker::on_new_disk`].
    pub fn on_new_disk(&mut self, host: u32, now_ns: u64, replaced: DiskReplaced) {
        self.tell(|tracker| tracker.on_new_disk(host, now_ns, replaced));
    }

    /// Whether any of them [wants samples](Tracker::wants_samples).
    pub fn want_samples(&self) -> bool {
        self.0.iter().any(|it| it.tracker.wants_samples())
    }

    /// See [`Tracker::sample`].
    pub fn sample(&mut self, now_ns: u64, connections: &[u32]) {
        self.tell(|tracker| {
            if tracker.wants_samples() {
                tracker.sample(now_ns, connections);
            }
        });
    }

    /// What libraries tell that one of them [wants to see](Tracker::watch).
    pub fn watch(&mut self) -> Option<Arc<dyn Watch>> {
        self.0.iter_mut().find_map(|it| it.tracker.watch())
    }

    /// See [`Tracker::collect`].
    pub fn collect(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        for it in &mut self.0 {
            it.tracker.collect(ended, results);
        }
    }

    /// See [`Tracker::on_disk`].
    pub fn on_disk(&mut self, found: &FoundOnDisk<'_>) {
        self.tell(|tracker| tracker.on_disk(found));
    }

    /// See [`Tracker::judge`].
    pub fn judge(&mut self, ended: &Ended<'_>, results: &mut Results<'_>) {
        for it in self.0.iter_mut().filter(|it| it.is_used) {
            it.tracker.judge(ended, results);
        }
    }

    /// Adds what each of them knows [not to have been done](Tracker::not_done).
    pub fn add_not_done(&self, not_done: &mut NotDone) {
        for Of { kind, tracker, .. } in &self.0 {
            tracker.not_done(&mut |reason, count| not_done.add_many(kind, reason, count));
        }
    }

    /// Tells something to those of kinds that the scenario has.
    fn tell(&mut self, tell: impl Fn(&mut dyn Tracker)) {
        for it in self.0.iter_mut().filter(|it| it.is_used) {
            tell(&mut *it.tracker);
        }
    }
}
