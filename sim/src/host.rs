//! Hosts: simulated machines, their life and death, and changes to their world.
//!
//! The functions here act on the simulation of the running thread, so that
//! scheduled steps can call them as well as the experiment itself. All of them
//! panic outside a simulation, and for a host that does not exist.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::WallClock;
use crate::disk::{DiskConfig, SimDisk};
use crate::executor::{self, Executor};
use crate::kernel::{self, HostId, HostScope};
use crate::net::lan::{LanId, LanSpec};
use crate::net::link::Access;
use crate::net::partition::{PartitionId, TooManyCuts};
use crate::net::stage::{PipelineError, Stage};
use crate::net::udp::ReceiveLimits;
use crate::net::{self, address};
use crate::tcp;

/// A host to be made.
#[derive(Clone, Debug, Default)]
pub struct HostSpec {
    /// Name in logs and failures.
    pub name: String,
    /// Row and column of the delay matrix.
    pub region: usize,
    /// Its link to the core.
    pub access: Access,
    /// Its wall clock.
    pub clock: WallClock,
    /// Its disk.
    pub disk: DiskConfig,
}

thread_local! {
    static DISKS: RefCell<Vec<SimDisk>> = const { RefCell::new(Vec::new()) };
}

impl HostSpec {
    /// A host with a perfect link, clock and disk.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// Adds a host. It is up, and nothing runs on it.
///
/// # Panics
/// Beyond [`address::HOSTS_MAX`] hosts.
pub fn add(spec: HostSpec) -> HostId {
    let host = kernel::with(|kernel| kernel.add_host(spec.name, spec.clock));
    assert!(host.0 < address::HOSTS_MAX, "more hosts than addresses");
    net::with(|net| net.add_host(kernel::seed(), host, spec.region, &spec.access));
    DISKS.with_borrow_mut(|disks| disks.push(SimDisk::new(spec.disk)));
    host
}

/// Hosts that were added.
pub fn count() -> u32 {
    kernel::with(|kernel| kernel.host_count()) as u32
}

/// The host's name.
pub fn name(host: HostId) -> String {
    kernel::with(|kernel| kernel.host_name(host).to_owned())
}

/// Runs programs on the host's behalf, until its life ends.
pub fn executor(host: HostId) -> Executor {
    Executor::of(host)
}

/// Tasks that run on the host.
pub fn tasks(host: HostId) -> usize {
    executor::live_tasks(host)
}

/// The host's disk. It outlives power cuts.
pub fn disk(host: HostId) -> SimDisk {
    DISKS.with_borrow(|disks| disks[host.index()].clone())
}

/// Whether the host has power.
pub fn is_up(host: HostId) -> bool {
    net::with(|net| net.fabric.is_up(host))
}

/// Cuts the host's power. Nothing leaves it any more, not even a FIN; its tasks
/// vanish, and its disk keeps what was synced. Returns the bytes that the disk lost.
pub fn power_cut(host: HostId) -> u64 {
    // Off the network and the disk first: the destructors of its tasks must
    // neither be heard nor leave traces.
    net::silence(host);
    let disk = disk(host);
    let lost_before = disk.stats().lost_bytes;
    disk.power_cut(kernel::now());
    executor::end_life(host);
    disk.stats().lost_bytes - lost_before
}

/// Gives the host power again. Nothing runs on it until somebody starts it.
pub fn power_on(host: HostId) {
    net::restore(host);
}

/// Ends the host's programs in good order of the network: connections are
/// closed and stay closed properly. The disk keeps everything.
pub fn stop_programs(host: HostId) {
    executor::end_life(host);
}

/// Runs `f` as the host: with its wall clock, and its name in the log.
pub fn as_host<T>(host: HostId, f: impl FnOnce() -> T) -> T {
    let _scope = HostScope::enter(host);
    f()
}

/// Sets the host's wall clock forward (or back) by `by_ns`.
pub fn step_clock(host: HostId, by_ns: i64) {
    kernel::with(|kernel| {
        let now = kernel.now();
        kernel.clock_mut(host).step(now, by_ns);
    });
}

/// How far the host's wall clock is ahead of true time, in nanoseconds.
pub fn clock_offset_ns(host: HostId) -> i64 {
    kernel::with(|kernel| {
        let now = kernel.now();
        kernel.clock_mut(host).offset_ns(now)
    })
}

/// Replaces the host's access link. Packets that already have left it keep their times.
pub fn set_access(host: HostId, access: &Access) {
    net::with(|net| net.set_access(host, access));
}

/// Replaces the host's uplink by stages of an experiment's own.
///
/// # Errors
/// [`PipelineError`] if they cannot work in this order.
pub fn set_uplink(host: HostId, stages: Vec<Box<dyn Stage>>) -> Result<(), PipelineError> {
    net::with(|net| net.set_uplink(host, stages))
}

/// Sets the TCP of the host, for connections that begin later.
pub fn set_tcp(host: HostId, config: tcp::Config) {
    net::with(|net| net.tcp(host).set_config(Arc::new(config)));
}

/// Sets what may wait in UDP sockets that the host binds later.
pub fn set_udp(host: HostId, limits: ReceiveLimits) {
    net::with(|net| net.set_udp_limits(host, limits));
}

/// Adds a LAN segment; it has no members yet.
pub fn add_lan(spec: LanSpec) -> LanId {
    net::with(|net| net.add_lan(spec))
}

/// Takes the host to a LAN segment, from any other: a host is on one at a time. With
/// other members it talks over the segment alone, with the rest of the world over its
/// access link as before.
pub fn join_lan(host: HostId, lan: LanId) {
    net::with(|net| net.set_lan(host, Some(lan)));
}

/// Takes the host from its LAN segment. What is under way to it still arrives.
pub fn leave_lan(host: HostId) {
    net::with(|net| net.set_lan(host, None));
}

/// Sets the one-way delays of the core, `delays[from][to]` by region.
pub fn set_delays(delays: Vec<Vec<Duration>>) {
    net::with(|net| net.fabric.set_delays(delays));
}

/// Stops packets from `a` to `b`, and back if `both_ways`.
///
/// # Errors
/// [`TooManyCuts`].
pub fn partition(a: &[HostId], b: &[HostId], both_ways: bool) -> Result<PartitionId, TooManyCuts> {
    net::with(|net| net.fabric.partitions.cut(a, b, both_ways))
}

/// Ends a partition. Returns the packets that it stopped.
pub fn heal(partition: PartitionId) -> u64 {
    net::with(|net| net.fabric.partitions.heal(partition))
}

/// Forgets the disks of a simulation that has ended.
pub(crate) fn clear() {
    DISKS.with_borrow_mut(Vec::clear);
}
