//! What faults change of how long NATs and firewalls remember sessions.
//!
//! Owns what several changes make together.

use std::time::Duration;

use orrery_sim::net::nat::Lifetimes;
use serde::{Deserialize, Serialize};

/// What changes of how long sessions are remembered; the rest stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifetimeChange {
    /// UDP, in nanoseconds.
    pub udp_ns: Option<u64>,
    /// TCP connections that are partly open, closed or reset, in nanoseconds.
    pub tcp_transitory_ns: Option<u64>,
    /// Established TCP connections, in nanoseconds.
    pub tcp_established_ns: Option<u64>,
}

impl LifetimeChange {
    /// The shortest of each lifetime that several changes name.
    fn sum<'a>(changes: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let shortest = |ns: fn(&Self) -> Option<u64>| changes.clone().filter_map(ns).min();
        Self {
            udp_ns: shortest(|change| change.udp_ns),
            tcp_transitory_ns: shortest(|change| change.tcp_transitory_ns),
            tcp_established_ns: changes.filter_map(|change| change.tcp_established_ns).min(),
        }
    }

    /// Lifetimes with the change.
    pub fn over(&self, usual: Lifetimes) -> Lifetimes {
        let changed = |ns: Option<u64>, usual| ns.map_or(usual, Duration::from_nanos);
        Lifetimes {
            udp: changed(self.udp_ns, usual.udp),
            tcp_transitory: changed(self.tcp_transitory_ns, usual.tcp_transitory),
            tcp_established: changed(self.tcp_established_ns, usual.tcp_established),
        }
    }

    /// Lifetimes with several changes together, in any order. Each of these makes sense alone;
    /// together they may leave established connections less than others, which get no more then.
    pub fn sum_over<'a>(
        changes: impl Iterator<Item = &'a Self> + Clone,
        usual: Lifetimes,
    ) -> Lifetimes {
        let mut lifetimes = Self::sum(changes).over(usual);
        lifetimes.tcp_transitory = lifetimes.tcp_transitory.min(lifetimes.tcp_established);
        lifetimes
    }
}
