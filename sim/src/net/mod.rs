//! The network of a simulation: hosts, wires and sockets.
//!
//! A packet leaves its host through the stages of its access link, crosses the
//! core with the delay between the two regions, and passes the stages of the
//! receiver's link. One event carries it over the core; a second one is needed
//! only if the receiver's link takes time.
//!
//! State is thread-local, as the kernel's. Wakers are collected while it is
//! borrowed and woken afterwards.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::task::Waker;

use crate::kernel::{self, Class, HostId};
use crate::prefetch::prefetch;
use crate::random::Stream;

pub mod address;
pub mod capture;
mod drop_reason;
pub mod fabric;
mod flow_table;
pub mod icmp;
mod icmp_limit;
mod interfaces;
pub mod lan;
pub mod link;
pub mod multihomed;
pub mod nat;
pub mod packet;
pub mod partition;
mod path_mtu;
mod pcapng;
pub mod region_path;
pub mod stage;
mod tcp_socket;
mod tcp_stack;
pub mod transit;
pub mod udp;
mod udp_socket;
mod unreachable;
pub mod wire;

pub use drop_reason::DropReason;
pub use fabric::HostTraffic;
pub use interfaces::{AddressChange, Interfaces};
pub use tcp_socket::{TcpListener, TcpStream};

use capture::Capture;
use fabric::{Fabric, LinkDirection};
use lan::Lans;
use packet::{Packet, Transport};
use pcapng::Direction;
use stage::Condition;
use tcp_stack::TcpStack;
use transit::{LinkFree, Stop, Transit};
use udp::{Refused, UdpStack};
use unreachable::Reachability;

pub(crate) struct Net {
    pub(crate) fabric: Fabric,
    /// Sockets by host, and by protocol: a packet is of one.
    tcp: Vec<TcpStack>,
    udp: Vec<UdpStack>,
    reachability: Vec<Reachability>,
    lans: Lans,
    /// The access links of hosts, as they were last set.
    access: Vec<link::Access>,
    gateways: nat::Gateways,
    watchers: interfaces::Watchers,
    wake: Vec<Waker>,
    capture: Option<Box<Capture>>,
}

thread_local! {
    static NET: RefCell<Option<Net>> = const { RefCell::new(None) };
}

pub(crate) fn install(capture: Option<Capture>) {
    let net = Net {
        fabric: Fabric::default(),
        tcp: Vec::new(),
        udp: Vec::new(),
        reachability: Vec::new(),
        lans: Lans::default(),
        access: Vec::new(),
        gateways: nat::Gateways::default(),
        watchers: interfaces::Watchers::default(),
        wake: Vec::new(),
        capture: capture.map(Box::new),
    };
    NET.with_borrow_mut(|slot| *slot = Some(net));
}

/// Ends this thread's network and returns its captures.
pub(crate) fn uninstall() -> Option<Capture> {
    let mut net = NET.with_borrow_mut(Option::take);
    let capture = net.as_mut().and_then(|net| net.capture.take());
    // Wakers inside run destructors, which may look for the network again.
    drop(net);
    capture.map(|capture| *capture)
}

/// Runs `f` on this thread's network, then wakes the tasks that it wanted woken.
///
/// # Panics
/// Outside a simulation, or when called from within itself.
pub(crate) fn with<T>(f: impl FnOnce(&mut Net) -> T) -> T {
    with_wakes(f).0
}

/// As [`with`]; also tells whether a task was woken.
fn with_wakes<T>(f: impl FnOnce(&mut Net) -> T) -> (T, bool) {
    let (value, wake) = NET.with_borrow_mut(|net| {
        let net = net.as_mut().expect("a simulation runs on this thread");
        let value = f(net);
        (value, std::mem::take(&mut net.wake))
    });
    let woken = !wake.is_empty();
    wake.into_iter().for_each(Waker::wake);
    (value, woken)
}

/// As [`with`], outside a simulation nothing: for destructors.
pub(crate) fn try_with<T>(f: impl FnOnce(&mut Net) -> T) -> Option<T> {
    let alive = NET
        .try_with(|net| net.try_borrow().is_ok_and(|net| net.is_some()))
        .unwrap_or(false);
    alive.then(|| with(f))
}

/// Prefetches tables with a place for each host, for a program of `host` that sends a packet.
pub(crate) fn prefetch_program_tables(host: HostId) {
    NET.with_borrow(|net| {
        let Some(net) = net else { return };
        net.fabric.prefetch_tables(host, LinkDirection::Up);
        net.udp.get(host.index()).into_iter().for_each(prefetch);
        net.reachability
            .get(host.index())
            .into_iter()
            .for_each(prefetch);
    });
}

/// Prefetches what those tables lead to.
pub(crate) fn prefetch_program_targets(host: HostId) {
    NET.with_borrow(|net| {
        let Some(net) = net else { return };
        net.fabric.prefetch_targets(host, LinkDirection::Up);
        let udp = net.udp.get(host.index());
        udp.into_iter().for_each(UdpStack::prefetch_targets);
    });
}

/// Takes a host off the network without a word: its sockets vanish, and nothing
/// is sent or received until [`restore`].
pub(crate) fn silence(host: HostId) {
    let old = with(|net| {
        net.gateways.restart(host);
        let interfaces = net.interfaces_of(host).into_iter();
        let old: Vec<_> = interfaces.map(|at| net.silence_interface(at)).collect();
        (old, net.watchers.forget(host))
    });
    // Wakers inside run destructors, which may look for the network again.
    drop(old);
}

/// Puts a silenced host back on the network.
pub(crate) fn restore(host: HostId) {
    with(|net| {
        for interface in net.interfaces_of(host) {
            net.fabric.set_up(interface, true);
        }
    });
}

/// Lets a host sleep, or wakes it: it is on the network, and its TCP keeps its timeouts, only while it is
/// awake.
pub(crate) fn set_asleep(host: HostId, is_asleep: bool) {
    with_wakes(|net| {
        for interface in net.interfaces_of(host) {
            net.fabric.set_asleep(interface, is_asleep);
            kernel::with(|kernel| kernel.set_asleep(interface, is_asleep));
            if !is_asleep {
                net.tcp_resume(interface);
            }
        }
    });
}

/// What a host has missed asleep so far, by all its interfaces.
pub(crate) fn slept_through(host: HostId) -> u64 {
    with(|net| {
        let interfaces = net.interfaces_of(host).into_iter();
        let missed = interfaces.map(|at| {
            let timers = kernel::with(|kernel| kernel.held_timers(at));
            net.fabric.slept_through(at) + timers
        });
        missed.sum()
    })
}

/// Packets dropped so far, by reason, over all hosts.
pub fn drops() -> BTreeMap<&'static str, u64> {
    with(|net| {
        let drops = net.fabric.drops().iter();
        drops
            .map(|(reason, count)| (reason.name(), *count))
            .collect()
    })
}

/// What a host sent and received so far, by all its interfaces.
pub fn traffic(host: HostId) -> HostTraffic {
    with(|net| net.fabric.traffic(host))
}

impl Net {
    pub(crate) fn add_host(
        &mut self,
        seed: u64,
        host: HostId,
        region: usize,
        access: &link::Access,
        behind: Option<HostId>,
    ) {
        self.fabric.add_host(seed, host, region, access);
        self.fabric.put(host, behind);
        self.access.push(access.clone());
        self.tcp
            .push(TcpStack::new(Stream::new(seed, "tcp", host.0)));
        self.udp.push(UdpStack::default());
        let known = Reachability::new(access.up.mtu, access.down.mtu);
        self.reachability.push(known);
        if let Some(capture) = &mut self.capture {
            let name = kernel::with(|kernel| kernel.host_name(host).to_owned());
            let ips = [
                IpAddr::from(Ipv4Addr::UNSPECIFIED),
                Ipv6Addr::UNSPECIFIED.into(),
            ];
            capture.add_host(host, &name, ips.map(|ip| self.fabric.address(host, ip)));
        }
    }

    /// Takes one interface of a host that loses its power off the network. Returns its sockets.
    fn silence_interface(&mut self, interface: HostId) -> (TcpStack, UdpStack) {
        self.fabric.set_up(interface, false);
        let restarted = self.tcp(interface).restarted();
        let tcp = std::mem::replace(self.tcp(interface), restarted);
        tcp.cancel_timeouts();
        let known = &mut self.reachability[interface.index()];
        *known = known.restarted();
        let restarted = self.udp[interface.index()].restarted();
        let udp = std::mem::replace(&mut self.udp[interface.index()], restarted);
        (tcp, udp)
    }

    /// Sets what may wait in the UDP sockets that the host binds later.
    pub(crate) fn set_udp_limits(&mut self, host: HostId, limits: udp::ReceiveLimits) {
        self.udp[host.index()].set_limits(limits);
    }

    /// Replaces a host's access link. Packets that already have left it keep
    /// their times.
    pub(crate) fn set_access(&mut self, host: HostId, access: &link::Access) {
        self.reachability[host.index()].set_link_mtus(access.up.mtu, access.down.mtu);
        self.fabric.set_access(kernel::now(), host, access);
        self.access[host.index()].clone_from(access);
        self.drain_link(host, LinkDirection::Up);
        self.drain_link(host, LinkDirection::Down);
    }

    /// A host's access link, as it was last set.
    pub(crate) fn access(&self, host: HostId) -> &link::Access {
        &self.access[host.index()]
    }

    /// The LAN segment that a host is on.
    pub(crate) fn lan_of(&self, host: HostId) -> Option<lan::LanId> {
        self.lans.of(host)
    }

    /// Replaces a host's uplink by stages of an experiment's own.
    pub(crate) fn set_uplink(
        &mut self,
        host: HostId,
        stages: Vec<Box<dyn stage::Stage>>,
    ) -> Result<(), stage::PipelineError> {
        self.fabric.set_uplink(kernel::now(), host, stages)?;
        self.drain_link(host, LinkDirection::Up);
        Ok(())
    }

    /// Sends a packet of `from` on its way.
    fn send(&mut self, from: HostId, packet: Packet) {
        if self.fabric.is_stale(from, packet.src.ip()) {
            self.fabric.count_drop(DropReason::StaleSource);
            return;
        }
        self.observe(from, Direction::Outbound, &packet);
        if self.lans.carry(&self.fabric, from, packet.dst.ip()) {
            self.send_on_lan(from, &packet);
            return;
        }
        match self.fabric.send(kernel::now(), from, &packet) {
            Some(hop) => Transit::new(packet).schedule_hop(&hop),
            None => self.check_uplink(from, &packet),
        }
        self.drain_link(from, LinkDirection::Up);
    }

    /// Sends a packet of the router before the access link of `near` on its way, or of
    /// that host's own kernel to itself.
    fn send_from_router(&mut self, near: HostId, packet: Packet) {
        if let Some(hop) = self.fabric.send_from_router(kernel::now(), near, &packet) {
            Transit::new(packet).schedule_hop(&hop);
        }
    }

    /// A packet for `host` comes to the path between two regions.
    fn cross(&mut self, host: HostId, condition: Condition, packet: Box<Transit>) {
        let ends = (packet.from(), host);
        let now = kernel::now();
        if let Some(hop) = self.fabric.pass_path(now, ends, &packet, condition) {
            packet.schedule_hop(&hop);
        }
    }

    /// A packet comes out of the core before the link of `host`.
    #[inline]
    fn leave_core(&mut self, host: HostId, condition: Condition, packet: Box<Transit>) {
        if self.fabric.leaves_core(packet.from(), host) {
            self.arrive(host, condition, packet);
        }
    }

    fn arrive(&mut self, host: HostId, condition: Condition, packet: Box<Transit>) {
        let now = kernel::now();
        let hop = self.fabric.arrive(now, host, &packet, condition);
        self.drain_link(host, LinkDirection::Down);
        match hop {
            None => self.check_downlink(host, &packet),
            Some(hop) if hop.at == now => self.leave_downlink(host, hop.condition, packet),
            Some(hop) => packet.schedule(hop.at, host, Stop::Host, hop.condition),
        }
    }

    fn link_free(&mut self, host: HostId, way: LinkDirection) {
        self.fabric.wake(kernel::now(), host, way);
        self.drain_link(host, way);
    }

    /// Takes from a host's link what it let go beside the packet that came to
    /// it, and sees to it that the link is woken when it has to be.
    fn drain_link(&mut self, host: HostId, way: LinkDirection) {
        while let Some((packet, hop)) = self.fabric.next_released(host, way) {
            match way {
                LinkDirection::Up => packet.schedule_hop(&hop),
                LinkDirection::Down => packet.schedule(hop.at, host, Stop::Host, hop.condition),
            }
        }
        if let Some(at) = self.fabric.wakeup_due(host, way) {
            transit::schedule(at, host, Box::new(LinkFree(way)));
        }
    }

    /// A packet has left the downlink of a host or gateway, or its LAN segment.
    #[inline]
    fn leave_downlink(&mut self, host: HostId, condition: Condition, packet: Box<Transit>) {
        if self.fabric.is_gateway(host) {
            self.pass_gateway(host, condition, packet);
        } else {
            self.receive(host, condition, &packet);
        }
    }

    fn receive(&mut self, host: HostId, condition: Condition, packet: &Packet) {
        let to = packet.dst.ip();
        if to.is_multicast() && !self.udp[host.index()].is_member(to) {
            // The interface lets it pass by, as it does on Ethernet.
            return;
        }
        if !self.fabric.note_received(host, packet) {
            return;
        }
        self.deliver_local(host, condition, packet);
    }

    /// A packet for the host itself has come to it.
    fn deliver_local(&mut self, host: HostId, condition: Condition, packet: &Packet) {
        if condition == Condition::Corrupted {
            self.fabric.count_drop(DropReason::Corrupted);
            return;
        }
        kernel::with(|kernel| {
            kernel.record(Class::Packet, host, |encoding| packet.digest_into(encoding));
        });
        if !self.fabric.is_gateway(host) {
            self.observe(host, Direction::Inbound, packet);
        }
        match &packet.transport {
            Transport::Tcp(segment) => self.tcp_segment(host, packet.dst, packet.src, segment),
            Transport::Udp(payload) => {
                let at = self.udp_at(host, packet.dst.port());
                let sockets = &mut self.udp[at.index()];
                let taken = sockets.receive(packet.dst, packet.src, payload, &mut self.wake);
                if let Err(refused) = taken {
                    self.fabric.count_drop(refused.into());
                    if refused == Refused::NoSocket {
                        self.refuse_port(host, packet);
                    }
                }
            }
            Transport::Icmp(error) => self.icmp_error(host, error),
        }
    }

    /// Captures a packet of a host that has power, if this simulation captures.
    #[inline]
    fn observe(&mut self, host: HostId, direction: Direction, packet: &Packet) {
        if let Some(capture) = &mut self.capture
            && self.fabric.is_up(host)
        {
            capture.packet(kernel::now(), host, direction, packet);
        }
    }
}
