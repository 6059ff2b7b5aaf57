//! What a run asks of any testbed, and a testbed's parts.
//!
//! Owns the traits alone: who implements them, and for which engine, is the folders' around.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use futures::future::BoxFuture;
use orrery_node::config::Config;
use orrery_node::environment::{Disk, Environment, Observer, Storage, Wire};
use orrery_sim::random::Stream;
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId};

use super::capability::Capabilities;
use super::parts::{Gateways, Interfaces, Links, Power};
use super::sockets::Sockets;

/// What carries the hosts of a run.
///
/// ```no_run
/// use orrery_scenarios::testbed::Testbed;
///
/// /// How far a host's run has come when it asks.
/// fn told(testbed: &dyn Testbed, host: u32) {
///     let now = testbed.now();
///     testbed.report(host, now.to_string().as_bytes());
/// }
/// ```
pub trait Testbed: Send + Sync {
    /// What it can do and what it lacks.
    fn capabilities(&self) -> &'static Capabilities;

    /// The time of the run, from its start.
    fn now(&self) -> SimTime;
    /// Runs `action` at a moment; at once if it has passed. What is asked for first goes first
    /// among actions of one moment and class; `host` is the host that it concerns, if any.
    fn call_at(&self, at: SimTime, class: Class, host: HostId, action: Box<dyn FnOnce() + Send>);
    /// The stream of chance for a purpose at a host: for a seed of the run always the same.
    fn stream(&self, purpose: &str, host: u32) -> Stream;

    /// The addresses that a host has at home, IPv4 and IPv6, which are known before it starts.
    fn home_addresses(&self, host: u32) -> (Ipv4Addr, Ipv6Addr);
    /// The outside world of a node that starts now on `host` with `config`.
    fn environment(&self, host: u32, config: &Config, observer: Arc<dyn Observer>) -> Environment;
    /// Makes the wires of a program that speaks from `host` like a node with `config`; none where
    /// only nodes have any.
    fn wires(&self, host: u32, config: &Config) -> Box<dyn Fn() -> Vec<Wire> + Send + Sync>;
    /// Takes out of a node's configuration what stands there by default and this testbed lacks;
    /// `orrery explain node` says what that is.
    fn restrict(&self, config: &mut Config);
    /// The disk of a host; it outlives power cuts.
    fn storage(&self, host: u32) -> Box<dyn HostDisk>;

    /// Runs `task` on a host until it ends or the host goes down.
    fn spawn(&self, host: u32, task: BoxFuture<'static, ()>);
    /// Puts what a host's program told into the trace.
    fn report(&self, host: u32, told: &[u8]);
    /// Ends the run because something is wrong. The first failure is kept.
    fn fail(&self, message: String);
    /// Whether a host has power.
    fn is_up(&self, host: u32) -> bool;
    /// Cuts the power of a host for good, so that its disk can be read.
    fn pull_plug(&self, host: u32);
    /// Calls `f` with the clock of a host.
    fn as_host(&self, host: u32, f: &mut dyn FnMut());
    /// What the wires have carried until now; `None` if it does not tell
    /// ([`Capability::WireCounts`](super::Capability::WireCounts)).
    fn traffic(&self) -> Option<Traffic>;

    /// Power, programs and clocks of hosts, as faults change them.
    ///
    /// # Panics
    /// As all of its parts: if the testbed lacks it.
    fn power(&self) -> &dyn Power {
        has_no(self.capabilities(), "faults of hosts")
    }
    /// Links of hosts, and the networks that hosts are in, as faults change them.
    fn links(&self) -> &dyn Links {
        has_no(self.capabilities(), "faults of links")
    }
    /// Further interfaces of hosts.
    fn interfaces(&self) -> &dyn Interfaces {
        has_no(self.capabilities(), "further interfaces")
    }
    /// NATs and firewalls.
    fn gateways(&self) -> &dyn Gateways {
        has_no(self.capabilities(), "NATs and firewalls")
    }
    /// Sockets of hosts, for workloads beside nodes.
    fn sockets(&self) -> &dyn Sockets {
        has_no(self.capabilities(), "sockets of hosts")
    }
}

/// A scenario that asks for this was to be refused.
fn has_no<T>(capabilities: &Capabilities, what: &str) -> T {
    panic!(
        "{} has no {what}, and a scenario that asks for it is refused",
        capabilities.name
    )
}

/// The disk of a host.
pub trait HostDisk: Storage {
    /// The files, for inspection without disk time.
    fn files(&self) -> &Arc<dyn Disk>;
}

/// What hosts have sent and what was dropped until a moment, or between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of all packets that hosts sent, headers included.
    pub bytes: u64,
    /// Packets that hosts sent.
    pub packets: u64,
    /// Packets that were dropped, by reason.
    pub drops: BTreeMap<&'static str, u64>,
}
