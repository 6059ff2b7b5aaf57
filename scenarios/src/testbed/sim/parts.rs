//! Power, links, interfaces and gateways of simulated hosts.

use orrery_sim::net::multihomed::{self, InterfaceId};
use orrery_sim::net::nat::{self, Lifetimes, OutsideAddress, Renewed};
use orrery_sim::net::stage::LinkCounts;
use orrery_sim::{HostId, host};

use super::{SimBed, link};
use crate::fault::LinkChange;
use crate::format::scenario::selector::Hosts;
use crate::profiles::AccessProfile;
use crate::testbed::{Gateways, Interfaces, Links, Power};

impl Power for SimBed {
    fn cut(&self, host: u32) {
        host::power_cut(HostId(host));
    }

    fn replace_disk(&self, host: u32) {
        host::replace_disk(HostId(host));
    }

    fn restore(&self, host: u32) {
        host::power_on(HostId(host));
    }

    fn stop_programs(&self, host: u32) {
        host::stop_programs(HostId(host));
    }

    fn set_paused(&self, host: u32, is_paused: bool) {
        host::set_paused(HostId(host), is_paused);
    }

    fn held_turns(&self, host: u32) -> u64 {
        host::held_turns(HostId(host))
    }

    fn set_asleep(&self, host: u32, is_asleep: bool) {
        host::set_asleep(HostId(host), is_asleep);
    }

    fn slept_through(&self, host: u32) -> u64 {
        host::slept_through(HostId(host))
    }

    fn step_clock(&self, host: u32, by_ns: i64) {
        host::step_clock(HostId(host), by_ns);
    }
}

impl Links for SimBed {
    fn expect_changes(&self, host: u32, profile: &AccessProfile) {
        let access = link::access(profile, &LinkChange::default());
        host::expect_changes(HostId(host), &access);
    }

    fn set_access(&self, host: u32, profile: &AccessProfile, change: &LinkChange) {
        host::set_access(HostId(host), &link::access(profile, change));
    }

    fn access_counts(&self, host: u32) -> [LinkCounts; 2] {
        host::link_counts(HostId(host))
    }

    fn set_port(&self, host: u32, profile: &AccessProfile, change: &LinkChange) {
        host::set_lan_port(HostId(host), &link::access(profile, change));
    }

    fn port_counts(&self, host: u32) -> [LinkCounts; 2] {
        host::lan_counts(HostId(host))
    }

    fn set_home(&self, host: u32) {
        host::set_home(HostId(host));
    }

    fn move_to(&self, host: u32, gateway: Option<usize>) {
        let behind = gateway.map(|gateway| self.gateway(gateway));
        host::move_to(HostId(host), behind);
    }

    fn return_home(&self, host: u32) {
        host::return_home(HostId(host));
    }

    fn part(&self, partition: usize, a: &Hosts, b: &Hosts, both_ways: bool) -> Result<(), String> {
        let ids = |hosts: &Hosts| hosts.iter().map(HostId).collect::<Vec<_>>();
        let id = host::partition(&ids(a), &ids(b), both_ways).map_err(|error| error.to_string())?;
        self.known().partitions.insert(partition, id);
        Ok(())
    }

    fn heal(&self, partition: usize) -> u64 {
        let id = self.known().partitions.remove(&partition);
        id.map_or(0, host::heal)
    }
}

/// An interface of a host by its place, 0 for its own.
pub(super) fn interface(host: u32, place: usize) -> InterfaceId {
    multihomed::of(HostId(host))[place]
}

impl Interfaces for SimBed {
    fn count(&self, host: u32) -> usize {
        multihomed::of(HostId(host)).len()
    }

    fn set_up(&self, host: u32, place: usize, is_up: bool) {
        multihomed::set_up(interface(host, place), is_up);
    }

    fn stopped(&self, host: u32) -> Vec<u64> {
        let interfaces = multihomed::of(HostId(host)).into_iter();
        let stopped = interfaces.map(multihomed::stopped);
        stopped.map(|it| it.packets + it.connections).collect()
    }
}

impl Gateways for SimBed {
    fn restart(&self, gateway: usize, address: OutsideAddress) {
        nat::restart(self.gateway(gateway), address);
    }

    fn change_address(&self, gateway: usize) {
        nat::change_address(self.gateway(gateway));
    }

    fn set_lifetimes(&self, gateway: usize, in_nat: Lifetimes, in_firewall: Lifetimes) {
        nat::set_lifetimes(self.gateway(gateway), in_nat, in_firewall)
            .expect("the faults' reader refuses contradictions, and sums make none");
    }

    fn sessions(&self, gateway: usize) -> u64 {
        let stats = nat::stats(self.gateway(gateway));
        (stats.nat_sessions + stats.firewall_sessions) as u64
    }

    fn renewed(&self, gateway: usize) -> Renewed {
        nat::stats(self.gateway(gateway)).renewed
    }
}
