//! V37, third part: nodes and faults have the same trace hash for any number of simulations at
//! once.
//!
//! Three jobs, of which two are the same, are played by worker processes one after the other and
//! then all at once.

use super::{Measured, Row, reproducible};
use crate::engine::{Pool, Stop, Unwatched};
use crate::job::Job;

/// The runs that ought to be the same have different seeds.
const ANOTHER_SEED: &str = "third-run-with-another-seed";

pub const ROW: Row = Row {
    id: "V37-jobs",
    what: "trace hash of 8 nodes, seeds 1, 2 and 1 again: one by one, then three at once",
    expected: "first and third equal, the same both times",
    tolerance: "exact",
    source: "definition of a seed",
    mutations: &[ANOTHER_SEED],
    run,
};

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let again = if mutation == Some(ANOTHER_SEED) { 3 } else { 1 };
    let jobs = [1, 2, again].map(|seed| reproducible::job(seed, false));
    let jobs: Vec<Job> = jobs.into_iter().collect::<Result<_, _>>()?;
    let one_by_one = hashes(&jobs, 1)?;
    let at_once = hashes(&jobs, jobs.len())?;
    let short = |hash: &String| hash.chars().take(8).collect::<String>();
    let told: Vec<String> = one_by_one.iter().chain(&at_once).map(short).collect();
    Ok(Measured {
        text: told.join(", "),
        held: one_by_one == at_once
            && one_by_one[0] == one_by_one[2]
            && one_by_one[0] != one_by_one[1],
    })
}

fn hashes(jobs: &[Job], at_once: usize) -> Result<Vec<String>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let pool = Pool {
        program: &program,
        at_once,
        stop: &Stop::default(),
        watcher: &Unwatched,
    };
    let played = pool.play(jobs).map_err(|error| error.to_string())?;
    let hashes = played.into_iter().map(|played| match played.failure {
        Some(failure) => Err(failure.to_string()),
        None => Ok(played.result.trace_hash),
    });
    hashes.collect()
}
