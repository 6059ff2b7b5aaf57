//! Equal seeds give equal traces, whatever surrounds the run.
//!
//! Small scenarios (`ci/determinism.toml`) run once plainly, and again under each
//! [`Condition`]; every trace hash and every reported figure must be the same.
//! Another seed must give another hash, or the hash proves nothing.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::orrery::{self, Experiment, Orrery, Profile};
use crate::run_record::RunRecord;
use crate::side_by_side;
use crate::table::Table;
use crate::workspace::Workspace;

/// Which scenarios to run.
#[derive(Args, Default)]
pub struct Options {
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// `ci/determinism.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    #[serde(rename = "case")]
    cases: Vec<Experiment>,
}

/// What is different about a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Nothing: only the process is another.
    Again,
    /// The debug build.
    Debug,
    /// All cores busy with something else.
    Load,
    /// Another environment, time zone, locale and current folder.
    Surroundings,
    /// Every log line is written.
    Log,
    /// Two workers at once.
    Jobs,
}

const CONDITIONS: &[(Condition, &str)] = &[
    (Condition::Again, "another process"),
    (Condition::Debug, "debug build"),
    (Condition::Load, "busy machine"),
    (Condition::Surroundings, "other environment and folder"),
    (Condition::Log, "with --log trace"),
    (Condition::Jobs, "with --jobs 2"),
];

/// Two, so that `--jobs 2` has something to do at once and seeds can be compared.
const SEEDS: &str = "2";

/// Both builds of the program.
struct Builds {
    debug: Orrery,
    release: Orrery,
}

/// Runs all cases under all conditions and prints one table.
///
/// # Errors
/// When a run fails or two runs of a seed differ.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let file = workspace.root.join("ci/determinism.toml");
    let text = std::fs::read_to_string(&file).context("ci/determinism.toml")?;
    let plan: Plan = toml::from_str(&text).context("ci/determinism.toml")?;
    let cases: Vec<_> = plan
        .cases
        .into_iter()
        .filter(|case| {
            options
                .only
                .as_ref()
                .is_none_or(|text| case.scenario.contains(text))
        })
        .collect();
    if cases.is_empty() {
        bail!("no case of ci/determinism.toml is chosen");
    }
    let builds = Builds {
        debug: Orrery::build(workspace, Profile::Debug)?,
        release: Orrery::build(workspace, Profile::Release)?,
    };
    let mut table = Table::new([
        "scenario",
        "condition",
        "trace hash of the first seed",
        "equal",
    ]);
    let checked = side_by_side::map(&cases, |case| check_case(workspace, &builds, case))?;
    let mut broken = 0;
    for case in checked {
        for row in case.rows {
            table.row(row);
        }
        for difference in &case.differences {
            println!("{difference}");
        }
        broken += case.broken;
    }
    println!("{table}");
    if broken > 0 {
        bail!("{broken} runs were not reproduced");
    }
    Ok(())
}

/// What became of a case.
#[derive(Default)]
struct Checked {
    rows: Vec<[String; 4]>,
    /// Where runs were not reproduced, in words.
    differences: Vec<String>,
    broken: usize,
}

/// Runs one case under all conditions.
fn check_case(workspace: &Workspace, builds: &Builds, case: &Experiment) -> Result<Checked> {
    let scratch = workspace.scratch(&format!("determinism/{}", case.scenario))?;
    let mut plain = builds.release.run(case);
    let plain_out = scratch.join("plain");
    plain
        .args(["--seeds", SEEDS, "--jobs", "1", "--record"])
        .arg(records(&plain_out))
        .current_dir(&workspace.root);
    let base = orrery::finish(&mut plain, &plain_out)?;
    let mut checked = Checked::default();
    checked.rows.push([
        case.scenario.clone(),
        "plain".to_owned(),
        first_hash(&base),
        String::new(),
    ]);
    for (index, (condition, name)) in CONDITIONS.iter().enumerate() {
        let out = scratch.join(index.to_string());
        let other = run_under(*condition, workspace, builds, case, &out)
            .with_context(|| format!("{}, {name}", case.scenario))?;
        let difference = first_difference(&base, &other);
        let equal = if difference.is_none() { "yes" } else { "NO" };
        checked.rows.push([
            case.scenario.clone(),
            (*name).to_owned(),
            first_hash(&other),
            equal.to_owned(),
        ]);
        if let Some(difference) = difference {
            checked.broken += 1;
            let difference = format!("{}, {name}: {difference}", case.scenario);
            checked.differences.push(difference);
            checked
                .differences
                .extend(locate(builds, &plain_out, &out)?);
        }
    }
    if let Some(shared) = shared_by_seeds(&base) {
        checked.broken += 1;
        checked
            .differences
            .push(format!("{}: {shared}", case.scenario));
    }
    Ok(checked)
}

fn run_under(
    condition: Condition,
    workspace: &Workspace,
    builds: &Builds,
    case: &Experiment,
    out: &Path,
) -> Result<RunRecord> {
    let build = if condition == Condition::Debug {
        &builds.debug
    } else {
        &builds.release
    };
    let mut command = build.run(case);
    command
        .args(["--seeds", SEEDS, "--record"])
        .arg(records(out))
        .current_dir(&workspace.root);
    command.args([
        "--jobs",
        if condition == Condition::Jobs {
            "2"
        } else {
            "1"
        },
    ]);
    match condition {
        Condition::Again | Condition::Debug | Condition::Jobs => {}
        Condition::Load => return under_load(|| orrery::finish(&mut command, out)),
        Condition::Surroundings => surround(&mut command, out)?,
        Condition::Log => {
            command.args(["--log", "trace"]);
        }
    }
    orrery::finish(&mut command, out)
}

/// Another place in the file system, on the map and in memory: a larger environment
/// moves the stack.
fn surround(command: &mut Command, out: &Path) -> Result<()> {
    let elsewhere = out.with_extension("elsewhere");
    std::fs::create_dir_all(&elsewhere)?;
    command
        .current_dir(&elsewhere)
        .env("TZ", "Pacific/Kiritimati")
        .env("LANG", "tr_TR.UTF-8")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("TMPDIR", &elsewhere)
        .env("NO_COLOR", "1")
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_PERTURB_", "165")
        .env("ORRERY_PADDING", "x".repeat(10_000));
    Ok(())
}

/// Runs `work` while every core is kept busy.
fn under_load<T>(work: impl FnOnce() -> T) -> T {
    let stop = Arc::new(AtomicBool::new(false));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let busy: Vec<_> = (0..cores)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let result = work();
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread
            .join()
            .expect("a loop that only spins does not panic");
    }
    result
}

fn first_hash(record: &RunRecord) -> String {
    record.hashes().into_values().next().unwrap_or_default()
}

/// The first line in which two records of the same runs differ.
fn first_difference(a: &RunRecord, b: &RunRecord) -> Option<String> {
    let (a, b) = (a.stable_text(), b.stable_text());
    let (mut a, mut b) = (a.lines(), b.lines());
    let mut run = String::new();
    loop {
        let (one, other) = (a.next(), b.next());
        if one.is_none() && other.is_none() {
            return None;
        }
        if one != other {
            let shown = |line: Option<&str>| line.unwrap_or("nothing").trim().to_owned();
            return Some(format!(
                "{run}: {}, but plainly {}",
                shown(other),
                shown(one)
            ));
        }
        if let Some(line) = one.filter(|line| line.starts_with("variant ")) {
            line.clone_into(&mut run);
        }
    }
}

/// Two seeds of one variant with the same hash, or a record with nothing to compare.
fn shared_by_seeds(record: &RunRecord) -> Option<String> {
    let hashes = record.hashes();
    for ((variant, seed), hash) in &hashes {
        let mut others = hashes
            .iter()
            .filter(|((other, of), _)| other == variant && of != seed);
        if hash.is_empty() {
            return Some(format!("variant {variant}, seed {seed}: no trace hash"));
        }
        if others.clone().next().is_none() {
            return Some(format!("variant {variant} ran with one seed only"));
        }
        if let Some(((_, other), _)) = others.find(|(_, of)| *of == hash) {
            return Some(format!(
                "variant {variant}: seeds {seed} and {other} share a trace hash"
            ));
        }
    }
    hashes.is_empty().then(|| "no seed was run".to_owned())
}

/// The records of events that a run leaves beside its results.
fn records(out: &Path) -> std::path::PathBuf {
    out.with_extension("records")
}

/// Tells the first event in which a simulation's records differ.
fn locate(builds: &Builds, base: &Path, other: &Path) -> Result<Vec<String>> {
    let mut names: Vec<_> = std::fs::read_dir(records(base))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    let mut located = Vec::new();
    for name in names {
        let output = builds
            .release
            .command()
            .arg("first-difference")
            .args([records(base).join(&name), records(other).join(&name)])
            .output()?;
        located.push(format!(
            "{}: {}",
            name.to_string_lossy(),
            String::from_utf8_lossy(&output.stdout).trim()
        ));
    }
    Ok(located)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_record::tests::record;

    #[test]
    fn equal_records_have_no_difference() {
        let a = record(&[("1", "aa"), ("2", "bb")]);
        assert_eq!(
            first_difference(&a, &record(&[("1", "aa"), ("2", "bb")])),
            None
        );
        assert_eq!(shared_by_seeds(&a), None);
    }

    #[test]
    fn a_different_hash_names_variant_and_seed() {
        let a = record(&[("1", "aa"), ("2", "bb")]);
        let b = record(&[("1", "aa"), ("2", "cc")]);
        assert_eq!(
            first_difference(&a, &b).unwrap(),
            "variant default seed 2: trace_hash cc, but plainly trace_hash bb"
        );
    }

    #[test]
    fn a_missing_seed_is_a_difference() {
        let a = record(&[("1", "aa"), ("2", "bb")]);
        let b = record(&[("1", "aa")]);
        assert!(
            first_difference(&a, &b)
                .unwrap()
                .contains("nothing, but plainly variant")
        );
    }

    #[test]
    fn hashes_that_do_not_depend_on_the_seed_fire() {
        for (seeds, says) in [
            (&[("1", "aa"), ("2", "aa")][..], "share a trace hash"),
            (&[("1", "aa")][..], "one seed only"),
            (&[("1", ""), ("2", "")][..], "no trace hash"),
            (&[][..], "no seed was run"),
        ] {
            let found = shared_by_seeds(&record(seeds)).unwrap();
            assert!(found.contains(says), "{found}");
        }
    }

    #[test]
    fn load_ends_with_the_work() {
        assert_eq!(under_load(|| 7), 7);
    }
}
