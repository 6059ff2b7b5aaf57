//! What scenarios of the catalog cost, measured and written to `scenarios/costs.csv`, from which
//! `orrery list` tells it.
//!
//! No check: figures depend on the machine. Of each scenario some simulations are played up to a
//! share of their time, and the rest is extrapolated, so that the whole catalog takes minutes.

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
    /// Play up to this share of each simulation, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
}

/// An entry of `orrery list --format json`.
#[derive(Deserialize)]
struct Listed {
    name: String,
    simulated_s: f64,
    variants: Vec<String>,
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

/// One variant's first seed, in all cells, up to a share of its time.
fn measure(orrery: &Orrery, scenario: &Listed, share: u32, scratch: &Path) -> Result<String> {
    let until_s = (scenario.simulated_s * f64::from(share) / 100.0).max(1.0);
    let variant = scenario
        .variants
        .first()
        .context("a scenario has a variant")?;
    let mut command = orrery.command();
    command.args(["run", &scenario.name, "--seed", "1", "--variant", variant]);
    command.args(["--until", &format!("{until_s}s"), "--jobs", "1"]);
    command
        .args(["--format", "json", "--out"])
        .arg(scratch.join(&scenario.name));
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
    let whole_s = scenario.simulated_s * cpu_s / simulated_s.max(1e-9);
    Ok(format!(
        "{},{whole_s:.2},{}",
        scenario.name,
        memory.div_ceil(1_000_000)
    ))
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
        "# What one simulation of each scenario costs on one core, built with --release: CPU seconds,\n\
         # extrapolated from a part of it, and peak memory in megabytes. Written by `cargo xtask costs`.\n\
         # Without memory: by a whole run, its seeds together.\n\
         scenario,cpu_s,memory_mb\n",
    );
    for row in rows {
        let _ = writeln!(out, "{row}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let given = ["a/b,1.50,20".to_owned(), "c,0.01,9".to_owned()];
        assert_eq!(rows(&table(&given)), given);
        assert_eq!(name_of(&given[0]), "a/b");
        assert!(rows("").is_empty());
    }
}
