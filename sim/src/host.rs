//! Hosts: simulated machines, their life and death, and changes to their world.
//!
//! The functions here act on the simulation of the running thread, so that
//! scheduled steps can call them as well as the experiment itself. All of them
//! panic outside a simulation, and for a host that does not exist.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::WallClock;
use crate::disk::{DiskConfig, SimDisk};
use crate::executor::{self, Executor};
use crate::kernel::{self, HostId, HostScope, Still};
use crate::net::lan::{LanId, LanSpec};
use crate::net::link::Access;
use crate::net::nat::GatewayId;
use crate::net::partition::{PartitionId, TooManyCuts};
use crate::net::region_path::PathSpec;
use crate::net::stage::{LinkCounts, PipelineError, Stage};
use crate::net::udp::ReceiveLimits;
use crate::net::{self, address};
use crate::tcp;

/// A host to be made.
#[derive(Clone, Debug, Default)]
pub struct HostSpec {
    /// Name in logs and failures.
    pub name: String,
    /// Row and column of the delay matrix, unless it is behind a gateway.
    pub region: usize,
    /// Its link to the core, or to the inside of the gateway that it is behind.
    pub access: Access,
    /// The gateway that it is behind.
    pub behind: Option<GatewayId>,
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
/// Beyond [`address::HOSTS_MAX`] hosts, and beyond the addresses of the gateway's block.
pub fn add(spec: HostSpec) -> HostId {
    let host = kernel::with(|kernel| kernel.add_host(spec.name, spec.clock));
    assert!(host.0 < address::HOSTS_MAX, "more hosts than addresses");
    net::with(|net| {
        let behind = spec.behind.map(GatewayId::host);
        net.add_host(kernel::seed(), host, spec.region, &spec.access, behind);
    });
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

/// The IPv4 address that the host has where it is.
pub fn v4(host: HostId) -> Ipv4Addr {
    match ip_like(host, Ipv4Addr::UNSPECIFIED.into()) {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(_) => unreachable!("an IPv4 address was asked for"),
    }
}

/// The IPv6 address that the host has where it is.
pub fn v6(host: HostId) -> Ipv6Addr {
    match ip_like(host, Ipv6Addr::UNSPECIFIED.into()) {
        IpAddr::V6(v6) => v6,
        IpAddr::V4(_) => unreachable!("an IPv6 address was asked for"),
    }
}

/// The address of the same family as `like` that the host has where it is.
pub fn ip_like(host: HostId, like: IpAddr) -> IpAddr {
    net::with(|net| net.fabric.address(host, like))
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

/// Gives the host, which has no power, an empty disk of the same kind.
///
/// # Panics
/// If the host has power.
pub fn replace_disk(host: HostId) {
    assert!(!is_up(host), "the disk of {} is in use", name(host));
    DISKS.with_borrow_mut(|disks| {
        let empty = SimDisk::new(disks[host.index()].config());
        disks[host.index()] = empty;
    });
}

/// Whether the host has power and is awake.
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

/// Gives the host power again. Nothing runs on it until a program is started.
pub fn power_on(host: HostId) {
    net::restore(host);
}

/// Ends the host's programs in good order of the network: connections are
/// closed and stay closed properly. The disk keeps everything.
pub fn stop_programs(host: HostId) {
    executor::end_life(host);
}

/// Lets the host's programs stand still, as SIGSTOP does, or go on. What wakes them meanwhile (packets,
/// timers, disks) is theirs when they go on. Its system runs: connections acknowledge what comes
/// until their buffers are full, and sockets of UDP drop what does not fit. Power cuts and boots leave it.
pub fn set_paused(host: HostId, is_paused: bool) {
    kernel::with(|kernel| kernel.set_still(host, Still::Paused, is_paused));
}

/// Lets the host sleep, as a suspended machine does, or wakes it. Asleep it answers nothing, and nothing
/// on it goes on: no program, no timer of a program or of its TCP, and no clock but the wall clock
/// and `CLOCK_BOOTTIME`. Sockets and connections stay; what comes for them is lost, as for a host without power. When it wakes, timers wait for
/// what was left of them. Power cuts and boots leave it.
pub fn set_asleep(host: HostId, is_asleep: bool) {
    net::set_asleep(host, is_asleep);
}

/// Whether the host sleeps.
pub fn is_asleep(host: HostId) -> bool {
    kernel::with(|kernel| kernel.is_asleep(host))
}

/// What the host has missed asleep so far: packets that came, timers that were due, and turns of tasks.
pub fn slept_through(host: HostId) -> u64 {
    net::slept_through(host)
}

/// Whether the host's programs stand still.
pub fn is_paused(host: HostId) -> bool {
    kernel::with(|kernel| kernel.is_paused(host))
}

/// How often so far a task of the host was to go on and did not, since its programs stood still.
pub fn held_turns(host: HostId) -> u64 {
    kernel::with(|kernel| kernel.held_turns(host))
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

/// Sets what lies between two regions beside their delay, from the one to the other, for the
/// packets of all their hosts together.
pub fn set_path(from: usize, to: usize, spec: &PathSpec) {
    let ends = (from as u32, to as u32);
    net::with(|net| net.fabric.set_path(kernel::seed(), ends, spec));
}

/// Makes the host's links, which are those of `access`, ready to change: what waits for
/// them is held, and a later [`set_access`] meets it at once. Links that are not made ready
/// cost less, and their first change leaves what waits at the times that it was given.
pub fn expect_changes(host: HostId, access: &Access) {
    set_access(host, access);
}

/// Replaces the host's access link, from now on: what waits leaves at the new rate, and with
/// the new delay and losses. Packets that already have left the link keep their times.
pub fn set_access(host: HostId, access: &Access) {
    net::with(|net| net.set_access(host, access));
}

/// The host's access link, as it was last set.
pub fn access(host: HostId) -> Access {
    net::with(|net| net.access(host).clone())
}

/// What the host's access link has done so far, up and down.
pub fn link_counts(host: HostId) -> [LinkCounts; 2] {
    net::with(|net| net.fabric.link_counts(host))
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

/// Sets the conditions of the host's port on LAN segments: what its packets to other members
/// meet on their way up, and theirs on their way down. They go with the host from segment to
/// segment, and are those of a wire until they are set; [`Access::default`] makes it one again.
/// What waits in the port goes over to the new conditions, as with [`set_access`].
pub fn set_lan_port(host: HostId, access: &Access) {
    net::with(|net| net.set_lan_port(host, access));
}

/// Packets, of both directions, that have met what [`set_lan_port`] made of the host's port.
pub fn lan_packets(host: HostId) -> u64 {
    net::with(|net| net.lan_packets(host))
}

/// The conditions of the host's port on LAN segments, as they were last set.
pub fn lan_port(host: HostId) -> Access {
    net::with(|net| net.lan_port(host))
}

/// What the host's port on LAN segments has done so far, up and down: nothing while it is a plain
/// wire.
pub fn lan_counts(host: HostId) -> [LinkCounts; 2] {
    net::with(|net| net.lan_counts(host))
}

/// Takes the host to another network: behind a gateway, or before all of them. It leaves
/// its LAN segment, keeps its link until [`set_access`], and has other addresses, IPv6
/// always; only a NAT that it comes back to gives it the IPv4 address that it had there. To
/// its home it goes by [`return_home`].
///
/// What is under way to its old addresses is lost. Sockets stay: those of UDP send from the
/// new address, and TCP connections from the old one are heard of no more, until they time
/// out.
///
/// # Panics
/// If the host is itself a gateway, or the addresses of the gateway's block are used up.
pub fn move_to(host: HostId, behind: Option<GatewayId>) {
    net::with(|net| net.move_host(host, behind));
}

/// Makes the network that the host is in its home, to which [`return_home`] takes it.
pub fn set_home(host: HostId) {
    net::with(|net| {
        let lan = net.lan_of(host);
        net.fabric.set_home(host, lan);
    });
}

/// Takes the host to its home again, with its LAN segment and with the addresses that it has
/// there: the lease of its NAT (RFC 2131 §4.3.1), and an IPv6 address that is the same whenever
/// it is in that network (RFC 7217). Otherwise as [`move_to`].
///
/// # Panics
/// If [`set_home`] has not given it one.
pub fn return_home(host: HostId) {
    let returned = net::with(|net| net.return_home(host));
    assert!(returned, "host {host} has no home");
}

/// The gateway that the host is behind.
pub fn gateway(host: HostId) -> Option<GatewayId> {
    net::with(|net| net.gateway_of(host))
}

/// The LAN segment that the host is on.
pub fn lan(host: HostId) -> Option<LanId> {
    net::with(|net| net.lan_of(host))
}

/// Whether a partition in force stops packets from one host to another.
pub fn is_cut(from: HostId, to: HostId) -> bool {
    net::with(|net| net.fabric.separates(from, to))
}

/// Sets the one-way delays of the core, `delays[from][to]` by region.
pub fn set_delays(delays: Vec<Vec<Duration>>) {
    net::with(|net| net.fabric.set_delays(delays));
}

/// Stops packets from `a` to `b`, and back if `both_ways`, where they leave the core: what is
/// under way there now is stopped too. The gateways that a host is behind are cut off with it,
/// wherever it moves, and so is what else is behind them; neighbours still reach each other.
///
/// # Errors
/// [`TooManyCuts`].
pub fn partition(a: &[HostId], b: &[HostId], both_ways: bool) -> Result<PartitionId, TooManyCuts> {
    net::with(|net| net.fabric.cut(a, b, both_ways))
}

/// Ends a partition. Returns the packets that it stopped; one that several stopped counts for
/// each.
pub fn heal(partition: PartitionId) -> u64 {
    net::with(|net| net.fabric.partitions.heal(partition))
}

/// Forgets the disks of a simulation that has ended.
pub(crate) fn clear() {
    DISKS.with_borrow_mut(Vec::clear);
}
