//! What is told on standard error after an experiment: what went wrong, and how to repeat it.

use std::collections::BTreeMap;

use orrery_reports::record::{Record, SeedResult, Verdict};

use super::tell;
use crate::engine::{self, Difference};
use crate::output;

/// Failures that are told on the terminal; the report has them all.
const TOLD_MAX: usize = 5;

/// Tells how an experiment ended. `differences` are between its two runs, if it was played
/// twice.
pub fn tell_ending(record: &Record, differences: Option<&[Difference]>) {
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
    if record.verdict == Verdict::NotJudged {
        tell(&format!("not judged: {}", output::verdict_meaning(record)));
    }
    if matches!(record.verdict, Verdict::Held | Verdict::NotJudged) {
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

/// Tells whether a run gave what an earlier one had, of which it plays the scenario again.
pub fn tell_whether_same(earlier: &Record, record: &Record) {
    let hashes = |record: &Record| -> BTreeMap<(String, String), String> {
        let variants = record.variants.iter();
        let seeds = variants.flat_map(|variant| {
            let named = |seed: &SeedResult| (variant.name.clone(), seed.seed.clone());
            let seeds = variant.seeds.iter();
            seeds.map(move |seed| (named(seed), seed.trace_hash.clone()))
        });
        seeds.collect()
    };
    let (before, now) = (hashes(earlier), hashes(record));
    let common = now.iter().filter(|(key, _)| before.contains_key(*key));
    let (same, other): (Vec<_>, Vec<_>) = common.partition(|(key, hash)| before[*key] == **hash);
    let total = same.len() + other.len();
    tell(&match other.first() {
        None if total == 0 => "no simulation is one of the earlier result's".to_owned(),
        None => format!("the same as the earlier result: all {total} trace hashes are equal"),
        Some(((variant, seed), _)) => format!(
            "not the same as the earlier result: {} of {total} trace hashes differ, the first of \
             variant {variant}, seed {seed}; that was of commit {}, this is of commit {}",
            other.len(),
            earlier.commit,
            record.commit
        ),
    });
}
