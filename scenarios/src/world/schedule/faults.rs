//! Expands faults into changes: when each begins and ends, where it strikes.
//!
//! Owns the draws of their times. What a change does, and what several do together, is decided
//! where they are carried out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Builder, SHARED, Windows};
use crate::fault::{Acts, Fault, Given, Random, Timing, When};
use crate::format::reading::amount::Amount;
use crate::format::scenario::selector::Hosts;
use crate::world::draw;
use crate::world::hosts::shuffle;
use crate::world::step::{Change, Phase, Step, Target};

impl Builder<'_> {
    pub(super) fn fault(&mut self, place: usize, fault: &Fault) {
        match fault.acts() {
            Acts::Parts(_) => self.turns(place, fault, SHARED, Target::Network),
            Acts::OnHosts(hosts, _) | Acts::StrikesHosts(hosts, _) => {
                for host in self.concerned(place, fault, hosts) {
                    self.turns(place, fault, host, Target::Host(host));
                }
            }
            Acts::OnGateways(hosts, _) | Acts::StrikesGateways(hosts, _) => {
                self.gateways(place, fault, hosts);
            }
        }
    }

    /// Which of `hosts` a fault concerns, ascending.
    fn concerned(&self, place: usize, fault: &Fault, hosts: &Hosts) -> Vec<u32> {
        let is_of = |host: &u32| {
            let region = self.hosts[*host as usize].region;
            fault.which.is_of(*host, region)
        };
        let mut concerned: Vec<u32> = hosts.iter().filter(is_of).collect();
        if let Some(count) = fault.which.share_of(concerned.len()) {
            let mut stream = self.stream("fault share", place, fault.kind(), SHARED);
            shuffle(&mut concerned, &mut stream);
            concerned.truncate(count);
            concerned.sort_unstable();
        }
        concerned
    }

    /// Changes of what hosts stand behind at home: each of them once, when the first of the hosts
    /// that share it is to be hit.
    fn gateways(&mut self, place: usize, fault: &Fault, hosts: &Hosts) {
        let mut hit = BTreeSet::new();
        for host in self.concerned(place, fault, hosts) {
            let Some(gateway) = self.gateways.at_home[host as usize] else {
                continue;
            };
            if hit.insert(gateway) {
                self.turns(place, fault, host, Target::Gateway(gateway));
            }
        }
    }

    /// A fault's changes of one target, whose times and amounts are drawn for `host`.
    fn turns(&mut self, place: usize, fault: &Fault, host: u32, target: Target) {
        let mut drawn = fault.acts().amount().map(|amount| {
            let stream = self.stream("fault step", place, fault.kind(), host);
            (amount, stream)
        });
        let windows = match &fault.when {
            When::Given(given) => self.windows(place, (fault.kind(), given), host),
            When::Random(random) => self.at_random(place, (fault.kind(), random), host),
            When::Away(_) => self.absences.remove(&(place, host)).unwrap_or_default(),
        };
        for (from_ns, to_ns) in windows {
            match fault.what.timing() {
                Timing::Instant => {
                    let draw = |(amount, stream): &mut (_, _)| draw::amount(*amount, stream);
                    let amount = drawn.as_mut().map_or(0, draw);
                    self.change(from_ns, place, target, Phase::Strikes { amount });
                }
                Timing::Span | Timing::OpenEnded => {
                    self.change(from_ns, place, target, Phase::Begins);
                    self.change(to_ns, place, target, Phase::Ends);
                }
            }
        }
    }

    /// Beginnings and ends for a host, ascending. Every fault ends with the run at the latest.
    fn windows(&self, place: usize, (kind, given): (&str, &Given), host: u32) -> Windows {
        let drawn = |what: &str, amount: Amount| {
            let host = if amount.each { host } else { SHARED };
            draw::positive(amount, &mut self.stream(what, place, kind, host))
        };
        let mut from_ns = drawn("fault at", given.at_ns);
        let length_ns = given
            .length_ns
            .map(|length_ns| drawn("fault for", length_ns).max(1));
        let mut windows = Vec::new();
        while windows.is_empty() || from_ns < self.duration_ns {
            let to_ns = length_ns.map_or(self.duration_ns, |length| from_ns.saturating_add(length));
            windows.push((from_ns, to_ns.min(self.duration_ns)));
            let Some(every_ns) = given.every_ns else {
                break;
            };
            from_ns = from_ns.saturating_add(every_ns);
        }
        windows
    }

    /// Beginnings and ends for a host, ascending, of what comes at random.
    fn at_random(&self, place: usize, (kind, random): (&str, &Random), host: u32) -> Windows {
        let mut gaps = self.stream("fault rate", place, kind, host);
        let mut lengths = self.stream("fault for", place, kind, host);
        let mean = Duration::from_nanos(random.interval_ns);
        let mut windows = Vec::new();
        let mut end_ns = 0_u64;
        loop {
            let gap_ns = gaps.exponential(mean).as_nanos() as u64;
            let from_ns = end_ns.saturating_add(gap_ns.max(1));
            if from_ns >= self.duration_ns {
                return windows;
            }
            let length = random.length_ns;
            let length_ns = length.map_or(1, |length| draw::positive(length, &mut lengths).max(1));
            end_ns = from_ns.saturating_add(length_ns);
            windows.push((from_ns, end_ns.min(self.duration_ns)));
        }
    }

    fn change(&mut self, at_ns: u64, fault: usize, target: Target, phase: Phase) {
        let change = Change { target, phase };
        self.push(at_ns, Step::Fault { fault, change });
    }
}
