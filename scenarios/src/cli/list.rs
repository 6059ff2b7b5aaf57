//! `orrery list`: the catalog, with what each scenario costs.

use std::fmt::Write as _;

use clap::Args;

use super::format::Format;
use super::{CliError, give, tell};
use crate::catalog;
use crate::costs::{self, Cost};
use crate::format::reading::quantity::show_time;
use crate::format::scenario::workload::Workload;
use crate::format::{Plan, read};
use crate::text::{WIDTH, wrap};

/// `orrery list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery list               the whole catalog
  orrery list nat           those with these letters in their name or summary
  orrery list relay crash   those with all of them

CPU time and memory are those of a whole run on one machine: compare them with
each other, and expect half or twice as much. Where \"some\" stands before it, a
part of the simulated time was measured; those that become busier towards their
end cost more.")]
pub struct List {
    /// Only scenarios that have all of these in their names or summaries
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Lists the catalog.
pub fn run(list: &List) -> Result<u8, CliError> {
    let plans: Vec<Plan> = catalog::entries()
        .map(|entry| {
            read(entry.name, entry.text, None, &[])
                .map_err(|problems| CliError::Tool(problems.to_string()))
        })
        .collect::<Result<_, _>>()?;
    let plans: Vec<&Plan> = plans
        .iter()
        .filter(|plan| has_all(plan, &list.words))
        .collect();
    if plans.is_empty() {
        tell(&format!(
            "no scenario has {} in its name or summary",
            list.words.join(" and ")
        ));
    }
    give(&match list.format {
        Format::Text => text(&plans),
        Format::Json => json(&plans),
    })?;
    Ok(0)
}

fn has_all(plan: &Plan, words: &[String]) -> bool {
    let text = format!("{} {}", plan.name, plan.summary).to_lowercase();
    words.iter().all(|word| text.contains(&word.to_lowercase()))
}

fn text(plans: &[&Plan]) -> String {
    let mut out = String::new();
    for plan in plans {
        let _ = writeln!(out, "{}", plan.name);
        for line in wrap(&plan.summary, WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
        for line in wrap(&size(plan), WIDTH - 4) {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// How many cells its grid has; 1 without one.
fn cells(plan: &Plan) -> usize {
    plan.grid
        .iter()
        .map(|dimension| dimension.values.len())
        .product()
}

/// How many simulations a run of it plays.
fn simulations(plan: &Plan) -> usize {
    plan.cases.len() * plan.seeds as usize
}

fn size(plan: &Plan) -> String {
    let counted = |count: usize, noun: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {noun}{plural}")
    };
    let hosts = plan.cases.iter().map(|case| case.scenario.hosts());
    let (least, most) = (hosts.clone().min().unwrap_or(0), hosts.max().unwrap_or(0));
    let mut size = if least == most {
        counted(most as usize, "host")
    } else {
        format!("{least} to {most} hosts")
    };
    let end_ns = plan.cases[0].scenario.end_ns();
    let _ = write!(size, ", {} simulated, ", show_time(end_ns as i64));
    let parts: Vec<String> = [
        (plan.variants().count(), "variant"),
        (cells(plan), "cell"),
        (plan.seeds as usize, "seed"),
    ]
    .iter()
    .filter(|(count, noun)| *count > 1 || *noun == "seed")
    .map(|(count, noun)| counted(*count, noun))
    .collect();
    size += &parts.join(" x ");
    let cost = costs::of(&plan.name).map(|cost| cost_in_words(&cost, simulations(plan)));
    let cost = cost.unwrap_or_else(|| "CPU time not measured".to_owned());
    let _ = write!(size, "; {cost}");
    size
}

fn cost_in_words(cost: &Cost, simulations: usize) -> String {
    let cpu_s = (cost.cpu_s * simulations as f64).max(1.0);
    let time = if cpu_s < 100.0 {
        format!("{cpu_s:.0}s")
    } else if cpu_s < 7_200.0 {
        format!("{:.0}m", cpu_s / 60.0)
    } else {
        format!("{:.0}h", cpu_s / 3_600.0)
    };
    let some = if cost.is_whole { "" } else { "some " };
    match cost.memory_mb {
        Some(memory_mb) => format!("{some}{time} of CPU time, {memory_mb} MB each"),
        None => format!("{some}{time} of CPU time"),
    }
}

/// When the last workload of any case may begin to act, in simulated seconds.
fn acts_from_s(plan: &Plan) -> f64 {
    let workloads = plan.cases.iter().flat_map(|case| &case.scenario.workloads);
    let begins = workloads.map(Workload::begins_ns);
    begins.max().unwrap_or(0) as f64 / 1e9
}

fn json(plans: &[&Plan]) -> String {
    let list: Vec<serde_json::Value> = plans
        .iter()
        .map(|plan| {
            let cost = costs::of(&plan.name);
            let simulations = simulations(plan);
            serde_json::json!({
                "name": plan.name,
                "summary": plan.summary,
                "seeds": plan.seeds,
                "hosts": plan.cases[0].scenario.hosts(),
                "simulated_s": plan.cases[0].scenario.end_ns() as f64 / 1e9,
                "acts_from_s": acts_from_s(plan),
                "variants": plan.variants().collect::<Vec<_>>(),
                "cells": cells(plan),
                "simulations": simulations,
                "cpu_s": cost.map(|cost| cost.cpu_s * simulations as f64),
                "memory_bytes": cost.and_then(|cost| Some(cost.memory_mb? * 1_000_000)),
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(list))
}
