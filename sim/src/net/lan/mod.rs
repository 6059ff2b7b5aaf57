//! LAN segments: hosts that reach each other without their access links.
//!
//! Owns which host is on which segment and what its wire does to packets. Members talk over
//! the segment alone, and what is sent to a group (RFC 1112) reaches its members on
//! the same segment and never leaves it. A switch is modelled: each member has a port
//! of its own, and a packet to a group takes its sender's port once. A port that is worse
//! than a wire is a [`port`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Net;
use super::fabric::{Fabric, LinkDirection};
use super::link::Access;
use super::packet::Packet;
use super::stage::{Condition, DropReason, Fate, LinkCounts};
use super::transit::{PortFree, Stop, Transit, schedule};
use crate::kernel::{self, HostId};
use crate::random::Stream;
use crate::time::SimTime;
use crate::units::{Rate, Ratio};

mod port;

use port::Ports;

/// How long the sender's own copy of a packet to its group takes.
const LOOPBACK_DELAY: Duration = Duration::from_micros(10);

/// What a segment does to packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanSpec {
    /// Bits per second of each member's port; unlimited if absent.
    pub rate: Option<Rate>,
    /// Bytes that may wait for a limited rate; more are dropped.
    pub queue_bytes: u64,
    /// Constant one-way delay between any two members.
    pub delay: Duration,
    /// Share of packets lost, for each receiver independently.
    pub loss: Ratio,
    /// Largest IP packet in bytes.
    pub mtu: u16,
}

impl Default for LanSpec {
    /// A segment without limits, loss or delay, for packets as Ethernet has them.
    fn default() -> Self {
        Self {
            rate: None,
            queue_bytes: 256 << 10,
            delay: Duration::ZERO,
            loss: Ratio::ZERO,
            mtu: 1_500,
        }
    }
}

/// Names a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LanId(u32);

/// All segments of a world.
#[derive(Default)]
pub(super) struct Lans {
    segments: Vec<Segment>,
    /// The one segment of each host that is on any.
    of_host: BTreeMap<HostId, LanId>,
    /// Ports that are more than a wire.
    ports: Ports,
}

struct Segment {
    spec: LanSpec,
    members: BTreeMap<HostId, Port>,
}

/// A member's end of the wire, towards the segment.
struct Port {
    /// When everything handed to it has left.
    busy_until: SimTime,
    /// One for each member, so that a further one shifts no other draw.
    stream: Stream,
}

/// What becomes of a packet at its sender's port.
enum Leaves {
    /// The whole packet is on the segment at that instant.
    At(SimTime),
    Dropped(DropReason),
}

impl Lans {
    /// Adds a segment without members.
    pub(super) fn add(&mut self, spec: LanSpec) -> LanId {
        self.segments.push(Segment {
            spec,
            members: BTreeMap::new(),
        });
        LanId(self.segments.len() as u32 - 1)
    }

    /// Takes `host` to a segment, from any other.
    ///
    /// # Panics
    /// If there is no such segment.
    pub(super) fn join(&mut self, seed: u64, host: HostId, lan: LanId) {
        self.leave(host);
        let port = Port {
            busy_until: SimTime::ZERO,
            stream: Stream::new(seed, "lan", host.0),
        };
        let segment = &mut self.segments[lan.0 as usize];
        segment.members.insert(host, port);
        self.of_host.insert(host, lan);
    }

    /// Takes `host` from its segment. What is under way to it still arrives.
    pub(super) fn leave(&mut self, host: HostId) {
        if let Some(lan) = self.of_host.remove(&host) {
            self.segments[lan.0 as usize].members.remove(&host);
        }
    }

    /// The segment that `host` is on.
    pub(super) fn of(&self, host: HostId) -> Option<LanId> {
        self.of_host.get(&host).copied()
    }

    /// Whether a packet of `from` to `to` goes over a segment, or nowhere: what is for
    /// a group does not take an access link.
    #[inline]
    pub(super) fn carry(&self, fabric: &Fabric, from: HostId, to: IpAddr) -> bool {
        to.is_multicast() || !self.of_host.is_empty() && self.share(fabric, from, to).is_some()
    }

    /// Whether `from` reaches the host of `to` over a segment.
    pub(super) fn shares(&self, fabric: &Fabric, from: HostId, to: IpAddr) -> bool {
        self.share(fabric, from, to).is_some()
    }

    /// The segment that `from` and the host of `to` share.
    fn share(&self, fabric: &Fabric, from: HostId, to: IpAddr) -> Option<(LanId, HostId)> {
        let lan = *self.of_host.get(&from)?;
        let to = fabric.owner(fabric.realm_of(from), to);
        let to = to.filter(|&to| to != from)?;
        (self.of_host.get(&to) == Some(&lan)).then_some((lan, to))
    }

    /// The largest packet from `from` to `to`, if it goes over a segment.
    pub(super) fn mtu(&self, fabric: &Fabric, from: HostId, to: IpAddr) -> Option<u16> {
        if !self.carry(fabric, from, to) {
            return None;
        }
        let lan = self.of_host.get(&from)?;
        let mtu = self.segments[lan.0 as usize].spec.mtu;
        Some(mtu.min(self.ports.mtu(from)))
    }
}

impl Segment {
    /// Takes a packet of `len` bytes through the port of `from`.
    fn leave_port(&mut self, now: SimTime, from: HostId, len: usize) -> Leaves {
        if len > usize::from(self.spec.mtu) {
            return Leaves::Dropped(DropReason::TooLarge);
        }
        let (Some(port), Some(rate)) = (self.members.get_mut(&from), self.spec.rate) else {
            return Leaves::At(now);
        };
        let start = port.busy_until.max(now);
        // What waits is what the rest of the time can carry.
        let waiting_ns = start.since(now).as_nanos();
        let waiting = waiting_ns * u128::from(rate.bits_per_second()) / 8_000_000_000;
        if waiting + len as u128 > u128::from(self.spec.queue_bytes) {
            return Leaves::Dropped(DropReason::QueueFull);
        }
        port.busy_until = start + rate.transmit_time(len as u64);
        Leaves::At(port.busy_until)
    }
}

impl Net {
    /// Adds a segment.
    pub(crate) fn add_lan(&mut self, spec: LanSpec) -> LanId {
        self.lans.add(spec)
    }

    /// Takes a host to a segment, or from its segment.
    pub(crate) fn set_lan(&mut self, host: HostId, lan: Option<LanId>) {
        match lan {
            Some(lan) => self.lans.join(kernel::seed(), host, lan),
            None => self.lans.leave(host),
        }
    }

    /// Sets the conditions of a host's port, on whatever segment it is.
    pub(crate) fn set_lan_port(&mut self, host: HostId, access: &Access) {
        let now = kernel::now();
        self.lans.ports.set(kernel::seed(), now, host, access);
        self.drain_port(host, LinkDirection::Up);
        self.drain_port(host, LinkDirection::Down);
    }

    /// Packets that have met the conditions of a host's port so far.
    pub(crate) fn lan_packets(&self, host: HostId) -> u64 {
        self.lans.ports.met(host)
    }

    /// The conditions of a host's port, as they were last set.
    pub(crate) fn lan_port(&self, host: HostId) -> Access {
        self.lans.ports.access(host)
    }

    /// What a host's port has done so far, up and down.
    pub(crate) fn lan_counts(&self, host: HostId) -> [LinkCounts; 2] {
        self.lans.ports.counts(host)
    }

    /// Sends a packet that [`Lans::carry`] says goes over a segment.
    pub(super) fn send_on_lan(&mut self, from: HostId, packet: &Packet) {
        if !self.fabric.note_sent(from, packet) {
            return;
        }
        let now = kernel::now();
        if packet.dst.ip().is_multicast() {
            // A sender that has joined the group hears itself.
            deliver(
                now + LOOPBACK_DELAY,
                from,
                Condition::Intact,
                packet.clone(),
            );
        }
        if !self.lans.ports.has(from) {
            self.cross_segment(now, from, Condition::Intact, packet);
            return;
        }
        let port = (from, LinkDirection::Up);
        let fate = self.lans.ports.push(now, port, packet, Condition::Intact);
        if let Some((at, condition)) = self.fabric.leaves_link(from, fate) {
            self.cross_segment(at, from, condition, packet);
        } else if fate == Fate::Dropped(DropReason::TooLarge) {
            self.tell_too_big(from, packet, self.lans.ports.mtu(from), packet.src.ip());
        }
        self.drain_port(from, LinkDirection::Up);
    }

    /// Takes a packet that has left the port of `from` at `at` to the ports of its receivers.
    fn cross_segment(&mut self, at: SimTime, from: HostId, condition: Condition, packet: &Packet) {
        let Some(&lan) = self.lans.of_host.get(&from) else {
            self.fabric.count_drop(DropReason::NoRoute);
            return;
        };
        let shared = self.lans.share(&self.fabric, from, packet.dst.ip());
        let segment = &mut self.lans.segments[lan.0 as usize];
        let receivers: Vec<HostId> = match shared {
            Some((_, to)) => vec![to],
            None if packet.dst.ip().is_multicast() => segment.members.keys().copied().collect(),
            // It has left the segment while the packet was in the sender's port.
            None => Vec::new(),
        };
        let leaves = match segment.leave_port(at, from, packet.wire_len()) {
            Leaves::At(at) => at + segment.spec.delay,
            Leaves::Dropped(reason) => {
                let mtu = segment.spec.mtu;
                self.fabric.count_drop(reason);
                if reason == DropReason::TooLarge {
                    self.tell_too_big(from, packet, mtu, packet.src.ip());
                }
                return;
            }
        };
        if receivers.is_empty() {
            self.fabric.count_drop(DropReason::NoRoute);
        }
        for to in receivers.into_iter().filter(|&to| to != from) {
            let segment = &mut self.lans.segments[lan.0 as usize];
            let loss = segment.spec.loss;
            let lost = segment
                .members
                .get_mut(&from)
                .is_some_and(|port| loss > Ratio::ZERO && port.stream.chance(loss));
            if !self.fabric.partitions.passes(from, to) {
                self.fabric.count_drop(DropReason::Partition);
            } else if lost {
                self.fabric.count_drop(DropReason::Loss);
            } else if self.lans.ports.has(to) {
                let packet = Transit::new(packet.clone());
                packet.schedule(leaves, to, Stop::LanPort, condition);
            } else {
                deliver(leaves, to, condition, packet.clone());
            }
        }
    }

    /// A packet comes from its segment to the port of `host`.
    pub(super) fn arrive_at_port(
        &mut self,
        host: HostId,
        condition: Condition,
        packet: Box<Transit>,
    ) {
        let now = kernel::now();
        let port = (host, LinkDirection::Down);
        let fate = self.lans.ports.push(now, port, &packet, condition);
        match self.fabric.leaves_link(host, fate) {
            Some((at, condition)) if at == now => self.leave_downlink(host, condition, packet),
            Some((at, condition)) => packet.schedule(at, host, Stop::Host, condition),
            None => {}
        }
        self.drain_port(host, LinkDirection::Down);
    }

    /// A port can let go of packets that it holds.
    pub(super) fn port_free(&mut self, host: HostId, way: LinkDirection) {
        self.lans.ports.wake(kernel::now(), host, way);
        self.drain_port(host, way);
    }

    /// Takes from a port what it let go beside the packet that came to it, and sees to it that
    /// it is woken when it has to be.
    fn drain_port(&mut self, host: HostId, way: LinkDirection) {
        while let Some((packet, fate)) = self.lans.ports.take_released(host, way) {
            let Some((at, condition)) = self.fabric.leaves_link(host, fate) else {
                continue;
            };
            match way {
                LinkDirection::Up => self.cross_segment(at, host, condition, &packet),
                LinkDirection::Down => packet.schedule(at, host, Stop::Host, condition),
            }
        }
        if let Some(at) = self.lans.ports.wakeup_due(host, way) {
            schedule(at, host, Box::new(PortFree(way)));
        }
    }
}

fn deliver(at: SimTime, to: HostId, condition: Condition, packet: Packet) {
    Transit::new(packet).schedule(at, to, Stop::Host, condition);
}
