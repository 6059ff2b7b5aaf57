//! Ports whose conditions are worse than a wire's: Wi-Fi, or what a fault makes of one.
//!
//! Owns the links of such ports and what waits in them. A port belongs to its host and
//! goes with it from segment to segment; which host is on which is the parent's. Hosts whose port is
//! a plain wire have none here and cost nothing.

use std::collections::BTreeMap;

use crate::kernel::HostId;
use crate::net::fabric::LinkDirection;
use crate::net::link::Access;
use crate::net::packet::Packet;
use crate::net::stage::{Condition, Draws, Fate, LinkCounts, Pipeline};
use crate::net::transit::Transit;
use crate::time::SimTime;

/// All such ports of a world.
#[derive(Default)]
pub(super) struct Ports(BTreeMap<HostId, Port>);

/// One host's.
struct Port {
    /// From the host to the segment.
    up: End,
    /// From the segment to the host.
    down: End,
    /// Packets that it has met so far, either way.
    met: u64,
    /// Its conditions, as they were last set.
    access: Access,
}

struct End {
    pipeline: Pipeline,
    draws: Draws,
}

impl End {
    fn new(seed: u64, name: &'static str, host: HostId) -> Self {
        Self {
            pipeline: Pipeline::default(),
            draws: Draws::new(seed, name, host.0),
        }
    }
}

impl Ports {
    /// Sets the conditions of a host's port. What waits in it goes over to the new ones.
    pub(super) fn set(&mut self, seed: u64, now: SimTime, host: HostId, access: &Access) {
        if *access == Access::default() && !self.0.contains_key(&host) {
            return;
        }
        let port = self.0.entry(host).or_insert_with(|| Port {
            up: End::new(seed, "lan up", host),
            down: End::new(seed, "lan down", host),
            met: 0,
            access: access.clone(),
        });
        port.access.clone_from(access);
        for (end, link) in [(&mut port.up, &access.up), (&mut port.down, &access.down)] {
            let End { pipeline, draws } = end;
            let replaced = pipeline.replace(now, link.stages(true), draws);
            replaced.expect("a link's stages are in order, and one of them has a queue");
        }
    }

    /// Whether the host's port is more than a wire.
    pub(super) fn has(&self, host: HostId) -> bool {
        !self.0.is_empty() && self.0.contains_key(&host)
    }

    /// The largest packet that a host's port lets out.
    pub(super) fn mtu(&self, host: HostId) -> u16 {
        self.0
            .get(&host)
            .map_or(u16::MAX, |port| port.access.up.mtu)
    }

    /// Packets that have met the conditions of a host's port so far.
    pub(super) fn met(&self, host: HostId) -> u64 {
        self.0.get(&host).map_or(0, |port| port.met)
    }

    /// The conditions of a host's port, as they were last set.
    pub(super) fn access(&self, host: HostId) -> Access {
        let port = self.0.get(&host);
        port.map_or_else(Access::default, |port| port.access.clone())
    }

    /// What a host's port has done so far, up and down; nothing while it is a plain wire.
    pub(super) fn counts(&self, host: HostId) -> [LinkCounts; 2] {
        let port = self.0.get(&host);
        port.map_or_else(Default::default, |port| {
            [&port.up, &port.down].map(|end| end.pipeline.link_counts())
        })
    }

    /// Takes a packet through a host's port.
    pub(super) fn push(
        &mut self,
        now: SimTime,
        (host, way): (HostId, LinkDirection),
        packet: &Packet,
        condition: Condition,
    ) -> Fate {
        let Some(port) = self.0.get_mut(&host) else {
            return Fate::Departs(now, condition);
        };
        port.met += 1;
        let End { pipeline, draws } = port.end(way);
        pipeline.push(now, packet, condition, draws)
    }

    /// Lets a port go on with what it holds.
    pub(super) fn wake(&mut self, now: SimTime, host: HostId, way: LinkDirection) {
        if let Some(port) = self.0.get_mut(&host) {
            let End { pipeline, draws } = port.end(way);
            pipeline.wake(now, draws);
        }
    }

    /// The next packet that a port lets go apart from the one that came to it.
    pub(super) fn take_released(
        &mut self,
        host: HostId,
        way: LinkDirection,
    ) -> Option<(Box<Transit>, Fate)> {
        self.0.get_mut(&host)?.end(way).pipeline.take_released()
    }

    /// When an event has to wake a port, if none waits that does so in time.
    pub(super) fn wakeup_due(&mut self, host: HostId, way: LinkDirection) -> Option<SimTime> {
        self.0.get_mut(&host)?.end(way).pipeline.claim_wakeup()
    }
}

impl Port {
    fn end(&mut self, way: LinkDirection) -> &mut End {
        match way {
            LinkDirection::Up => &mut self.up,
            LinkDirection::Down => &mut self.down,
        }
    }
}
