//! Paths between regions that have a rate, a queue or losses of their own.
//!
//! Owns what such a path does to the packets of all hosts that it joins, which enter it in
//! the order in which they leave their links. Between regions without a path the core only
//! delays, and costs nothing more.

use std::collections::BTreeMap;

use super::packet::Packet;
use super::stage::{
    Condition, Draws, DropReason, Fate, Loss, Pipeline, QueueLimit, RateQueue, Stage,
};
use crate::time::SimTime;
use crate::units::{Rate, Ratio};

/// One direction between two regions, shared by all their hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSpec {
    /// Bits per second; unlimited if absent.
    pub rate: Option<Rate>,
    /// Bytes that may wait for a limited rate; more are dropped.
    pub queue_bytes: u64,
    /// Share of packets lost, independently of each other.
    pub loss: Ratio,
}

/// All paths of a world, by the regions at their ends.
#[derive(Default)]
pub(super) struct RegionPaths {
    by_ends: BTreeMap<(u32, u32), Path>,
}

struct Path {
    pipeline: Pipeline,
    draws: Draws,
}

impl RegionPaths {
    /// Sets the path from one region to another.
    pub(super) fn set(&mut self, seed: u64, ends: (u32, u32), spec: &PathSpec) {
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        if let Some(rate) = spec.rate {
            let limit = QueueLimit::bytes(spec.queue_bytes);
            stages.push(Box::new(RateQueue::new(rate, limit)));
        }
        if spec.loss > Ratio::ZERO {
            stages.push(Box::new(Loss::new(spec.loss)));
        }
        let path = Path {
            pipeline: Pipeline::new(stages).expect("a queue before losses is in order"),
            draws: Draws::new(seed, "path", ends.0 << 16 | ends.1),
        };
        self.by_ends.insert(ends, path);
    }

    /// Whether packets from one region to another take a path.
    #[inline]
    pub(super) fn joins(&self, ends: (u32, u32)) -> bool {
        !self.by_ends.is_empty() && self.by_ends.contains_key(&ends)
    }

    /// Takes a packet through the path between two regions: when it leaves that, or why not.
    pub(super) fn pass(
        &mut self,
        now: SimTime,
        ends: (u32, u32),
        packet: &Packet,
        condition: Condition,
    ) -> Result<SimTime, DropReason> {
        let Some(path) = self.by_ends.get_mut(&ends) else {
            return Ok(now);
        };
        match path.pipeline.push(now, packet, condition, &mut path.draws) {
            Fate::Departs(at, _) => Ok(at),
            Fate::Dropped(DropReason::QueueFull) => Err(DropReason::PathQueueFull),
            Fate::Dropped(_) => Err(DropReason::PathLoss),
            Fate::Held => unreachable!("no stage of a path holds packets"),
        }
    }
}
