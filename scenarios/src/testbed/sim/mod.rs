//! Our own simulator as a testbed: everything that a scenario may ask, on the thread of a
//! [`orrery_sim::Simulation`].
//!
//! Owns which of the simulator's hosts, gateways and partitions are which of the scenario's. Each
//! method turns one request of a run into one call of the simulator and adds nothing of its own.

mod adapters;
mod course;
mod executor;
mod lan;
mod link;
mod parts;
pub mod quic;
mod sockets;
mod tcp_config;
mod topology;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use orrery_node::config::Config;
use orrery_node::environment::{Environment, Observer, Wire};
use orrery_sim::net::address;
use orrery_sim::net::nat::GatewayId;
use orrery_sim::net::partition::PartitionId;
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId, host, kernel, net};

use super::{
    Capabilities, Gateways, HostDisk, Interfaces, Links, Power, Sockets, Testbed, Traffic,
};
use crate::format::scenario::network::Fidelity;

pub(crate) use adapters::HostStorage;
#[cfg(test)]
pub(crate) use adapters::environment;
pub use course::carry_out;
#[cfg(test)]
pub(crate) use executor::HostExecutor;
#[cfg(test)]
pub(crate) use link::access;
#[cfg(test)]
pub(crate) use topology::build as build_topology;

/// It has everything.
pub const CAPABILITIES: Capabilities = Capabilities {
    name: "sim",
    lacks: |_| None,
    hosts_max: None,
};

/// Hosts of the simulation of the running thread.
pub struct SimBed {
    /// What carries nodes' connections.
    fidelity: Fidelity,
    known: Mutex<Known>,
}

/// What the simulator calls things.
#[derive(Default)]
struct Known {
    /// The scenario's hosts are numbered from 0 to here; gateways and interfaces follow.
    hosts: u32,
    /// Gateways by their numbers in the world.
    gateways: Vec<GatewayId>,
    /// Partitions in force.
    partitions: BTreeMap<usize, PartitionId>,
}

impl SimBed {
    /// No hosts yet.
    pub fn new(fidelity: Fidelity) -> Self {
        Self {
            fidelity,
            known: Mutex::default(),
        }
    }

    /// The simulator's gateway of that number in the world.
    pub(crate) fn gateway(&self, gateway: usize) -> GatewayId {
        self.known().gateways[gateway]
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // One thread uses it; a panic on it ends the run anyway.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Testbed for SimBed {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn now(&self) -> SimTime {
        kernel::now()
    }

    fn call_at(&self, at: SimTime, class: Class, host: HostId, action: Box<dyn FnOnce() + Send>) {
        kernel::call_at(at, class, host, action);
    }

    fn stream(&self, purpose: &str, host: u32) -> Stream {
        Stream::new(kernel::seed(), purpose, host)
    }

    fn home_addresses(&self, host: u32) -> (Ipv4Addr, Ipv6Addr) {
        (address::v4(HostId(host)), address::v6(HostId(host)))
    }

    fn environment(&self, host: u32, config: &Config, observer: Arc<dyn Observer>) -> Environment {
        adapters::environment(HostId(host), self.fidelity, config, observer)
    }

    fn wires(&self, host: u32, config: &Config) -> Box<dyn Fn() -> Vec<Wire> + Send + Sync> {
        let (fidelity, settings) = (self.fidelity, config.quic.settings());
        Box::new(move || adapters::wires(HostId(host), fidelity, settings))
    }

    fn restrict(&self, _: &mut Config) {}

    fn storage(&self, host: u32) -> Box<dyn HostDisk> {
        Box::new(HostStorage::of(HostId(host)))
    }

    fn spawn(&self, host: u32, task: BoxFuture<'static, ()>) {
        host::executor(HostId(host)).spawn(task);
    }

    fn report(&self, host: u32, told: &[u8]) {
        kernel::report(HostId(host), told);
    }

    fn fail(&self, message: String) {
        kernel::fail(message);
    }

    fn is_up(&self, host: u32) -> bool {
        host::is_up(HostId(host))
    }

    fn pull_plug(&self, host: u32) {
        host::power_cut(HostId(host));
    }

    fn as_host(&self, host: u32, f: &mut dyn FnMut()) {
        debug_assert!(kernel::running_host() == HostId::NONE);
        host::as_host(HostId(host), f);
    }

    fn traffic(&self) -> Option<Traffic> {
        let hosts = 0..self.known().hosts;
        let sent = hosts.map(|host| net::traffic(HostId(host)));
        let (bytes, packets) = sent.fold((0, 0), |sum, host| {
            (sum.0 + host.sent_bytes, sum.1 + host.sent_packets)
        });
        Some(Traffic {
            bytes,
            packets,
            drops: net::drops(),
        })
    }

    fn power(&self) -> &dyn Power {
        self
    }

    fn links(&self) -> &dyn Links {
        self
    }

    fn interfaces(&self) -> &dyn Interfaces {
        self
    }

    fn gateways(&self) -> &dyn Gateways {
        self
    }

    fn sockets(&self) -> &dyn Sockets {
        self
    }
}
