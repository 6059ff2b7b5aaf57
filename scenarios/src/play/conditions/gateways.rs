//! What faults in force make of NATs and firewalls.

use orrery_sim::net::nat::Lifetimes;

use super::{effects, on_gateway};
use crate::fault::LifetimeChange;
use crate::play::run::Run;
use crate::world::Phase;

/// A fault in force begins or ends at a gateway.
pub(super) fn enter(run: &Run, gateway: usize, fault: usize, phase: Phase) {
    effects::count_of_sessions(run, gateway);
    let mut state = run.state();
    let of_gateway = state.conditions.gateways.entry(gateway).or_default();
    of_gateway.in_force.enter(fault, phase, run.now_ns());
}

/// Gives a gateway the lifetimes that the faults in force leave it.
pub(super) fn apply(run: &Run, gateway: usize) {
    let (of_nat, of_firewall) = {
        let state = run.state();
        let Some(of_gateway) = state.conditions.gateways.get(&gateway) else {
            return;
        };
        let faults = on_gateway(&run.scenario.faults, &of_gateway.in_force);
        let changes = faults.map(|(_, change)| change);
        let (nat, firewall) = usual(run, gateway);
        let changed = |usual| LifetimeChange::sum_over(changes.clone(), usual);
        (changed(nat), changed(firewall))
    };
    let gateways = run.testbed.gateways();
    gateways.set_lifetimes(gateway, of_nat, of_firewall);
}

/// How long a gateway's NAT and its firewall remember sessions without faults.
pub(super) fn usual(run: &Run, gateway: usize) -> (Lifetimes, Lifetimes) {
    let profile = &run.world.gateways.all[gateway].profile;
    let usual = Lifetimes::default();
    let nat = profile.nat.as_ref().map_or(usual, |nat| nat.lifetimes);
    let firewall = profile.firewall.as_ref();
    let firewall = firewall.map_or(usual, |firewall| firewall.lifetimes);
    (nat, firewall)
}
