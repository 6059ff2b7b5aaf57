//! Packets between two of their stops, and links to look after: what the network has wait in
//! the kernel's queue.
//!
//! Owns what each of these events calls. What becomes of a packet at its stop is decided where
//! the stop is: [`super`], [`super::nat`], [`super::lan`].

use std::ops::{Deref, DerefMut};

use super::fabric::{Hop, LinkDirection, LinkEnd};
use super::packet::{Packet, Transport};
use super::stage::Condition;
use super::tcp_stack::{FlowRef, TcpStack};
use super::{NET, Net, with_wakes};
use crate::kernel::{self, Class, Event, HostId, Occurrence};
use crate::prefetch::prefetch;
use crate::time::SimTime;

/// A packet on its way. It keeps its place in memory from the first stop to the last.
#[derive(Debug)]
pub struct Transit {
    packet: Packet,
    condition: Condition,
    stop: Stop,
    /// From whose link it came to the core, while it crosses that.
    from: HostId,
}

/// Where a packet comes to next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The receiver's link; it leaves the core for it.
    Downlink,
    /// The path between two regions.
    RegionPath,
    /// The gateway before the host whose uplink it leaves.
    Gateway,
    /// The host, or gateway, at the end of the receiver's link.
    Host,
    /// The port of a host on a LAN segment.
    LanPort,
}

impl Transit {
    /// A packet that has not left yet.
    pub fn new(packet: Packet) -> Box<Self> {
        Box::new(Self {
            packet,
            condition: Condition::Intact,
            stop: Stop::Host,
            from: HostId::NONE,
        })
    }

    /// From whose link it came to the core.
    #[inline]
    pub(super) fn from(&self) -> HostId {
        self.from
    }

    /// Has it come to `stop` of `host` at an instant.
    pub(super) fn schedule(
        mut self: Box<Self>,
        at: SimTime,
        host: HostId,
        stop: Stop,
        condition: Condition,
    ) {
        self.stop = stop;
        self.condition = condition;
        schedule(at, host, self);
    }

    /// Sees to a packet that has left an uplink.
    pub(super) fn schedule_hop(mut self: Box<Self>, hop: &Hop) {
        self.from = hop.from;
        let stop = match hop.end {
            LinkEnd::Down => Stop::Downlink,
            LinkEnd::Up => Stop::Gateway,
            LinkEnd::Core => Stop::RegionPath,
        };
        self.schedule(hop.at, hop.host, stop, hop.condition);
    }
}

impl Deref for Transit {
    type Target = Packet;

    fn deref(&self) -> &Packet {
        &self.packet
    }
}

impl DerefMut for Transit {
    fn deref_mut(&mut self) -> &mut Packet {
        &mut self.packet
    }
}

impl Occurrence for Transit {
    fn happen(self: Box<Self>, host: HostId) -> bool {
        let condition = self.condition;
        woken(|net| match self.stop {
            Stop::Downlink => net.leave_core(host, condition, self),
            Stop::RegionPath => net.cross(host, condition, self),
            Stop::Gateway => net.ascend(host, condition, self),
            Stop::Host => net.leave_downlink(host, condition, self),
            Stop::LanPort => net.arrive_at_port(host, condition, self),
        })
    }

    /// Reads nothing of the packet, which is not near yet.
    fn prefetch_tables(&self, host: HostId) {
        prefetch(self);
        NET.with_borrow(|net| {
            let Some(net) = net else { return };
            net.fabric.prefetch_tables(host, LinkDirection::Down);
            net.udp.get(host.index()).into_iter().for_each(prefetch);
            let tcp = net.tcp.get(host.index());
            tcp.into_iter().for_each(TcpStack::prefetch_tables);
        });
    }

    fn prefetch_targets(&self, host: HostId) {
        if !matches!(self.stop, Stop::Downlink | Stop::Host) {
            return;
        }
        NET.with_borrow(|net| {
            let Some(net) = net else { return };
            if self.stop == Stop::Downlink {
                net.fabric.prefetch_targets(host, LinkDirection::Down);
            }
            match self.packet.transport {
                Transport::Udp(_) => net.udp[host.index()].prefetch_targets(),
                Transport::Tcp(_) => {
                    let (port, remote) = (self.packet.dst.port(), self.packet.src);
                    net.tcp[host.index()].prefetch_targets(port, remote);
                }
                Transport::Icmp(_) => {}
            }
        });
    }
}

/// A host's link can let go of packets that it holds.
pub(super) struct LinkFree(pub(super) LinkDirection);

impl Occurrence for LinkFree {
    fn happen(self: Box<Self>, host: HostId) -> bool {
        woken(|net| net.link_free(host, self.0))
    }
}

/// A host's port on a LAN segment can let go of packets that it holds.
pub(super) struct PortFree(pub(super) LinkDirection);

impl Occurrence for PortFree {
    fn happen(self: Box<Self>, host: HostId) -> bool {
        woken(|net| net.port_free(host, self.0))
    }
}

/// A connection's next timeout.
pub(super) struct TcpTimeout(pub(super) FlowRef);

impl Occurrence for TcpTimeout {
    fn happen(self: Box<Self>, _: HostId) -> bool {
        woken(|net| net.tcp_timeout(self.0))
    }
}

/// Runs `f` on the network. True if a program was woken.
fn woken(f: impl FnOnce(&mut Net)) -> bool {
    with_wakes(f).1
}

/// Puts what concerns packets of `host` into the queue.
pub(super) fn schedule(at: SimTime, host: HostId, event: Box<dyn Occurrence>) {
    kernel::with(|kernel| kernel.schedule(at, Class::Packet, host, Event::Other(event)));
}
