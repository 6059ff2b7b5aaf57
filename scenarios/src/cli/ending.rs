//! What is told on standard error after an experiment: what went wrong, and how to repeat it.

use orrery_reports::record::{Record, SeedResult, Verdict};

use super::tell;
use crate::engine::{self, Difference, Experiment};
use crate::output;

/// Failures that are told on the terminal; the report has them all.
const TOLD_MAX: usize = 5;

/// Tells how an experiment ended. `differences` are between its two runs, if it was played
/// twice.
pub fn tell_ending(
    experiment: &Experiment<'_>,
    record: &Record,
    differences: Option<&[Difference]>,
) {
    let is_verified = differences.is_some_and(<[Difference]>::is_empty);
    let differences = differences.unwrap_or_default();
    for difference in differences.iter().take(TOLD_MAX) {
        tell(&format!(
            "not reproducible: variant {}, seed {}: {}",
            difference.variant, difference.seed, difference.what
        ));
    }
    if is_verified {
        tell("verified: every seed gave the same run twice");
    }
    if experiment.is_cut_short() {
        tell("stopped early by --until: expectations were not judged");
    }
    let failed: Vec<(&str, &SeedResult)> = record
        .variants
        .iter()
        .flat_map(|variant| {
            let seeds = variant.seeds.iter();
            seeds.map(|seed| (variant.name.as_str(), seed))
        })
        .filter(|(_, seed)| !engine::failures(seed).is_empty())
        .collect();
    for (variant, seed) in failed.iter().take(TOLD_MAX) {
        for failure in engine::failures(seed) {
            let seed = &seed.seed;
            tell(&format!(
                "failed: variant {variant}, seed {seed}: {failure}"
            ));
        }
    }
    if failed.len() > TOLD_MAX {
        tell(&format!(
            "and {} more seeds failed",
            failed.len() - TOLD_MAX
        ));
    }
    if record.verdict == Verdict::Held {
        return;
    }
    // The last line of a failure is the command that repeats it.
    let command = match (differences.first(), failed.first()) {
        (Some(difference), _) => {
            let seed = difference.seed.to_string();
            output::command_of_seed(record, &difference.variant, &seed) + " --verify"
        }
        (None, Some((variant, seed))) => output::command_of_seed(record, variant, &seed.seed),
        (None, None) => output::command_of_failure(record),
    };
    tell(&format!("reproduce: {command}"));
}
