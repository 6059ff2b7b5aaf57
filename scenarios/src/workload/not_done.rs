//! What was asked of hosts and could not be done, counted by kind of workload and reason.
//!
//! Owns the counts. What is not done at once is counted as it is performed; what only shows later
//! the trackers know, and add in the end. It judges nothing.

use std::collections::BTreeMap;

use orrery_node::CommandError;

use crate::play::Down;

crate::named::named! {
    /// Why something was not done.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Reason {
        /// The host that was asked had no power, or its program did not run yet.
        HostDown = "host-down",
        /// The host at the other end had no power, or its program did not run yet.
        TargetDown = "target-down",
        /// The host that was asked lost its power before it was done.
        LostPower = "lost-power",
        /// The program of the host that was asked was stopped before it was done.
        Stopped = "stopped",
        /// No address of the host at the other end is known.
        NoAddress = "no-address",
        /// The host at the other end runs, and no connection came about.
        NotConnected = "not-connected",
        /// The host that was asked has no friend whom it could concern.
        NoFriends = "no-friends",
        /// What it was about does not exist: the post was never acknowledged.
        NoPost = "no-post",
        /// The node had too much to do.
        Busy = "busy",
        /// The node refused.
        Refused = "refused",
        /// The node's disk refused.
        StorageFailed = "storage-failed",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

impl Reason {
    /// What it means for a host's doings that its programs end.
    pub const fn of_down(how: Down) -> Self {
        match how {
            Down::LostPower => Self::LostPower,
            Down::Stopped => Self::Stopped,
        }
    }
}

impl From<&CommandError> for Reason {
    fn from(error: &CommandError) -> Self {
        match error {
            CommandError::Busy => Self::Busy,
            CommandError::Stopped => Self::HostDown,
            CommandError::Invalid { .. } => Self::Refused,
            CommandError::Storage { .. } => Self::StorageFailed,
        }
    }
}

/// How often each kind of workload asked in vain, and why.
#[derive(Debug, Clone, Default)]
pub struct NotDone(BTreeMap<&'static str, BTreeMap<Reason, u64>>);

impl NotDone {
    /// A workload of this kind asked once in vain.
    pub fn add(&mut self, kind: &'static str, reason: Reason) {
        self.add_many(kind, reason, 1);
    }

    /// As [`Self::add`], `count` times.
    pub fn add_many(&mut self, kind: &'static str, reason: Reason, count: u64) {
        if count > 0 {
            *self.0.entry(kind).or_default().entry(reason).or_default() += count;
        }
    }

    /// What a kind of workload asked in vain, by reason.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = (Reason, u64)> + '_ {
        let reasons = self.0.get(kind).into_iter().flatten();
        reasons.map(|(reason, count)| (*reason, *count))
    }
}
