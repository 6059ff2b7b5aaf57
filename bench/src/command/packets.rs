//! `packets`: what a packet costs, and whether that grows with the number of hosts.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::kernel::span;
use super::{Format, write};
use crate::cost::{Cost, in_turns};
use crate::{Links, MeasureError, Workload, on_orrery};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Numbers of hosts; ratios are to the first
    #[arg(long, value_delimiter = ',', default_value = "100,10000", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    hosts: Vec<u32>,
    /// Packets of one repetition, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    packets: u64,
    /// Repetitions, of which the cheapest counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repetitions: u32,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Row {
    links: &'static str,
    hosts: u32,
    cost: Cost,
    ns_per_packet: f64,
    /// As a multiple of the first number of hosts with the same links.
    ratio: f64,
}

/// Measures, and writes the result to `out`.
///
/// # Errors
/// When a measurement fails, or `out` cannot be written.
pub fn run(options: &Options, out: &mut impl Write) -> Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    for (name, links) in [("bare", Links::Bare), ("five stages", Links::FiveStages)] {
        let costs = measure(options, links)?;
        let first = costs.first().map_or(f64::NAN, Cost::ns_per_work);
        rows.extend(options.hosts.iter().zip(&costs).map(|(&hosts, &cost)| Row {
            links: name,
            hosts,
            cost,
            ns_per_packet: cost.ns_per_work(),
            ratio: cost.ns_per_work() / first,
        }));
    }
    let headline = ["links", "hosts", "packets", "events", "ns/packet", "ratio"];
    write(out, options.format, &headline, &rows, |row| {
        vec![
            row.links.to_owned(),
            row.hosts.to_string(),
            row.cost.work.to_string(),
            row.cost.events.to_string(),
            format!("{:.0}", row.ns_per_packet),
            format!("{:.2}", row.ratio),
        ]
    })?;
    Ok(())
}

/// The cost for each number of hosts.
fn measure(options: &Options, links: Links) -> Result<Vec<Cost>, MeasureError> {
    let mut measurements: Vec<_> = options
        .hosts
        .iter()
        .map(|&hosts| {
            let span = span(options.packets, hosts);
            move || on_orrery::measure(Workload::Packets(links), hosts, span)
        })
        .collect();
    let mut turns: Vec<&mut dyn FnMut() -> Result<Cost, MeasureError>> = measurements
        .iter_mut()
        .map(|measure| measure as &mut dyn FnMut() -> _)
        .collect();
    in_turns(options.repetitions, &mut turns)
}
