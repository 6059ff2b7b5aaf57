//! What was lost: one by one as far as that is read, and by cause.

use std::collections::BTreeMap;

use orrery_reports::record::{Loss, SeedResult};

use super::metrics::Metrics;
use crate::metrics::Definition;
use crate::world::World;

/// Losses that are listed one by one; all are counted by cause.
pub const LISTED_MAX: usize = 500;

/// A loss that nothing explains.
pub const UNKNOWN: &str = "unknown";

/// One thing that was to come from one host to another, and did not.
pub struct Lost {
    /// What, with its number.
    pub item: String,
    /// The host from which it was to come.
    pub author: u32,
    /// The host that was to get it.
    pub reader: u32,
    /// When that began, in simulated nanoseconds.
    pub at_ns: u64,
    /// Why not.
    pub cause: &'static str,
}

/// Lists what was lost and `metric` counts, as far as there is room.
pub fn list(
    world: &World,
    result: &mut SeedResult,
    metric: &Definition,
    lost: impl Iterator<Item = Lost>,
) {
    let room = LISTED_MAX.saturating_sub(result.losses.listed().len());
    let name = |host: u32| world.hosts[host as usize].name.clone();
    for lost in lost.take(room) {
        result.losses.list(Loss {
            item: lost.item.into(),
            author: name(lost.author),
            reader: name(lost.reader),
            created_s: lost.at_ns as f64 / 1e9,
            cause: lost.cause.to_owned(),
            metric: metric.name.to_owned(),
        });
    }
}

/// Counts losses by cause, under `metric` and among those of the whole run.
pub fn count<C: Copy>(
    metrics: &mut Metrics,
    result: &mut SeedResult,
    metric: &Definition,
    causes: &BTreeMap<C, u64>,
    name: fn(C) -> &'static str,
) {
    for (cause, count) in causes {
        let cause = name(*cause);
        metrics.count(metric, &[("cause", cause)], *count);
        result.losses.count(metric.name, cause, *count);
    }
}
