//! Plays the one world of a row.

use orrery_reports::record::{Metric, SeedResult};

use crate::format::Scenario;
use crate::job::Job;
use crate::play;

/// What seed 1 of `scenario` shows, or what has kept it from its end.
pub fn played(scenario: Scenario) -> Result<SeedResult, String> {
    let played = play::run(&Job::new(scenario, 1), &mut |_| {});
    match played.failure {
        Some(failure) => Err(failure.to_string()),
        None => Ok(played.result),
    }
}

/// Whether more than half of what `metric` counts, a ratio, succeeds in `scenario`.
pub fn succeeds(scenario: Scenario, metric: &str) -> Result<bool, String> {
    match played(scenario)?.metrics.get(metric) {
        Some(Metric::Value { value, .. }) => Ok(*value > 0.5),
        _ => Err(format!("nothing was measured as {metric}")),
    }
}
