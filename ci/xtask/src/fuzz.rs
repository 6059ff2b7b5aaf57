//! Fuzz targets: every parser of remote bytes, each for a few seconds in CI and for
//! as long as one likes by hand.
//!
//! The targets are the binaries of the packages called `…-fuzz`, laid out as
//! cargo-fuzz expects them, but members of the workspace and built on stable: the
//! compiler's coverage pass is switched on for our crates alone, by this program
//! standing in as rustc's [`wrapper`]. So the dependencies of the debug build serve
//! here too. What a run learns is kept below the target folder; what is worth
//! keeping is committed to `<package>/corpus/<target>`.

pub mod wrapper;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::side_by_side;
use crate::table::Table;
use crate::workspace::{Workspace, as_typed, run as run_command};

/// What to run and for how long.
#[derive(Args)]
pub struct Options {
    /// Only targets whose name contains this
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// Time for each target
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
    /// End a target after this many inputs, if that comes first
    #[arg(long)]
    runs: Option<u64>,
    /// The fuzzer's own seed; 0 takes another one each time
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// Run one saved input instead; choose its target with --target
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

const SECONDS: u64 = 10;

/// Reached by all targets but the slowest before their time is up.
const RUNS_OF_CI: u64 = 200_000;

/// A target needs more memory than this: it stores what it should bound.
const MEMORY_MIB_MAX: u32 = 1024;

/// An input takes longer than this: it computes what it should bound.
const SECONDS_PER_INPUT_MAX: u32 = 5;

impl Options {
    /// What CI runs: the same inputs for the same commit, so that its verdict is the
    /// commit's own and not the dice's. Looking further is for runs by hand.
    pub fn of_ci() -> Self {
        Self {
            target: None,
            seconds: SECONDS,
            runs: Some(RUNS_OF_CI),
            seed: 1,
            input: None,
        }
    }
}

/// One fuzz target.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    /// Folder of committed inputs.
    corpus: PathBuf,
}

/// Builds the targets with coverage and runs them.
///
/// # Errors
/// When a target does not build, is not instrumented, or finds something.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let targets: Vec<Target> = targets(workspace)
        .into_iter()
        .filter(|target| {
            options
                .target
                .as_ref()
                .is_none_or(|text| target.name.contains(text))
        })
        .collect();
    if targets.is_empty() {
        bail!("there is no such fuzz target");
    }
    let folder = build(workspace, &targets)?;
    if let Some(input) = &options.input {
        let input = std::path::absolute(input)?;
        for target in &targets {
            run_command(Command::new(folder.join(&target.name)).arg(&input))?;
        }
        return Ok(());
    }
    let mut table = Table::new([
        "target",
        "inputs",
        "coverage counters",
        "edges and features",
    ]);
    let reports = side_by_side::map(&targets, |target| {
        explore(workspace, options, target, &folder)
    })?;
    for (target, report) in targets.iter().zip(reports) {
        table.row([
            target.name.clone(),
            report.inputs,
            report.counters,
            report.reached,
        ]);
    }
    println!("{table}");
    Ok(())
}

fn targets(workspace: &Workspace) -> Vec<Target> {
    let mut targets: Vec<Target> = workspace
        .members
        .workspace_packages()
        .iter()
        .filter(|package| package.name.ends_with("-fuzz"))
        .flat_map(|package| {
            let folder = package
                .manifest_path
                .parent()
                .map_or(Path::new("."), Path::new);
            package
                .targets
                .iter()
                .filter(|target| target.is_bin())
                .map(move |target| Target {
                    name: target.name.clone(),
                    corpus: folder.join("corpus").join(&target.name),
                })
        })
        .collect();
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    targets
}

/// Builds the instrumented programs and returns the folder that holds them.
fn build(workspace: &Workspace, targets: &[Target]) -> Result<PathBuf> {
    let this = std::env::current_exe().context("this program's own path")?;
    // Cargo may replace the program that is running, and a wrapper that changes
    // its path or age would rebuild everything: work with a copy.
    let folder = workspace.target.join("xtask/fuzz/bin");
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let wrapper = folder.join("rustc-with-coverage");
    std::fs::copy(&this, &wrapper).with_context(|| format!("{}", wrapper.display()))?;
    let mut cargo = workspace.cargo();
    // With the features of the whole workspace, so that tests have built all other crates already.
    cargo.args(["build", "--quiet", "--locked", "--workspace"]);
    for target in targets {
        cargo.args(["--bin", &target.name]);
    }
    // The debug profile has the assertions and overflow checks that a fuzzer
    // needs; our own crates are optimised on top so that it also gets far.
    cargo
        .env("RUSTC_WORKSPACE_WRAPPER", &wrapper)
        .env(wrapper::SWITCH, "1")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
        .env("CARGO_INCREMENTAL", "0");
    run_command(&mut cargo)?;
    for target in targets {
        let from = workspace.target.join("debug").join(&target.name);
        let to = folder.join(&target.name);
        std::fs::copy(&from, &to).with_context(|| format!("{}", from.display()))?;
    }
    Ok(folder)
}

/// What libFuzzer said about a run.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    inputs: String,
    counters: String,
    reached: String,
}

fn explore(
    workspace: &Workspace,
    options: &Options,
    target: &Target,
    programs: &Path,
) -> Result<Report> {
    let learnt = workspace
        .target
        .join("xtask/fuzz/corpus")
        .join(&target.name);
    let findings = workspace
        .target
        .join("xtask/fuzz/findings")
        .join(&target.name);
    for folder in [&learnt, &findings] {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let mut command = Command::new(programs.join(&target.name));
    command
        .arg(&learnt)
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-seed={}", options.seed))
        .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
        .arg(format!("-timeout={SECONDS_PER_INPUT_MAX}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .arg("-print_final_stats=1");
    if let Some(runs) = options.runs {
        command.arg(format!("-runs={runs}"));
    }
    if target.corpus.exists() {
        command.arg(&target.corpus);
    }
    let typed = as_typed(&command);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{typed}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = said.lines().collect();
        println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        let input = saved_input(&said).unwrap_or_else(|| format!("{}/…", findings.display()));
        bail!(
            "{} found something. To repeat:\n  cargo xtask fuzz --target {} --input {input}",
            target.name,
            target.name
        );
    }
    read_report(&said).with_context(|| {
        format!(
            "{} ran without coverage counters, so it only threw dice",
            target.name
        )
    })
}

/// Where libFuzzer says that it has put the input.
fn saved_input(said: &str) -> Option<String> {
    said.lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, file)| file.trim().to_owned())
}

/// Reads libFuzzer's log; nothing if the program was not instrumented.
fn read_report(said: &str) -> Option<Report> {
    let after = |line: &str, key: &str| {
        line.split_once(key)
            .and_then(|(_, rest)| rest.split_whitespace().next().map(str::to_owned))
    };
    let counters = said
        .lines()
        .find(|line| line.contains("inline 8-bit counters"))
        .and_then(|line| {
            line.split('(')
                .nth(1)?
                .split_whitespace()
                .next()
                .map(str::to_owned)
        })?;
    let inputs = said
        .lines()
        .find_map(|line| after(line, "stat::number_of_executed_units:"))?;
    let last = said.lines().rev().find(|line| line.contains(" cov: "))?;
    let reached = format!("{} and {}", after(last, " cov: ")?, after(last, " ft: ")?);
    Some(Report {
        inputs,
        counters,
        reached,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_counters_is_read_and_one_without_is_refused() {
        let with = "INFO: Loaded 1 modules   (512 inline 8-bit counters): 512 [0x1, 0x2),\n\
            #2 INITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #900 DONE   cov: 40 ft: 55 corp: 9/99b lim: 4 exec/s: 0 rss: 31Mb\n\
            stat::number_of_executed_units: 900\n";
        let report = read_report(with).unwrap();
        assert_eq!(report.counters, "512");
        assert_eq!(
            (report.inputs.as_str(), report.reached.as_str()),
            ("900", "40 and 55")
        );
        let without = with.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert_eq!(read_report(&without), None);
    }

    #[test]
    fn a_finding_names_its_file() {
        let said = "artifact_prefix='x/'; Test unit written to x/crash-1\nBase64: YQ==\n";
        assert_eq!(saved_input(said).as_deref(), Some("x/crash-1"));
        assert_eq!(saved_input("Base64: YQ==\n"), None);
    }

    #[test]
    fn every_target_is_named_as_one() {
        let workspace = Workspace::find().unwrap();
        let targets = targets(&workspace);
        assert!(!targets.is_empty());
        for target in targets {
            assert!(target.name.starts_with("fuzz-"), "{target:?}");
        }
    }
}
