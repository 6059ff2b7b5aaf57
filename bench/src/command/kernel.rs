//! `kernel`: what an event costs when hosts do nothing but wait for a timer.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::{Format, write};
use crate::cost::{Cost, Span, in_turns};
use crate::workload::PERIOD;
use crate::{Workload, on_orrery};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Numbers of hosts
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    hosts: Vec<u32>,
    /// Events of one repetition, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: u64,
    /// Repetitions, of which the cheapest counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    repetitions: u32,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Row {
    hosts: u32,
    cost: Cost,
    ns_per_event: f64,
}

/// Measures, and writes the result to `out`.
///
/// # Errors
/// When a measurement fails, or `out` cannot be written.
pub fn run(options: &Options, out: &mut impl Write) -> Result<()> {
    let mut rows = Vec::new();
    for &hosts in &options.hosts {
        let span = span(options.events, hosts);
        let mut measure = || on_orrery::measure(Workload::Idle, hosts, span);
        let cost = in_turns(options.repetitions, &mut [&mut measure])?[0];
        rows.push(Row {
            hosts,
            cost,
            ns_per_event: cost.ns_per_event(),
        });
    }
    let headline = ["hosts", "events", "simulated s", "ns/event"];
    write(out, options.format, &headline, &rows, |row| {
        vec![
            row.hosts.to_string(),
            row.cost.events.to_string(),
            (row.cost.simulated_ns / 1_000_000_000).to_string(),
            format!("{:.0}", row.ns_per_event),
        ]
    })?;
    Ok(())
}

/// As long as `hosts` hosts that act once a period need for `acts` acts, and at
/// least a second.
pub(super) fn span(acts: u64, hosts: u32) -> Span {
    let periods = acts.div_ceil(u64::from(hosts));
    let seconds = Duration::from_nanos(PERIOD.as_nanos() as u64 * periods).as_secs();
    Span::of_seconds(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn few_hosts_run_longer_for_as_many_events() {
        let seconds = |acts, hosts| span(acts, hosts).measured.as_secs();
        assert_eq!(seconds(1_000_000, 1_000), 100);
        assert_eq!(seconds(1_000_000, 10), 10_000);
        assert_eq!(seconds(100, 10_000), 1);
    }
}
