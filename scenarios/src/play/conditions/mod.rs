//! What the world is like for each host and gateway: the sum of all faults in force.
//!
//! A fault that begins or ends is entered here; then the condition of what it concerns is summed
//! anew and the difference carried out. No fault undoes anything by itself, so that their order,
//! nesting and kinds do not matter. Of one moment, all changes are entered before the sum is
//! drawn. Owns what of them is carried out, and the effects that each had. Which are in force is
//! [`state`]'s, which knows no run. The sums themselves are [`sum`]'s, and what they do to a host [`hosts`]'s and [`life`]'s.

mod effects;
mod gateways;
mod hosts;
mod life;
mod state;
mod sum;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::run::Run;
use crate::fault::{Acts, Adds, Fault, LifetimeChange, Sides};
use crate::world::{Change, Phase, Target};

pub use life::boot_is_due;
pub use state::Conditions;
use state::InForce;

/// Carries out a change of a fault. What lasts is carried out by the last change of this moment
/// that concerns the same target, which `is_last` says this is.
pub fn change(run: &Arc<Run>, fault: usize, change: &Change, is_last: bool) {
    let acts = run.scenario.faults[fault].acts();
    match (acts, change.target, change.phase) {
        (Acts::Parts(sides), Target::Network, Phase::Begins) => part(run, fault, &sides),
        (Acts::Parts(_), Target::Network, Phase::Ends) => heal(run, fault),
        (Acts::OnHosts(..), Target::Host(host), Phase::Begins | Phase::Ends) => {
            hosts::enter(run, host, fault, change.phase);
            if is_last {
                hosts::apply(run, host);
            }
        }
        (Acts::OnGateways(..), Target::Gateway(gateway), Phase::Begins | Phase::Ends) => {
            gateways::enter(run, gateway, fault, change.phase);
            if is_last {
                gateways::apply(run, gateway);
            }
        }
        (Acts::StrikesHosts(_, kind), Target::Host(host), Phase::Strikes { amount }) => {
            let fired = kind.strike(&*run.testbed, host, amount);
            run.state().fired[fault] += fired;
        }
        (Acts::StrikesGateways(_, kind), Target::Gateway(gateway), Phase::Strikes { .. }) => {
            let fired = kind.strike(&*run.testbed, gateway);
            run.state().fired[fault] += fired;
        }
        (
            Acts::Parts(_)
            | Acts::OnHosts(..)
            | Acts::OnGateways(..)
            | Acts::StrikesHosts(..)
            | Acts::StrikesGateways(..),
            target,
            phase,
        ) => unreachable!("the schedule makes no such change: {acts:?}, {target:?}, {phase:?}"),
    }
}

/// An interface of a host comes up first, or goes down for good, as its group says.
pub fn interface_turns(run: &Run, host: u32, place: usize, is_there: bool) {
    hosts::interface_turns(run, host, place, is_there);
}

/// Counts what faults that are still in force have done, at the end of a run.
pub fn count_rest(run: &Run) {
    let (hosts, gateways, partitions) = {
        let conditions = &run.state().conditions;
        let hosts: Vec<u32> = conditions.hosts.keys().copied().collect();
        let gateways: Vec<usize> = conditions.gateways.keys().copied().collect();
        let partitions: Vec<usize> = conditions.partitions.iter().copied().collect();
        (hosts, gateways, partitions)
    };
    for host in hosts {
        effects::count_of_links(run, host);
        effects::count_of_interfaces(run, host);
        effects::count_of_own(run, host);
    }
    for gateway in gateways {
        effects::count_of_sessions(run, gateway);
    }
    for fault in partitions {
        heal(run, fault);
    }
}

/// From now on nothing passes between two sets of hosts.
fn part(run: &Run, fault: usize, sides: &Sides<'_>) {
    let links = run.testbed.links();
    match links.part(fault, sides.a, sides.b, !sides.one_way) {
        Ok(()) => {
            run.state().conditions.partitions.insert(fault);
        }
        Err(error) => run.testbed.fail(error),
    }
}

/// It passes again. Effects are the packets that were stopped.
fn heal(run: &Run, fault: usize) {
    let mut state = run.state();
    if state.conditions.partitions.remove(&fault) {
        state.fired[fault] += run.testbed.links().heal(fault);
    }
}

/// What each fault in force at a host adds to its condition, in the order in which they began.
fn on_host<'a>(
    faults: &'a [Fault],
    in_force: &'a InForce,
) -> impl DoubleEndedIterator<Item = (usize, Adds<'a>)> + Clone {
    let adds = |fault: usize| Some((fault, faults[fault].acts().on_host()?));
    in_force.faults().filter_map(adds)
}

/// What each fault in force at a gateway changes of its lifetimes.
fn on_gateway<'a>(
    faults: &'a [Fault],
    in_force: &'a InForce,
) -> impl Iterator<Item = (usize, &'a LifetimeChange)> + Clone {
    let change = |fault: usize| Some((fault, faults[fault].acts().on_gateway()?));
    in_force.faults().filter_map(change)
}
