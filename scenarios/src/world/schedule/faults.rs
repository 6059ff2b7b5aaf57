//! Expands faults into changes: when each begins and ends, where it strikes.
//!
//! Owns the draws of their times. What a change does, and what several do together, is decided
//! where they are carried out.

use std::collections::BTreeSet;

use super::{Builder, SHARED};
use crate::format::reading::amount::Amount;
use crate::format::scenario::fault::{Fault, Harm, Timing};
use crate::format::scenario::selector::Hosts;
use crate::world::draw;
use crate::world::step::{Change, Phase, Step, Target};

impl Builder<'_> {
    pub(super) fn fault(&mut self, place: usize, fault: &Fault) {
        match &fault.harm {
            Harm::Partition { .. } => self.turns(place, fault, SHARED, Target::Network),
            Harm::PowerCut { hosts }
            | Harm::Stop { hosts }
            | Harm::Link { hosts, .. }
            | Harm::Move { hosts, .. }
            | Harm::Interface { hosts, .. } => {
                for host in hosts.iter() {
                    self.turns(place, fault, host, Target::Host(host));
                }
            }
            Harm::NatRestart { hosts, .. }
            | Harm::NatAddress { hosts }
            | Harm::NatLifetime { hosts, .. } => self.gateways(place, fault, hosts),
            Harm::ClockStep { hosts, by_ns } => self.clock_steps(place, fault, hosts, *by_ns),
        }
    }

    /// Changes of what hosts stand behind at home: each of them once, when the first of the hosts
    /// that share it is to be hit.
    fn gateways(&mut self, place: usize, fault: &Fault, hosts: &Hosts) {
        let mut hit = BTreeSet::new();
        for host in hosts.iter() {
            let Some(gateway) = self.gateways.at_home[host as usize] else {
                continue;
            };
            if hit.insert(gateway) {
                self.turns(place, fault, host, Target::Gateway(gateway));
            }
        }
    }

    fn clock_steps(&mut self, place: usize, fault: &Fault, hosts: &Hosts, by_ns: Amount) {
        for host in hosts.iter() {
            let mut stream = self.stream("fault step", place, fault.kind(), host);
            for (at_ns, _) in self.windows(place, fault, host) {
                let by_ns = draw::amount(by_ns, &mut stream);
                self.change(at_ns, place, Target::Host(host), Phase::Steps { by_ns });
            }
        }
    }

    /// A fault's changes of one target, whose times are drawn for `host`.
    fn turns(&mut self, place: usize, fault: &Fault, host: u32, target: Target) {
        for (from_ns, to_ns) in self.windows(place, fault, host) {
            match fault.harm.kind().timing() {
                Timing::Instant => self.change(from_ns, place, target, Phase::Strikes),
                Timing::Span | Timing::OpenEnded => {
                    self.change(from_ns, place, target, Phase::Begins);
                    self.change(to_ns, place, target, Phase::Ends);
                }
            }
        }
    }

    /// Beginnings and ends for a host, ascending. Every fault ends with the run at the latest.
    fn windows(&self, place: usize, fault: &Fault, host: u32) -> Vec<(u64, u64)> {
        let drawn = |what: &str, amount: Amount| {
            let host = if amount.each { host } else { SHARED };
            draw::positive(amount, &mut self.stream(what, place, fault.kind(), host))
        };
        let mut from_ns = drawn("fault at", fault.at_ns);
        let length_ns = fault
            .length_ns
            .map(|length_ns| drawn("fault for", length_ns).max(1));
        let mut windows = Vec::new();
        while windows.is_empty() || from_ns < self.duration_ns {
            let to_ns = length_ns.map_or(self.duration_ns, |length| from_ns.saturating_add(length));
            windows.push((from_ns, to_ns.min(self.duration_ns)));
            let Some(every_ns) = fault.every_ns else {
                break;
            };
            from_ns = from_ns.saturating_add(every_ns);
        }
        windows
    }

    fn change(&mut self, at_ns: u64, fault: usize, target: Target, phase: Phase) {
        let change = Change { target, phase };
        self.push(at_ns, Step::Fault { fault, change });
    }
}
