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
use std::task::Waker;

use crate::kernel::{self, Class, Event, HostId};
use crate::random::Stream;
use crate::time::SimTime;

pub mod address;
pub mod fabric;
pub mod link;
pub mod packet;
pub mod partition;
pub mod stage;
mod tcp_socket;
mod tcp_stack;
pub mod udp;

pub use fabric::HostTraffic;
pub use tcp_socket::{TcpListener, TcpStream};
pub(crate) use tcp_stack::FlowRef;

use fabric::{Fabric, Hop, Way};
use packet::{Packet, Transport};
use stage::Condition;
use tcp_stack::TcpStack;
use udp::UdpStack;

/// Something that waits for its time on the wires.
pub(crate) enum NetEvent {
    /// A packet leaves the core for the receiver's link.
    Arrive(HostId, Condition, Box<Packet>),
    /// A packet leaves the receiver's link.
    Deliver(HostId, Condition, Box<Packet>),
    /// A host's link can let go of packets that it holds.
    LinkFree(HostId, Way),
    /// A connection's next timeout.
    TcpTimeout(FlowRef),
}

pub(crate) struct Net {
    pub(crate) fabric: Fabric,
    /// Sockets by host, and by protocol: a packet is of one.
    tcp: Vec<TcpStack>,
    udp: Vec<UdpStack>,
    wake: Vec<Waker>,
}

thread_local! {
    static NET: RefCell<Option<Net>> = const { RefCell::new(None) };
}

pub(crate) fn install() {
    let net = Net {
        fabric: Fabric::default(),
        tcp: Vec::new(),
        udp: Vec::new(),
        wake: Vec::new(),
    };
    NET.with_borrow_mut(|slot| *slot = Some(net));
}

pub(crate) fn uninstall() {
    let net = NET.with_borrow_mut(Option::take);
    // Wakers inside run destructors, which may look for the network again.
    drop(net);
}

/// Runs `f` on this thread's network, then wakes whom it wanted woken.
///
/// # Panics
/// Outside a simulation, or when called from within itself.
pub(crate) fn with<T>(f: impl FnOnce(&mut Net) -> T) -> T {
    with_wakes(f).0
}

/// As [`with`]; also tells whether anybody was woken.
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

/// Delivers an event of the wires. True if a program was woken.
pub(crate) fn deliver(event: NetEvent) -> bool {
    with_wakes(|net| match event {
        NetEvent::Arrive(host, condition, packet) => net.arrive(host, condition, packet),
        NetEvent::Deliver(host, condition, packet) => net.receive(host, condition, &packet),
        NetEvent::LinkFree(host, way) => net.link_free(host, way),
        NetEvent::TcpTimeout(flow) => net.tcp_timeout(flow),
    })
    .1
}

/// Takes a host off the network without a word: its sockets vanish, and nothing
/// is sent or received until [`restore`].
pub(crate) fn silence(host: HostId) {
    let old = with(|net| {
        net.fabric.set_up(host, false);
        let restarted = net.tcp(host).restarted();
        let tcp = std::mem::replace(net.tcp(host), restarted);
        tcp.cancel_timeouts();
        (tcp, std::mem::take(&mut net.udp[host.index()]))
    });
    // Wakers inside run destructors, which may look for the network again.
    drop(old);
}

/// Puts a silenced host back on the network.
pub(crate) fn restore(host: HostId) {
    with(|net| net.fabric.set_up(host, true));
}

/// Packets dropped so far, by reason, over all hosts.
pub fn drops() -> BTreeMap<&'static str, u64> {
    with(|net| net.fabric.drops().clone())
}

/// What a host sent and received so far.
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
    ) {
        self.fabric.add_host(seed, host, region, access);
        self.tcp
            .push(TcpStack::new(Stream::new(seed, "tcp", host.0)));
        self.udp.push(UdpStack::default());
    }

    /// Replaces a host's access link. Packets that already have left it keep
    /// their times.
    pub(crate) fn set_access(&mut self, host: HostId, access: &link::Access) {
        self.fabric.set_access(kernel::now(), host, access);
        self.follow_up(host, Way::Up);
        self.follow_up(host, Way::Down);
    }

    /// Sends a packet of `from` on its way.
    fn send(&mut self, from: HostId, packet: Packet) {
        if let Some(hop) = self.fabric.send(kernel::now(), from, &packet) {
            schedule_arrival(&hop, Box::new(packet));
        }
        self.follow_up(from, Way::Up);
    }

    fn arrive(&mut self, host: HostId, condition: Condition, packet: Box<Packet>) {
        let now = kernel::now();
        let hop = self.fabric.arrive(now, host, &packet, condition);
        self.follow_up(host, Way::Down);
        match hop {
            None => {}
            Some(hop) if hop.at == now => self.receive(host, hop.condition, &packet),
            Some(hop) => schedule_delivery(&hop, packet),
        }
    }

    fn link_free(&mut self, host: HostId, way: Way) {
        self.fabric.wake(kernel::now(), host, way);
        self.follow_up(host, way);
    }

    /// Takes from a host's link what it let go beside the packet that came to
    /// it, and sees to it that the link is woken when it has to be.
    fn follow_up(&mut self, host: HostId, way: Way) {
        while let Some((packet, hop)) = self.fabric.next_released(host, way) {
            match way {
                Way::Up => schedule_arrival(&hop, packet),
                Way::Down => schedule_delivery(&hop, packet),
            }
        }
        if let Some(at) = self.fabric.wakeup_due(host, way) {
            schedule(at, host, NetEvent::LinkFree(host, way));
        }
    }

    fn receive(&mut self, host: HostId, condition: Condition, packet: &Packet) {
        if !self.fabric.is_delivered(host, packet, condition) {
            return;
        }
        kernel::with(|kernel| {
            kernel.record(Class::Packet, host, |hasher| packet.digest_into(hasher));
        });
        match &packet.transport {
            Transport::Tcp(segment) => self.tcp_segment(host, packet.dst, packet.src, segment),
            Transport::Udp(payload) => {
                let sockets = &mut self.udp[host.index()];
                if let Err(reason) =
                    sockets.receive(packet.dst, packet.src, payload, &mut self.wake)
                {
                    self.fabric.count_drop(reason);
                }
            }
        }
    }
}

fn schedule_arrival(hop: &Hop, packet: Box<Packet>) {
    let event = NetEvent::Arrive(hop.host, hop.condition, packet);
    schedule(hop.at, hop.host, event);
}

fn schedule_delivery(hop: &Hop, packet: Box<Packet>) {
    let event = NetEvent::Deliver(hop.host, hop.condition, packet);
    schedule(hop.at, hop.host, event);
}

fn schedule(at: SimTime, host: HostId, event: NetEvent) {
    kernel::with(|kernel| kernel.schedule(at, Class::Packet, host, Event::Net(event)));
}
