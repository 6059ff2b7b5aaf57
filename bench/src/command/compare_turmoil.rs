//! `compare-turmoil`: the same workloads on our kernel and on turmoil, in one run.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::{Format, write};
use crate::cost::{Cost, Span, in_turns};
use crate::{Workload, on_orrery, on_turmoil};

/// What to compare.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Numbers of hosts
    #[arg(long, value_delimiter = ',', default_value = "10,50,100,200", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    hosts: Vec<u32>,
    /// Simulated seconds of one repetition
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Repetitions, of which the cheapest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    repetitions: u32,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Row {
    workload: &'static str,
    hosts: u32,
    orrery: Cost,
    turmoil: Cost,
    /// turmoil's CPU time as a multiple of ours.
    ratio: f64,
}

/// Measures, and writes the result to `out`.
///
/// # Errors
/// When a measurement fails, or `out` cannot be written.
pub fn run(options: &Options, out: &mut impl Write) -> Result<()> {
    let span = Span::of_seconds(options.seconds);
    let mut rows = Vec::new();
    for (name, workload) in [("idle", Workload::Idle), ("echo", Workload::Echo)] {
        for &hosts in &options.hosts {
            let costs = in_turns(
                options.repetitions,
                &mut [
                    &mut || on_orrery::measure(workload, hosts, span),
                    &mut || on_turmoil::measure(workload, hosts, span),
                ],
            )?;
            let (orrery, turmoil) = (costs[0], costs[1]);
            rows.push(Row {
                workload: name,
                hosts,
                orrery,
                turmoil,
                ratio: turmoil.cpu_ns as f64 / orrery.cpu_ns as f64,
            });
        }
    }
    let headline = [
        "workload",
        "hosts",
        "work orrery",
        "work turmoil",
        "CPU-s/s orrery",
        "CPU-s/s turmoil",
        "ratio",
    ];
    write(out, options.format, &headline, &rows, |row| {
        vec![
            row.workload.to_owned(),
            row.hosts.to_string(),
            row.orrery.work.to_string(),
            row.turmoil.work.to_string(),
            format!("{:.6}", row.orrery.cpu_per_second()),
            format!("{:.6}", row.turmoil.cpu_per_second()),
            format!("{:.0}", row.ratio),
        ]
    })?;
    Ok(())
}
