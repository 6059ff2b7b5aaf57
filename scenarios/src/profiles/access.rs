//! Access links: what lies between a host and the core of the network.
//!
//! Owns what such a profile says. What it does to packets is the simulator's.

use serde::{Deserialize, Serialize};

use super::rate_trace::SharedTrace;
use crate::format::reading::amount::Amount;

mod file;

pub(super) use file::{Wrong, parse, parse_own};
pub use file::{schema, schema_text};

/// An access link, up and down apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccessProfile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where the figures come from.
    pub source: String,
    /// From the host to the core.
    pub up: Direction,
    /// From the core to the host.
    pub down: Direction,
    /// Largest packet in bytes, headers included.
    pub mtu_bytes: u32,
}

/// One direction of an access link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    /// Rate in bits per second; unlimited if absent.
    pub rate_bps: Option<u64>,
    /// Rate over time, in place of a constant one.
    pub rate_trace: Option<SharedTrace>,
    /// Fixed one-way delay.
    pub delay_ns: u64,
    /// Additional delay, drawn for each packet.
    pub jitter_ns: Amount,
    /// Share of packets lost, in parts per million.
    pub loss_ppm: u32,
    /// Bytes that wait for the link at most, before the tail is dropped.
    pub queue_bytes: u64,
    /// How the queue is managed, if by more than its bound.
    pub codel: Option<Queueing>,
    /// Losses in bursts.
    pub loss_bursts: Option<LossBursts>,
    /// Share of packets corrupted, in parts per million.
    pub corrupt_ppm: u32,
    /// Share of packets duplicated, in parts per million.
    pub duplicate_ppm: u32,
    /// Packets that others overtake.
    pub reorder: Option<Reordering>,
    /// What is dropped before the queue.
    pub police: Option<Police>,
}

/// Settings of `CoDel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queueing {
    /// Wait that is acceptable in the long run.
    pub target_ns: u64,
    /// How long waits may stay above it; above zero.
    pub interval_ns: u64,
}

/// Parameters of Gilbert and Elliott's chain, in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossBursts {
    /// From the good to the bad state.
    pub p_ppm: u32,
    /// From the bad to the good state; above zero.
    pub r_ppm: u32,
    /// Passes in the bad state.
    pub h_ppm: u32,
    /// Passes in the good state.
    pub k_ppm: u32,
}

/// Packets that are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reordering {
    /// Share of the packets, in parts per million.
    pub share_ppm: u32,
    /// How long; above zero.
    pub by_ns: u64,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Police {
    /// Rate in bits per second.
    pub rate_bps: u64,
    /// Bytes that may pass at once.
    pub burst_bytes: u32,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            rate_bps: None,
            rate_trace: None,
            delay_ns: 0,
            jitter_ns: Amount::constant(0),
            loss_ppm: 0,
            queue_bytes: QUEUE_BYTES,
            codel: None,
            loss_bursts: None,
            corrupt_ppm: 0,
            duplicate_ppm: 0,
            reorder: None,
            police: None,
        }
    }
}

/// A queue whose profile does not say.
const QUEUE_BYTES: u64 = 256 * 1024;
