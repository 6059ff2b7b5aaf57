//! What the machines of a run stand on: hosts, a network between them, and disks.
//!
//! A testbed carries out; it knows no workload and judges nothing. What it lacks
//! is refused before a run begins. The time of every testbed is what
//! [`orrery_sim::kernel::now`] tells on its thread.

use std::sync::Arc;

use futures::future::BoxFuture;
use orrery_node::config::Config;
use orrery_node::environment::{Environment, Observer, Wire};
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId, host, kernel};

use super::adapters::{self, HostStorage};
use crate::format::scenario::network::Fidelity;

/// What carries the machines of a run. Hosts are numbered as in the scenario.
pub trait Testbed: Send + Sync {
    /// The outside world of a node that starts now on `machine` with `config`.
    fn environment(
        &self,
        machine: u32,
        config: &Config,
        observer: Arc<dyn Observer>,
    ) -> Environment;
    /// Makes the wires of a program that speaks from `machine` like a node with `config`; none where
    /// only nodes have any.
    fn wires(&self, machine: u32, config: &Config) -> Box<dyn Fn() -> Vec<Wire> + Send + Sync>;
    /// Takes out of a node's configuration what stands there by default and this testbed lacks;
    /// `orrery explain node` says what that is.
    fn restrict(&self, config: &mut Config);
    /// The disk of `machine`; it outlives power cuts.
    fn storage(&self, machine: u32) -> HostStorage;
    /// Runs `task` on `machine` until it ends or the machine goes down.
    fn spawn(&self, machine: u32, task: BoxFuture<'static, ()>);
    /// Runs `action` at a moment; at once if it has passed. What is asked for first goes first
    /// among actions of one moment and class; `host` is whom it concerns, if anybody.
    fn call_at(&self, at: SimTime, class: Class, host: HostId, action: Box<dyn FnOnce() + Send>);
    /// Puts what a machine's node told into the trace.
    fn report(&self, machine: u32, told: &[u8]);
    /// Ends the run because something is wrong. The first failure is kept.
    fn fail(&self, message: String);
    /// Whether `machine` has power.
    fn is_up(&self, machine: u32) -> bool;
    /// Cuts the power of `machine` for good, so that its disk can be read.
    fn pull_plug(&self, machine: u32);
    /// Calls `f` with the clock of `machine`.
    fn as_machine(&self, machine: u32, f: &mut dyn FnMut());
}

/// Our own simulator, on the thread of a [`orrery_sim::Simulation`].
pub struct Simulated {
    /// What carries nodes' connections.
    pub fidelity: Fidelity,
}

impl Testbed for Simulated {
    fn environment(
        &self,
        machine: u32,
        config: &Config,
        observer: Arc<dyn Observer>,
    ) -> Environment {
        adapters::environment(HostId(machine), self.fidelity, config, observer)
    }

    fn wires(&self, machine: u32, config: &Config) -> Box<dyn Fn() -> Vec<Wire> + Send + Sync> {
        let (fidelity, settings) = (self.fidelity, config.quic.settings());
        Box::new(move || adapters::wires(HostId(machine), fidelity, settings))
    }

    fn restrict(&self, _: &mut Config) {}

    fn storage(&self, machine: u32) -> HostStorage {
        HostStorage::of(HostId(machine))
    }

    fn spawn(&self, machine: u32, task: BoxFuture<'static, ()>) {
        host::executor(HostId(machine)).spawn(task);
    }

    fn call_at(&self, at: SimTime, class: Class, host: HostId, action: Box<dyn FnOnce() + Send>) {
        kernel::call_at(at, class, host, action);
    }

    fn report(&self, machine: u32, told: &[u8]) {
        kernel::report(HostId(machine), told);
    }

    fn fail(&self, message: String) {
        kernel::fail(message);
    }

    fn is_up(&self, machine: u32) -> bool {
        host::is_up(HostId(machine))
    }

    fn pull_plug(&self, machine: u32) {
        host::power_cut(HostId(machine));
    }

    fn as_machine(&self, machine: u32, f: &mut dyn FnMut()) {
        host::as_host(HostId(machine), f);
    }
}
