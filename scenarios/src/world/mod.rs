//! The world that a seed draws: where hosts stand, how their clocks go, who is friends with whom,
//! and everything that will happen from outside.
//!
//! Pure functions of (scenario, seed). Each draw comes from a stream of its own (seed, purpose,
//! host), so variants of a scenario meet the same world, and a new kind of draw shifts no other.
//! Nothing here runs a node or a network.

pub mod churn;
pub mod draw;
mod friends;
mod gateways;
mod hosts;
mod schedule;
mod step;

pub use friends::Friends;
pub use gateways::{GatewayPlan, Gateways};
pub use hosts::HostPlan;
pub use schedule::build as schedule;
pub use step::{Change, Phase, Step, Target};

use std::collections::BTreeMap;

use crate::format::Scenario;

/// Everything that one seed draws for a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// The hosts, by number.
    pub hosts: Vec<HostPlan>,
    /// Who stands behind which NAT or firewall.
    pub gateways: Gateways,
    /// Who is friends with whom.
    pub friends: Friends,
    /// What happens from outside: simulated nanoseconds and the step, ascending. Steps of one
    /// moment are in a fixed order.
    pub steps: Vec<(u64, Step)>,
    /// By the place of a workload, how often a host was to act that has no friend to act on.
    pub in_vain: BTreeMap<usize, u64>,
}

impl World {
    /// Draws the world of `seed`.
    pub fn build(scenario: &Scenario, seed: u64) -> Self {
        let friends = Friends::of_groups(&scenario.groups, seed);
        let hosts = hosts::build(scenario, seed);
        let gateways = Gateways::build(scenario, &hosts, seed);
        let (steps, in_vain) = schedule(scenario, &friends, &gateways, &hosts, seed);
        Self {
            hosts,
            gateways,
            friends,
            steps,
            in_vain,
        }
    }
}
