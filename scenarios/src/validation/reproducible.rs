//! V37: a seed is a run, to the last byte, in any process.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Measured, Row};
use crate::engine::Frame;
use crate::job::{Job, Played};
use crate::{catalog, format};

/// A world that does not look at its seed.
const SEED_IGNORED: &str = "seed-ignored";
/// A post that is one byte longer in the second process.
const ONE_BYTE: &str = "one-byte-more";

pub const ROW: Row = Row {
    id: "V37",
    what: "trace hash of 8 nodes over 4 minutes: seed 1 in two processes, and seed 2",
    expected: "equal, equal, another",
    tolerance: "exact",
    source: "definition of a seed",
    mutations: &[SEED_IGNORED, ONE_BYTE],
    run,
};

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let other = if mutation == Some(SEED_IGNORED) { 1 } else { 2 };
    let longer = mutation == Some(ONE_BYTE);
    let hashes = [play(1, false)?, play(1, longer)?, play(other, false)?];
    let short = |hash: &String| hash.chars().take(12).collect::<String>();
    Ok(Measured {
        text: hashes.iter().map(short).collect::<Vec<_>>().join(", "),
        held: hashes[0] == hashes[1] && hashes[0] != hashes[2],
    })
}

/// Plays a seed in a process of its own and returns its hash.
fn play(seed: u64, longer: bool) -> Result<String, String> {
    let played = work(&job(seed, longer)?)?;
    match played.failure {
        None => Ok(played.result.trace_hash),
        Some(failure) => Err(failure.to_string()),
    }
}

/// Eight nodes with clocks that step and a partition.
pub fn job(seed: u64, longer: bool) -> Result<Job, String> {
    let entry = catalog::find("feed/skewed-clocks").ok_or("feed/skewed-clocks is gone")?;
    let small = [
        "group.home.count=8",
        "group.home.friends.degree=3",
        "duration=4m",
        "warmup=30s",
        "drain=30s",
        "fault.clock-step.at=each uniform(1m, 3m)",
        "fault.partition.at=1m",
        "fault.partition.for=30s",
        "fault.partition.between=[\"home[0..4]\", \"home[4..8]\"]",
        if longer {
            "workload.post.size=201B"
        } else {
            "workload.post.size=200B"
        },
    ]
    .map(str::to_owned);
    let plan = format::read("feed/skewed-clocks", entry.text, None, &small)
        .map_err(|problems| problems.to_string())?;
    let case = plan.cases.last().ok_or("the scenario has no variant")?;
    Ok(Job {
        variant: case.name.clone(),
        ..Job::new(case.scenario.clone(), seed)
    })
}

fn work(job: &Job) -> Result<Played, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut worker = Command::new(program)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start a worker: {error}"))?;
    let mut line = serde_json::to_string(job).map_err(|error| error.to_string())?;
    line.push('\n');
    if let Some(mut input) = worker.stdin.take() {
        input
            .write_all(line.as_bytes())
            .map_err(|error| error.to_string())?;
    }
    let output = worker
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Frame>(line).ok())
        .find_map(|frame| match frame {
            Frame::Result(played) => Some(*played),
            Frame::Progress(_) => None,
        })
        .ok_or_else(|| format!("the worker ended with {} and no result", output.status))
}
