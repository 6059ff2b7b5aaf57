//! What an access profile does to packets beside delaying, losing and queueing
//! them at a constant rate, in the simulator's terms.

use std::sync::Arc;
use std::time::Duration;

use orrery_sim::net::link::LinkSpec;
use orrery_sim::net::stage::{BurstLoss, Controlled, Policing, Reordering};
use orrery_sim::units::{Rate, Ratio};

use crate::profiles::Direction;

/// A link with the impairments of `direction`, and with nothing else of it.
pub fn impairments(direction: &Direction) -> LinkSpec {
    let time = Duration::from_nanos;
    LinkSpec {
        trace: direction
            .rate_trace
            .as_ref()
            .map(|trace| Arc::clone(trace.trace())),
        codel: direction.codel.map(|codel| Controlled {
            target: time(codel.target_ns),
            interval: time(codel.interval_ns),
        }),
        burst_loss: direction.loss_bursts.map(|bursts| BurstLoss {
            to_bad: Ratio::from_ppm(bursts.p_ppm),
            to_good: Ratio::from_ppm(bursts.r_ppm),
            pass_bad: Ratio::from_ppm(bursts.h_ppm),
            pass_good: Ratio::from_ppm(bursts.k_ppm),
        }),
        corruption: Ratio::from_ppm(direction.corrupt_ppm),
        duplication: Ratio::from_ppm(direction.duplicate_ppm),
        reordering: direction.reorder.map(|reorder| Reordering {
            ratio: Ratio::from_ppm(reorder.share_ppm),
            by: time(reorder.by_ns),
        }),
        policing: direction.police.and_then(|police| {
            Some(Policing {
                rate: Rate::from_bps(police.rate_bps)?,
                burst_bytes: police.burst_bytes,
            })
        }),
        ..LinkSpec::default()
    }
}
