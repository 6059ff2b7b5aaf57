//! The wires: access links, the delay between regions, and partitions.
//!
//! A partition cuts where packets leave the core. The fabric decides when a packet arrives, or why
//! it does not. It moves nothing by itself and knows no sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::link::Access;
use super::multihomed::Multihomed;
use super::nat::{Home, Location, Realm};
use super::packet::Packet;
use super::partition::Partitions;
use super::region_path::{PathSpec, RegionPaths};
use super::stage::{Condition, Draws, Fate, LinkCounts, Pipeline, PipelineError, Stage};
use super::transit::Transit;
use crate::kernel::HostId;
use crate::net::DropReason;
use crate::prefetch::prefetch;
use crate::time::SimTime;

/// How long a packet to the sending host itself takes.
const LOOPBACK_DELAY: Duration = Duration::from_micros(10);

/// All wires of a world.
#[derive(Default)]
pub struct Fabric {
    pub(super) hosts: Vec<Attachment>,
    /// Where they are. Every packet asks for that of both its ends, so these lie close.
    pub(super) places: Vec<Location>,
    /// What is behind gateways that translate.
    pub(super) realms: BTreeMap<HostId, Realm>,
    /// Where hosts that move belong.
    pub(super) homes: BTreeMap<HostId, Home>,
    /// Hosts with several interfaces, each of which is a host here.
    pub(super) multihomed: Multihomed,
    /// Access links by host, apart from each other and from the rest: a packet
    /// uses one of a host's two, and in a large world every line of memory that
    /// it passes is a cache miss.
    uplinks: Vec<OneWayLink>,
    downlinks: Vec<OneWayLink>,
    /// One-way delay from region to region.
    delays: Vec<Vec<Duration>>,
    /// What else lies between some regions.
    paths: RegionPaths,
    pub(crate) partitions: Partitions,
    drops: BTreeMap<DropReason, u64>,
}

/// A host on the network; one cache line.
#[repr(align(64))]
pub(super) struct Attachment {
    /// Whether it has power and is awake.
    up: bool,
    has_power: bool,
    asleep: bool,
    /// Whether the interface is up, that is on its network.
    attached: bool,
    is_gateway: bool,
    /// Packets that came while it slept.
    slept_through: u64,
    traffic: HostTraffic,
}

const _: () = assert!(size_of::<Attachment>() == 64);

/// One direction of an access link; two cache lines side by side, which processors
/// fetch together, and what few packets need elsewhere.
#[repr(align(128))]
struct OneWayLink {
    pipeline: Pipeline,
    /// Apart for each direction, so that changing one shifts no other draw.
    draws: Draws,
}

const _: () = assert!(size_of::<OneWayLink>() == 128);

/// Which of a host's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkDirection {
    /// From the host to the core.
    Up,
    /// From the core to the host.
    Down,
}

/// Where a packet is next, when, and in which condition.
pub(super) struct Hop {
    pub(super) host: HostId,
    pub(super) end: LinkEnd,
    pub(super) at: SimTime,
    pub(super) condition: Condition,
    /// From whose link it enters the core, if it crosses that.
    pub(super) from: HostId,
}

/// Where at a host's access link, away from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkEnd {
    /// Before the downlink.
    Down,
    /// Behind the uplink, at the gateway that the host is behind.
    Up,
    /// Before the path between two regions, on the way to the host's downlink.
    Core,
}

/// What one host sent and received, packets and their bytes with all headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTraffic {
    /// Packets handed to the uplink.
    pub sent_packets: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets that reached the host, those included that it drops as corrupted.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Packets of this host, in either direction, that its own links dropped.
    pub dropped_packets: u64,
}

impl HostTraffic {
    fn plus(self, other: Self) -> Self {
        Self {
            sent_packets: self.sent_packets + other.sent_packets,
            sent_bytes: self.sent_bytes + other.sent_bytes,
            received_packets: self.received_packets + other.received_packets,
            received_bytes: self.received_bytes + other.received_bytes,
            dropped_packets: self.dropped_packets + other.dropped_packets,
        }
    }
}

/// A region that the delay matrix does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("region {0} is not in the delay matrix")]
pub struct NoSuchRegion(pub usize);

impl Fabric {
    /// Prefetches where a packet passes at a host.
    pub(super) fn prefetch_tables(&self, host: HostId, way: LinkDirection) {
        let links = match way {
            LinkDirection::Up => &self.uplinks,
            LinkDirection::Down => &self.downlinks,
        };
        if let (Some(attachment), Some(link)) =
            (self.hosts.get(host.index()), links.get(host.index()))
        {
            prefetch(attachment);
            prefetch(link);
        }
    }

    /// Prefetches what a packet meets there, which [`Self::prefetch_tables`] has prepared.
    pub(super) fn prefetch_targets(&self, host: HostId, way: LinkDirection) {
        let links = match way {
            LinkDirection::Up => &self.uplinks,
            LinkDirection::Down => &self.downlinks,
        };
        if let Some(link) = links.get(host.index()) {
            link.pipeline.prefetch();
            link.draws.prefetch();
        }
    }

    /// Sets the one-way delays of the core, `delays[from][to]`. Without them
    /// there is one region and no delay.
    pub fn set_delays(&mut self, delays: Vec<Vec<Duration>>) {
        self.delays = delays;
    }

    /// Sets what lies between two regions beside their delay, from the one to the other.
    pub(crate) fn set_path(&mut self, seed: u64, ends: (u32, u32), spec: &PathSpec) {
        self.paths.set(seed, ends, spec);
    }

    /// Takes a packet from the link of `from` through the path between its region and that of
    /// `to`, and on.
    pub(super) fn pass_path(
        &mut self,
        now: SimTime,
        (from, to): (HostId, HostId),
        packet: &Packet,
        condition: Condition,
    ) -> Option<Hop> {
        let ends = self.regions(from, to);
        match self.paths.pass(now, ends, packet, condition) {
            Ok(at) => Some(Hop {
                host: to,
                end: LinkEnd::Down,
                at: at + self.delay(ends),
                condition,
                from,
            }),
            Err(reason) => {
                self.count_drop(reason);
                None
            }
        }
    }

    /// The regions of two hosts.
    #[inline]
    fn regions(&self, from: HostId, to: HostId) -> (u32, u32) {
        let region = |host: HostId| self.places[host.index()].region;
        (region(from), region(to))
    }

    /// One-way delay from region to region.
    #[inline]
    fn delay(&self, (from, to): (u32, u32)) -> Duration {
        let row = self.delays.get(from as usize);
        let delay = row.and_then(|row| row.get(to as usize));
        delay.copied().unwrap_or_default()
    }

    pub(super) fn add_host(&mut self, seed: u64, host: HostId, region: usize, access: &Access) {
        debug_assert_eq!(host.index(), self.hosts.len());
        self.hosts.push(Attachment {
            up: true,
            has_power: true,
            asleep: false,
            attached: true,
            is_gateway: false,
            slept_through: 0,
            traffic: HostTraffic::default(),
        });
        self.places.push(Location::first(region as u32));
        self.uplinks.push(OneWayLink {
            pipeline: pipeline(access.up.stages(false)),
            draws: Draws::new(seed, "uplink", host.0),
        });
        self.downlinks.push(OneWayLink {
            pipeline: pipeline(access.down.stages(false)),
            draws: Draws::new(seed, "downlink", host.0),
        });
    }

    /// Replaces a host's access link. Packets that already have left it keep
    /// their times. From then on the links hold what waits, so that the next
    /// change meets it.
    ///
    /// # Panics
    /// If there is no such host.
    pub(super) fn set_access(&mut self, now: SimTime, host: HostId, access: &Access) {
        for (direction, link) in [
            (&mut self.uplinks[host.index()], &access.up),
            (&mut self.downlinks[host.index()], &access.down),
        ] {
            let OneWayLink {
                pipeline, draws, ..
            } = direction;
            pipeline
                .replace(now, link.stages(true), draws)
                .expect(IN_ORDER);
        }
    }

    /// Replaces a host's uplink by stages of an experiment's own.
    ///
    /// # Errors
    /// [`PipelineError`] if they cannot work in this order.
    ///
    /// # Panics
    /// If there is no such host.
    pub(super) fn set_uplink(
        &mut self,
        now: SimTime,
        host: HostId,
        stages: Vec<Box<dyn Stage>>,
    ) -> Result<(), PipelineError> {
        let OneWayLink {
            pipeline, draws, ..
        } = &mut self.uplinks[host.index()];
        pipeline.replace(now, stages, draws)
    }

    /// What the links of a host have done so far, up and down.
    pub(crate) fn link_counts(&self, host: HostId) -> [LinkCounts; 2] {
        let (up, down) = (&self.uplinks[host.index()], &self.downlinks[host.index()]);
        [up, down].map(|direction| direction.pipeline.link_counts())
    }

    pub(super) fn set_up(&mut self, host: HostId, up: bool) {
        let state = &mut self.hosts[host.index()];
        state.has_power = up;
        state.up = up && !state.asleep;
    }

    /// Lets a host sleep, or wakes it.
    pub(super) fn set_asleep(&mut self, host: HostId, asleep: bool) {
        let state = &mut self.hosts[host.index()];
        state.asleep = asleep;
        state.up = state.has_power && !asleep;
    }

    /// Packets that came so far while the host slept.
    pub(super) fn slept_through(&self, host: HostId) -> u64 {
        self.hosts[host.index()].slept_through
    }

    /// Takes an interface from its network, or back.
    pub(super) fn set_attached(&mut self, interface: HostId, attached: bool) {
        self.hosts[interface.index()].attached = attached;
    }

    /// Whether an interface is up. It says nothing of the power of its host.
    #[inline]
    pub(super) fn is_attached(&self, interface: HostId) -> bool {
        self.hosts[interface.index()].attached
    }

    /// From now on the host passes on what is for hosts behind it.
    pub(super) fn make_gateway(&mut self, host: HostId) {
        self.hosts[host.index()].is_gateway = true;
    }

    #[inline]
    pub(super) fn is_gateway(&self, host: HostId) -> bool {
        self.hosts[host.index()].is_gateway
    }

    /// Whether the host has power and is awake.
    pub fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].up
    }

    /// Takes a packet through the sender's link, and through the core if the link leads
    /// there: which host gets it, and when. `None` if it is dropped or held.
    pub(super) fn send(&mut self, now: SimTime, from: HostId, packet: &Packet) -> Option<Hop> {
        self.forward(now, from, packet, Condition::Intact)
    }

    /// As [`Self::send`], for a packet that may be another's and have come a way already.
    pub(super) fn forward(
        &mut self,
        now: SimTime,
        from: HostId,
        packet: &Packet,
        before: Condition,
    ) -> Option<Hop> {
        if !self.note_sent(from, packet) {
            return None;
        }
        let behind = self.places[from.index()].behind;
        let to = if behind.is_some() {
            self.owns(from, packet.dst.ip()).then_some(from)
        } else {
            let to = self.owner(None, packet.dst.ip());
            if to.is_none() {
                self.count_drop(DropReason::NoRoute);
                return None;
            }
            to
        };
        if to == Some(from) {
            return Some(loopback(now, from));
        }
        let fate = self.uplinks[from.index()].push(now, packet, before);
        let (at, condition) = self.leaves_link(from, fate)?;
        self.beyond_uplink(from, to, at, condition)
    }

    /// Where a packet goes that leaves the uplink of `from`: to the gateway before it, or
    /// through the core to `to`.
    fn beyond_uplink(
        &mut self,
        from: HostId,
        to: Option<HostId>,
        at: SimTime,
        condition: Condition,
    ) -> Option<Hop> {
        if self.places[from.index()].behind.is_some() {
            return Some(Hop {
                host: from,
                end: LinkEnd::Up,
                at,
                condition,
                from: HostId::NONE,
            });
        }
        self.cross_core(from, to?, at, condition)
    }

    /// Whether a packet from `src` cannot be the host's: it was the address of a network
    /// that the host has left. Networks let no such packet out (RFC 2827).
    #[inline]
    pub(super) fn is_stale(&self, from: HostId, src: IpAddr) -> bool {
        !self.place(from).is_first() && !self.owns(from, src)
    }

    /// Counts a packet that a host hands to its links; false if the host or its interface is
    /// down.
    pub(super) fn note_sent(&mut self, from: HostId, packet: &Packet) -> bool {
        let sender = &mut self.hosts[from.index()];
        if !(sender.up & sender.attached) {
            self.count_absent(from, DropReason::SenderDown);
            return false;
        }
        sender.traffic.sent_packets += 1;
        sender.traffic.sent_bytes += packet.wire_len() as u64;
        true
    }

    /// Takes a packet that begins between the access link of `near` and the core to
    /// the host that it is for. Between the host and itself it takes no link.
    pub(super) fn send_from_router(
        &mut self,
        now: SimTime,
        near: HostId,
        packet: &Packet,
    ) -> Option<Hop> {
        if self.owns(near, packet.dst.ip()) {
            return Some(loopback(now, near));
        }
        let to = self.owner(None, packet.dst.ip());
        if to.is_none() && self.places[near.index()].behind.is_none() {
            self.count_drop(DropReason::NoRoute);
            return None;
        }
        self.beyond_uplink(near, to, now, Condition::Intact)
    }

    /// Takes a packet that has left its sender's link at `at` through the core.
    fn cross_core(
        &mut self,
        from: HostId,
        to: HostId,
        at: SimTime,
        condition: Condition,
    ) -> Option<Hop> {
        // What is behind gateways is reached through the first of them.
        let to = if self.places[to.index()].behind.is_some() {
            self.next_towards(to, None)?
        } else {
            to
        };
        let ends = self.regions(from, to);
        let (end, at) = if self.paths.joins(ends) {
            (LinkEnd::Core, at)
        } else {
            (LinkEnd::Down, at + self.delay(ends))
        };
        Some(Hop {
            host: to,
            end,
            at,
            condition,
            from,
        })
    }

    /// Whether a packet that crossed the core from the link of `from` comes out of it at
    /// `to`. Partitions cut there, so that what is under way when one begins is stopped, and
    /// what comes out after its end is not.
    #[inline]
    pub(super) fn leaves_core(&mut self, from: HostId, to: HostId) -> bool {
        let passes = self.partitions.passes(from, to);
        if !passes {
            self.count_drop(DropReason::Partition);
        }
        passes
    }

    /// Takes a packet through the receiver's link: when it reaches the host.
    pub(super) fn arrive(
        &mut self,
        now: SimTime,
        host: HostId,
        packet: &Packet,
        before: Condition,
    ) -> Option<Hop> {
        let (at, condition) = if packet.is_loopback() {
            (now, before)
        } else {
            let fate = self.downlinks[host.index()].push(now, packet, before);
            self.leaves_link(host, fate)?
        };
        Some(Hop {
            host,
            end: LinkEnd::Down,
            at,
            condition,
            from: HostId::NONE,
        })
    }

    /// When a packet leaves a link of `host` and how; counts it if it does not.
    pub(super) fn leaves_link(&mut self, host: HostId, fate: Fate) -> Option<(SimTime, Condition)> {
        match fate {
            Fate::Departs(at, condition) => Some((at, condition)),
            Fate::Held => None,
            Fate::Dropped(reason) => {
                self.hosts[host.index()].traffic.dropped_packets += 1;
                self.count_drop(reason);
                None
            }
        }
    }

    /// Lets a host's link go on with what it holds.
    pub(super) fn wake(&mut self, now: SimTime, host: HostId, way: LinkDirection) {
        let link = self.direction(host, way);
        link.pipeline.wake(now, &mut link.draws);
    }

    /// When an event has to wake the link, if none waits that does so in time.
    /// The caller schedules it.
    #[inline]
    pub(super) fn wakeup_due(&mut self, host: HostId, way: LinkDirection) -> Option<SimTime> {
        self.direction(host, way).pipeline.claim_wakeup()
    }

    /// The next packet that a host's link lets go apart from the one that came
    /// to it, and where it is next: on the way up in the core, on the way down
    /// at the host.
    #[inline]
    pub(super) fn next_released(
        &mut self,
        host: HostId,
        way: LinkDirection,
    ) -> Option<(Box<Transit>, Hop)> {
        loop {
            let (packet, fate) = self.direction(host, way).pipeline.take_released()?;
            let Some((at, condition)) = self.leaves_link(host, fate) else {
                continue;
            };
            let hop = match way {
                LinkDirection::Up => {
                    let to = self.owner(None, packet.dst.ip());
                    self.beyond_uplink(host, to, at, condition)
                }
                LinkDirection::Down => Some(Hop {
                    host,
                    end: LinkEnd::Down,
                    at,
                    condition,
                    from: HostId::NONE,
                }),
            };
            if let Some(hop) = hop {
                return Some((packet, hop));
            }
        }
    }

    fn direction(&mut self, host: HostId, way: LinkDirection) -> &mut OneWayLink {
        match way {
            LinkDirection::Up => &mut self.uplinks[host.index()],
            LinkDirection::Down => &mut self.downlinks[host.index()],
        }
    }

    /// Counts a packet that has come to a host; false if the host or its interface is down.
    pub(super) fn note_received(&mut self, host: HostId, packet: &Packet) -> bool {
        let receiver = &mut self.hosts[host.index()];
        if !(receiver.up & receiver.attached) {
            self.count_absent(host, DropReason::ReceiverDown);
            return false;
        }
        receiver.traffic.received_packets += 1;
        receiver.traffic.received_bytes += packet.wire_len() as u64;
        true
    }

    /// Counts a packet that met a host without power, for this `reason` then, or an interface that
    /// is down.
    #[cold]
    fn count_absent(&mut self, host: HostId, reason: DropReason) {
        if self.is_up(host) {
            self.multihomed.stops_packet(host);
            self.count_drop(DropReason::InterfaceDown);
        } else {
            let state = &mut self.hosts[host.index()];
            state.slept_through += u64::from(state.asleep && state.has_power);
            self.count_drop(reason);
        }
    }

    pub(super) fn count_drop(&mut self, reason: DropReason) {
        *self.drops.entry(reason).or_default() += 1;
    }

    /// Packets dropped so far, by reason.
    pub fn drops(&self) -> &BTreeMap<DropReason, u64> {
        &self.drops
    }

    /// What the host sent and received so far, by all its interfaces.
    pub fn traffic(&self, host: HostId) -> HostTraffic {
        let interfaces = self.multihomed.of(host);
        let traffic = interfaces.map(|at| self.hosts[at.index()].traffic);
        traffic.fold(HostTraffic::default(), HostTraffic::plus)
    }
}

impl OneWayLink {
    fn push(&mut self, now: SimTime, packet: &Packet, condition: Condition) -> Fate {
        self.pipeline.push(now, packet, condition, &mut self.draws)
    }
}

/// Why the stages of an access link always make a pipeline.
const IN_ORDER: &str =
    "an access link reorders after all stages that need order, and has one queue";

/// A packet from the host to itself.
fn loopback(now: SimTime, host: HostId) -> Hop {
    Hop {
        host,
        end: LinkEnd::Down,
        at: now + LOOPBACK_DELAY,
        condition: Condition::Intact,
        from: HostId::NONE,
    }
}

fn pipeline(stages: Vec<Box<dyn Stage>>) -> Pipeline {
    Pipeline::new(stages).expect(IN_ORDER)
}
