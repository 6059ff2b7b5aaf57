//! Reproducibility: two runs of a seed in separate processes must be the same to the last figure.

use std::path::Path;

use orrery_reports::record::SeedResult;
use orrery_sim::trace::{TraceEvent, first_difference};

use super::{Pool, PoolError};
use crate::job::{Job, Played};

/// What differs between two runs of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The variant.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// What differs, for people.
    pub what: String,
}

/// What differs between two results of a job; what the machine cost is left out.
pub fn compare(job: &Job, first: &Played, second: &Played) -> Option<Difference> {
    let (one, other) = (&first.result, &second.result);
    let what = if one.trace_hash != other.trace_hash {
        format!(
            "trace hash {} and then {}",
            one.trace_hash, other.trace_hash
        )
    } else if first.failure != second.failure || deterministic(one) != deterministic(other) {
        "the same events, but other figures".to_owned()
    } else {
        return None;
    };
    Some(Difference {
        variant: job.variant.clone(),
        seed: job.seed,
        what,
    })
}

fn deterministic(result: &SeedResult) -> SeedResult {
    SeedResult {
        wall_s: 0.0,
        cpu_s: 0.0,
        peak_rss_bytes: 0,
        ..result.clone()
    }
}

/// Plays a job twice more with a record of every event, in `scratch`, and tells the first event
/// that differs. `None` if this time there is none.
///
/// # Errors
/// As [`PoolError`] says; a record that cannot be read is [`PoolError::Start`].
pub fn locate(pool: &Pool<'_>, job: &Job, scratch: &Path) -> Result<Option<String>, PoolError> {
    let paths = [scratch.join("first.trace"), scratch.join("second.trace")];
    let jobs: Vec<Job> = paths
        .iter()
        .map(|path| Job {
            trace: Some(path.clone()),
            ..job.clone()
        })
        .collect();
    Pool {
        at_once: 2,
        ..*pool
    }
    .play(&jobs)?;
    parting(&paths[0], &paths[1]).map_err(PoolError::Start)
}

/// The first event in which two records differ, for people.
///
/// # Errors
/// A record cannot be read.
pub fn parting(a: &Path, b: &Path) -> std::io::Result<Option<String>> {
    let shown = |event: Option<TraceEvent>| {
        event.map_or_else(
            || "nothing, for the run had ended".to_owned(),
            |event| event.to_string(),
        )
    };
    Ok(first_difference(a, b)?.map(|parting| {
        format!(
            "event {}: first {}, then {}",
            parting.index,
            shown(parting.first),
            shown(parting.second)
        )
    }))
}
