//! What scenarios of the catalog cost, measured and written to `scenarios/costs.csv`, from which
//! `orrery list` tells it.
//!
//! No check: figures depend on the machine. Of each scenario one seed is played to its end, in all
//! variants and cells, if that is cheap. Of a dear one, the first variant is played up to a share of its
//! time and the rest is extrapolated, unless its work begins so late that the share would not show it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::orrery::{Orrery, Profile};
use crate::workspace::{Workspace, as_typed};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Only scenarios whose name contains this; the others' figures stay
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Play up to this share of each dear simulation, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
}

/// An entry of `orrery list --format json`.
#[derive(Deserialize)]
struct Listed {
    name: String,
    simulated_s: f64,
    /// When the last workload may begin to act.
    acts_from_s: f64,
    variants: Vec<String>,
    /// How many simulations a seed has: one for each variant and cell.
    simulations: usize,
    seeds: usize,
}

/// What is read of a `result.json`.
#[derive(Deserialize)]
struct Played {
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    seeds: Vec<Seed>,
}

#[derive(Deserialize)]
struct Seed {
    cpu_s: f64,
    simulated_s: f64,
    peak_rss_bytes: u64,
}

/// A seed that costs at most so many CPU seconds is played as a whole.
const CHEAP_S: f64 = 60.0;

/// The table's place in the workspace.
const TABLE: &str = "scenarios/costs.csv";

/// Measures and writes the table.
///
/// # Errors
/// When the program cannot be run, or its answers not be read.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let scratch = workspace.scratch("costs")?;
    let listed = orrery
        .command()
        .args(["list", "--format", "json"])
        .output()?;
    let listed: Vec<Listed> = serde_json::from_slice(&listed.stdout).context("orrery list")?;
    let path = workspace.root.join(TABLE);
    let mut rows = rows(&std::fs::read_to_string(&path).unwrap_or_default());
    for scenario in &listed {
        let only = options.only.as_ref();
        if only.is_some_and(|text| !scenario.name.contains(text.as_str())) {
            continue;
        }
        let row = measure(&orrery, scenario, options.share, &scratch)?;
        println!("{row}");
        rows.retain(|other| name_of(other) != scenario.name);
        rows.push(row);
    }
    rows.retain(|row| listed.iter().any(|scenario| scenario.name == name_of(row)));
    rows.sort();
    std::fs::write(&path, table(&rows)).with_context(|| format!("{}", path.display()))
}

impl Listed {
    /// Up to which simulated second a share of it is played; `None` if what is played then would lack its
    /// work, or not show it for as long as what was before.
    fn part_s(&self, share: u32) -> Option<f64> {
        let until_s = (self.simulated_s * f64::from(share) / 100.0).max(1.0);
        (2.0 * self.acts_from_s <= until_s && until_s < self.simulated_s).then_some(until_s)
    }

    /// Whether a seed of it is played as a whole, if a simulation costs this.
    fn is_cheap(&self, cpu_s: f64) -> bool {
        cpu_s * (self.simulations / self.seeds.max(1)) as f64 <= CHEAP_S
    }
}

/// A row of the table: a part of one seed, or the whole of it.
fn measure(orrery: &Orrery, scenario: &Listed, share: u32, scratch: &Path) -> Result<String> {
    if let Some(until_s) = scenario.part_s(share) {
        let first = scenario.variants.first();
        let variant = first.context("a scenario has a variant")?;
        let until = format!("{until_s}s");
        let part = ["--variant", variant, "--until", &until];
        let (cpu_s, memory) = play(orrery, scenario, &part, scratch)?;
        if !scenario.is_cheap(cpu_s) {
            return Ok(row(&scenario.name, cpu_s, memory, "part"));
        }
    }
    let (cpu_s, memory) = play(orrery, scenario, &[], scratch)?;
    Ok(row(&scenario.name, cpu_s, memory, "whole"))
}

fn row(name: &str, cpu_s: f64, memory: u64, measured: &str) -> String {
    format!(
        "{name},{cpu_s:.2},{},{measured}",
        memory.div_ceil(1_000_000)
    )
}

/// Plays the first seed, as far as `part` says. Gives the CPU seconds that a whole simulation takes, on
/// average over variants and cells, and the greatest memory in bytes.
fn play(orrery: &Orrery, scenario: &Listed, part: &[&str], scratch: &Path) -> Result<(f64, u64)> {
    let mut command = orrery.command();
    command.args(["run", &scenario.name, "--seed", "1", "--jobs", "1"]);
    command.args(part).args(["--format", "json", "--out"]);
    command.arg(scratch.join(&scenario.name));
    let typed = as_typed(&command);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{typed}`"))?;
    let played: Played = match serde_json::from_slice(&output.stdout) {
        Ok(played) => played,
        Err(error) => bail!(
            "`{typed}` gave no result: {error}: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    };
    let seeds = played.variants.iter().flat_map(|variant| &variant.seeds);
    let (cpu_s, simulated_s, memory) =
        seeds.fold((0.0, 0.0, 0), |(cpu_s, simulated_s, memory), seed| {
            (
                cpu_s + seed.cpu_s,
                simulated_s + seed.simulated_s,
                seed.peak_rss_bytes.max(memory),
            )
        });
    // Cells are summed up in a seed's result; a simulation is one of them.
    let whole_s = scenario.simulated_s * cpu_s / f64::max(simulated_s, 1e-9);
    Ok((whole_s, memory))
}

fn name_of(row: &str) -> &str {
    row.split(',').next().unwrap_or_default()
}

/// The rows of a table, without its header.
fn rows(table: &str) -> Vec<String> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.skip(1).map(str::to_owned).collect()
}

fn table(rows: &[String]) -> String {
    let mut out = String::from(
        "# What one simulation of each scenario costs on one core, built with --release: CPU seconds, and\n\
         # peak memory in megabytes. Written by `cargo xtask costs`. `whole`: one seed was played to its\n\
         # end in all variants; `part`: extrapolated from the first part of its simulated time.\n\
         # Without memory: by a whole run, its seeds together.\n\
         scenario,cpu_s,memory_mb,measured\n",
    );
    for row in rows {
        let _ = writeln!(out, "{row}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(simulated_s: f64, acts_from_s: f64) -> Listed {
        Listed {
            name: "a/b".to_owned(),
            simulated_s,
            acts_from_s,
            variants: vec!["default".to_owned()],
            simulations: 12,
            seeds: 6,
        }
    }

    #[test]
    fn what_acts_late_is_measured_as_a_whole() {
        assert_eq!(listed(100.0, 0.0).part_s(25), Some(25.0));
        assert_eq!(listed(100.0, 12.0).part_s(25), Some(25.0));
        assert_eq!(listed(100.0, 50.0).part_s(25), None, "only work at 50 %");
        assert_eq!(listed(97.0, 30.1).part_s(25), None);
        assert_eq!(listed(0.5, 0.0).part_s(25), None, "as long as a part");
    }

    #[test]
    fn what_is_cheap_is_measured_as_a_whole() {
        let scenario = listed(100.0, 0.0);
        assert!(scenario.is_cheap(30.0), "two simulations a seed");
        assert!(!scenario.is_cheap(30.1));
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let given = ["a/b,1.50,20,whole", "c,0.01,9,part"].map(str::to_owned);
        assert_eq!(rows(&table(&given)), given);
        assert_eq!(name_of(&given[0]), "a/b");
        assert!(rows("").is_empty());
    }
}
