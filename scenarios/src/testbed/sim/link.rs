//! Access links and ports as profiles and faults have them, in the simulator's terms.

use std::sync::Arc;
use std::time::Duration;

use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::stage::{BurstLoss, Controlled, Policing, Reordering, Spread};
use orrery_sim::units::{Rate, Ratio};

use crate::fault::LinkChange;
use crate::format::reading::amount::Draw;
use crate::profiles::{AccessProfile, Direction};

/// The access link of a profile, changed by a fault.
pub fn access(profile: &AccessProfile, change: &LinkChange) -> Access {
    let direction = |direction: &Direction, rate_bps: Option<u64>| {
        let (least, jitter) = jitter(direction);
        LinkSpec {
            rate: rate_bps.or(direction.rate_bps).and_then(Rate::from_bps),
            queue_bytes: direction.queue_bytes,
            delay: Duration::from_nanos(change.delay_ns.unwrap_or(direction.delay_ns)) + least,
            jitter,
            loss: Ratio::from_ppm(change.loss_ppm.unwrap_or(direction.loss_ppm)),
            mtu: profile.mtu_bytes as u16,
            ..impairments(direction)
        }
    };
    Access {
        up: direction(&profile.up, change.up_bps),
        down: direction(&profile.down, change.down_bps),
    }
}

/// The least delay that a profile's jitter adds, and how it varies beyond.
fn jitter(direction: &Direction) -> (Duration, Option<Spread>) {
    let time = |ns: i64| Duration::from_nanos(ns.max(0) as u64);
    match direction.jitter_ns.draw {
        Draw::Constant(ns) => (time(ns), None),
        Draw::Uniform(low, high) => {
            let max = time(high - low);
            (time(low), Some(Spread::Uniform { max }))
        }
        Draw::Normal(mean, deviation) => {
            let (mean, deviation) = (time(mean), time(deviation));
            (Duration::ZERO, Some(Spread::Normal { mean, deviation }))
        }
        Draw::Exponential(mean) => (
            Duration::ZERO,
            Some(Spread::Exponential { mean: time(mean) }),
        ),
    }
}

/// A link with the impairments of `direction`, and with nothing else of it.
fn impairments(direction: &Direction) -> LinkSpec {
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
