//! The wires: access links, the delay between regions, and partitions.
//!
//! It decides when a packet arrives, or why it does not. It moves nothing by
//! itself and knows no sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address;
use super::link::Access;
use super::packet::Packet;
use super::partition::Partitions;
use super::stage::{Fate, Pipeline, PipelineError, Stage};
use crate::kernel::HostId;
use crate::random::Stream;
use crate::time::SimTime;

/// How long a packet to the sending host itself takes.
const LOOPBACK_DELAY: Duration = Duration::from_micros(10);

/// All wires of a world.
#[derive(Default)]
pub struct Fabric {
    hosts: Vec<Attachment>,
    /// Access links by host, apart from each other and from the rest: a packet
    /// uses one of a host's two, and in a large world every line of memory that
    /// it passes is a cache miss.
    uplinks: Vec<Direction>,
    downlinks: Vec<Direction>,
    /// One-way delay from region to region.
    delays: Vec<Vec<Duration>>,
    pub(crate) partitions: Partitions,
    drops: BTreeMap<&'static str, u64>,
}

/// A host on the network; one cache line.
#[repr(align(64))]
struct Attachment {
    up: bool,
    region: usize,
    traffic: HostTraffic,
}

/// One direction of an access link.
struct Direction {
    pipeline: Pipeline,
    /// One stream a direction, so that changing one link shifts no other draw.
    stream: Stream,
}

/// What one host sent and received, packets and their bytes with all headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTraffic {
    /// Packets handed to the uplink.
    pub sent_packets: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets delivered to the host.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Packets of this host, in either direction, that its own links dropped.
    pub dropped_packets: u64,
}

/// A region that the delay matrix does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("region {0} is not in the delay matrix")]
pub struct NoSuchRegion(pub usize);

impl Fabric {
    /// Sets the one-way delays of the core, `delays[from][to]`. Without them
    /// there is one region and no delay.
    pub fn set_delays(&mut self, delays: Vec<Vec<Duration>>) {
        self.delays = delays;
    }

    pub(super) fn add_host(&mut self, seed: u64, host: HostId, region: usize, access: &Access) {
        debug_assert_eq!(host.index(), self.hosts.len());
        self.hosts.push(Attachment {
            up: true,
            region,
            traffic: HostTraffic::default(),
        });
        self.uplinks.push(Direction {
            pipeline: pipeline(access.up.stages()),
            stream: Stream::new(seed, "uplink", host.0),
        });
        self.downlinks.push(Direction {
            pipeline: pipeline(access.down.stages()),
            stream: Stream::new(seed, "downlink", host.0),
        });
    }

    /// Replaces a host's access link. Packets already on it keep their times.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn set_access(&mut self, host: HostId, access: &Access) {
        for (direction, link) in [
            (&mut self.uplinks[host.index()], &access.up),
            (&mut self.downlinks[host.index()], &access.down),
        ] {
            direction.pipeline.replace(link.stages()).expect(IN_ORDER);
        }
    }

    /// Replaces a host's uplink by stages of an experiment's own.
    ///
    /// # Errors
    /// [`PipelineError`] if they cannot work in this order.
    ///
    /// # Panics
    /// If there is no such host.
    pub fn set_uplink(
        &mut self,
        host: HostId,
        stages: Vec<Box<dyn Stage>>,
    ) -> Result<(), PipelineError> {
        self.uplinks[host.index()].pipeline.replace(stages)
    }

    pub(super) fn set_up(&mut self, host: HostId, up: bool) {
        self.hosts[host.index()].up = up;
    }

    /// Whether the host has power.
    pub fn is_up(&self, host: HostId) -> bool {
        self.hosts[host.index()].up
    }

    /// Takes a packet through the sender's link and the core: who gets it, and
    /// when it leaves the core. `None` if it is dropped.
    pub(super) fn send(
        &mut self,
        now: SimTime,
        from: HostId,
        packet: &Packet,
    ) -> Option<(HostId, SimTime)> {
        let sender = &mut self.hosts[from.index()];
        if !sender.up {
            self.count_drop("sender-down");
            return None;
        }
        sender.traffic.sent_packets += 1;
        sender.traffic.sent_bytes += packet.wire_len() as u64;
        let to = address::host(packet.dst.ip()).filter(|to| to.index() < self.hosts.len());
        let Some(to) = to else {
            self.count_drop("no-route");
            return None;
        };
        if to == from {
            return Some((to, now + LOOPBACK_DELAY));
        }
        let leaves = match self.uplinks[from.index()].push(now, packet) {
            Fate::Departs(at) => at,
            Fate::Dropped(reason) => {
                self.hosts[from.index()].traffic.dropped_packets += 1;
                self.count_drop(reason.name());
                return None;
            }
        };
        if !self.partitions.passes(from, to) {
            self.count_drop("partition");
            return None;
        }
        let (a, b) = (
            self.hosts[from.index()].region,
            self.hosts[to.index()].region,
        );
        let core = self
            .delays
            .get(a)
            .and_then(|row| row.get(b))
            .copied()
            .unwrap_or_default();
        Some((to, leaves + core))
    }

    /// Takes a packet through the receiver's link: when it reaches the host.
    pub(super) fn arrive(
        &mut self,
        now: SimTime,
        host: HostId,
        packet: &Packet,
    ) -> Option<SimTime> {
        if address::host(packet.src.ip()) == Some(host) {
            return Some(now);
        }
        match self.downlinks[host.index()].push(now, packet) {
            Fate::Departs(at) => Some(at),
            Fate::Dropped(reason) => {
                self.hosts[host.index()].traffic.dropped_packets += 1;
                self.count_drop(reason.name());
                None
            }
        }
    }

    /// Whether the host is there to take the packet; counts it either way.
    pub(super) fn is_delivered(&mut self, host: HostId, packet: &Packet) -> bool {
        let receiver = &mut self.hosts[host.index()];
        if receiver.up {
            receiver.traffic.received_packets += 1;
            receiver.traffic.received_bytes += packet.wire_len() as u64;
            return true;
        }
        self.count_drop("receiver-down");
        false
    }

    pub(super) fn count_drop(&mut self, reason: &'static str) {
        *self.drops.entry(reason).or_default() += 1;
    }

    /// Packets dropped so far, by reason.
    pub fn drops(&self) -> &BTreeMap<&'static str, u64> {
        &self.drops
    }

    /// What the host sent and received so far.
    pub fn traffic(&self, host: HostId) -> HostTraffic {
        self.hosts[host.index()].traffic
    }
}

impl Direction {
    fn push(&mut self, now: SimTime, packet: &Packet) -> Fate {
        self.pipeline.push(now, packet, &mut self.stream)
    }
}

/// Why the stages of an access link always make a pipeline.
const IN_ORDER: &str = "jitter of an access link keeps packets in order";

fn pipeline(stages: Vec<Box<dyn Stage>>) -> Pipeline {
    Pipeline::new(stages).expect(IN_ORDER)
}
