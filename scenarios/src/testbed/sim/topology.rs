//! The hosts of a scenario and all that lies between them, as the simulator's.
//!
//! The order in which they are added decides their numbers: hosts as in the scenario, then gateways,
//! which are hosts behind all others so that a scenario's keep their numbers, then further
//! interfaces. Gateways' own links are as good as none: the access link of a host leads to its
//! gateway, which stands at the core or behind another one.

use std::collections::BTreeMap;
use std::time::Duration;

use orrery_sim::clock::WallClock;
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::multihomed::{self, InterfaceSpec};
use orrery_sim::net::nat::{self, GatewayId, GatewaySpec};
use orrery_sim::net::region_path::PathSpec;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostId, HostSpec, host};

use super::parts::interface;
use super::{SimBed, link, tcp_config};
use crate::fault::LinkChange;
use crate::format::Scenario;
use crate::format::scenario::network::Network;
use crate::world::World;

#[cfg(test)]
mod tests;

/// Sets up everything; nothing runs on it.
pub fn build(bed: &SimBed, scenario: &Scenario, world: &World) {
    set_core(&scenario.network);
    add_hosts(scenario, world);
    let gateways = add_gateways(world);
    add_interfaces(scenario, world, &gateways);
    join_lans(scenario, world);
    let mut known = bed.known();
    known.hosts = world.hosts.len() as u32;
    known.gateways = gateways;
}

/// What lies between regions.
fn set_core(network: &Network) {
    let nanos = |row: &Vec<u64>| row.iter().map(|&ns| Duration::from_nanos(ns)).collect();
    host::set_delays(network.delays.one_way_ns.iter().map(nanos).collect());
    for path in &network.paths {
        let spec = PathSpec {
            rate: path.rate_bps.and_then(Rate::from_bps),
            queue_bytes: path.queue_bytes,
            loss: Ratio::from_ppm(path.loss_ppm),
        };
        host::set_path(path.from, path.to, &spec);
    }
}

fn add_hosts(scenario: &Scenario, world: &World) {
    for plan in &world.hosts {
        let group = &scenario.groups[plan.group];
        let added = host::add(HostSpec {
            name: plan.name.clone(),
            region: plan.region,
            access: link::access(&group.access, &LinkChange::default()),
            clock: WallClock::new(plan.clock_offset_ns, plan.clock_drift_ppb),
            ..HostSpec::default()
        });
        assert_eq!(
            added,
            HostId(plan.host),
            "hosts are added in the order of their numbers"
        );
        let settings = group.tcp.over(&scenario.network.tcp);
        let mtu = group.access.mtu_bytes as u16;
        host::set_tcp(added, tcp_config::resolve(&settings, mtu));
    }
}

/// Adds all gateways, and puts the hosts behind theirs.
fn add_gateways(world: &World) -> Vec<GatewayId> {
    let plans = &world.gateways;
    let mut added: Vec<GatewayId> = Vec::new();
    for plan in &plans.all {
        let spec = GatewaySpec {
            name: plan.name.clone(),
            region: plan.region,
            behind: plan.behind.map(|outer| added[outer]),
            nat: plan.profile.nat.clone(),
            firewall: plan.profile.firewall.clone(),
            ..GatewaySpec::default()
        };
        added.push(nat::add(spec).expect("the profile's reader refuses contradictions"));
    }
    for (host, gateway) in (0..).zip(&plans.at_home) {
        if let Some(gateway) = gateway {
            host::move_to(HostId(host), Some(added[*gateway]));
        }
    }
    added
}

fn add_interfaces(scenario: &Scenario, world: &World, gateways: &[GatewayId]) {
    for plan in &world.hosts {
        let group = &scenario.groups[plan.group];
        for (place, interface) in (1..).zip(&group.interfaces) {
            let gateway = world.gateways.of_interface(plan.host, place);
            let added = multihomed::add(
                HostId(plan.host),
                InterfaceSpec {
                    name: interface.name.clone(),
                    access: link::access(&interface.access, &LinkChange::default()),
                    behind: gateway.map(|gateway| gateways[gateway]),
                },
            );
            let settings = group.tcp.over(&scenario.network.tcp);
            let mtu = interface.access.mtu_bytes as u16;
            host::set_tcp(added.host(), tcp_config::resolve(&settings, mtu));
        }
    }
}

/// What tells local networks apart: a name, or a group and the number of a home in it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum LocalNetwork<'a> {
    Named(&'a str),
    OfHome(usize, u32),
}

/// Takes the hosts that share a local network to its segment: a switch that is faster than
/// anything behind it, with ports as their groups say.
fn join_lans(scenario: &Scenario, world: &World) {
    let mut segments = BTreeMap::new();
    for plan in &world.hosts {
        let group = &scenario.groups[plan.group];
        let Some(lan) = &group.lan else {
            continue;
        };
        let network = match &lan.name {
            Some(name) => LocalNetwork::Named(name),
            None => LocalNetwork::OfHome(
                plan.group,
                (plan.host - group.first_host) / lan.hosts_each.max(1),
            ),
        };
        let segment = *segments
            .entry(network)
            .or_insert_with(|| host::add_lan(LanSpec::default()));
        let host = HostId(plan.host);
        host::join_lan(host, segment);
        host::set_lan_port(host, &link::access(&lan.port, &LinkChange::default()));
    }
    for plan in &world.hosts {
        let group = &scenario.groups[plan.group];
        for (place, further) in (1..).zip(&group.interfaces) {
            let (Some(lan), Some(name)) = (&further.lan, further.lan_name()) else {
                continue;
            };
            let segment = *segments
                .entry(LocalNetwork::Named(name))
                .or_insert_with(|| host::add_lan(LanSpec::default()));
            let member = interface(plan.host, place).host();
            host::join_lan(member, segment);
            host::set_lan_port(member, &link::access(&lan.port, &LinkChange::default()));
        }
    }
}
