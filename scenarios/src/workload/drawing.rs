//! How the actions of a workload are drawn: what a kind sees of the world while it does so.
//!
//! Owns the numbers that actions are given, and the order of steps. When a host acts is the
//! schedule's; what it then does, the kind's.

use std::collections::BTreeMap;

use orrery_sim::random::Stream;

use super::act::Act;
use crate::format::scenario::selector::Hosts;
use crate::world::{Friends, Step};

/// One time that a host acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// Who.
    pub host: u32,
    /// The host's place among those of its workload, from 0.
    pub index: u64,
    /// How often the host has acted before, by this workload.
    pub number: u64,
}

/// All that is drawn so far, and what drawing goes by.
pub struct Drawing<'a> {
    /// The stream of chance of this host and this workload.
    pub stream: Stream,
    /// Who is friends with whom.
    pub friends: &'a Friends,
    /// The end of the workloads, in simulated nanoseconds.
    pub duration_ns: u64,
    /// The workload, by its place in the scenario.
    pub workload: usize,
    pub(crate) plan: &'a mut Plan,
}

/// What the workloads of a scenario come to.
#[derive(Debug, Default)]
pub struct Plan {
    /// Simulated nanoseconds and what happens then, in the order of the drawing.
    pub steps: Vec<(u64, Step)>,
    /// By the place of a workload, how often a host was to act that has none to act on.
    pub in_vain: BTreeMap<usize, u64>,
    /// The next number of each series.
    numbers: BTreeMap<&'static str, u32>,
}

impl Drawing<'_> {
    /// A host does something.
    pub(super) fn step(&mut self, at_ns: u64, host: u32, act: Act) {
        let step = Step::Work {
            host,
            workload: self.workload,
            act,
        };
        self.plan.steps.push((at_ns, step));
    }

    /// A host was to act, and has none to act on.
    pub fn in_vain(&mut self) {
        *self.plan.in_vain.entry(self.workload).or_default() += 1;
    }

    /// The next number of a series, from 0 without gaps: it names something among all of a run.
    pub fn number(&mut self, series: &'static str) -> u32 {
        let next = self.plan.numbers.entry(series).or_default();
        *next += 1;
        *next - 1
    }

    /// So many of `to` as are wanted, or all, `host` aside; ascending.
    pub fn others(&mut self, to: &Hosts, wanted: Option<u32>, host: u32) -> Vec<u32> {
        let mut others: Vec<u32> = to.iter().filter(|&other| other != host).collect();
        let wanted = wanted.map_or(others.len(), |wanted| others.len().min(wanted as usize));
        // The first steps of a shuffle by Fisher and Yates.
        for place in 0..wanted {
            let left = (others.len() - place) as u64;
            others.swap(place, place + self.stream.below(left) as usize);
        }
        others.truncate(wanted);
        others.sort_unstable();
        others
    }
}
