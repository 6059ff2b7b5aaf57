//! `orrery list`: the catalog.

use std::fmt::Write as _;

use clap::Args;

use super::arguments::Format;
use super::{CliError, give};
use crate::catalog;
use crate::format::reading::quantity::show_time;
use crate::format::{Plan, read};

/// `orrery list`
#[derive(Debug, Args)]
pub struct List {
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
    give(&match list.format {
        Format::Text => text(&plans),
        Format::Json => json(&plans),
    })?;
    Ok(0)
}

fn text(plans: &[Plan]) -> String {
    let width = plans.iter().map(|plan| plan.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for plan in plans {
        let _ = writeln!(out, "{:width$}  {}", plan.name, plan.summary);
        let _ = writeln!(out, "{:width$}  {}", "", size(plan));
    }
    out
}

fn size(plan: &Plan) -> String {
    let scenario = &plan.cases[0].scenario;
    let variants: Vec<&str> = plan.variants().collect();
    let counted =
        |count: u32, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let mut size = format!(
        "{}, {} simulated, {}",
        counted(scenario.hosts(), "node"),
        show_time(scenario.end_ns() as i64),
        counted(plan.seeds, "seed"),
    );
    if variants.len() > 1 {
        let _ = write!(size, ", variants {}", variants.join(" and "));
    }
    size
}

fn json(plans: &[Plan]) -> String {
    let list: Vec<serde_json::Value> = plans
        .iter()
        .map(|plan| {
            serde_json::json!({
                "name": plan.name,
                "summary": plan.summary,
                "seeds": plan.seeds,
                "hosts": plan.cases[0].scenario.hosts(),
                "simulated_s": plan.cases[0].scenario.end_ns() as f64 / 1e9,
                "variants": plan.variants().collect::<Vec<_>>(),
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(list))
}
