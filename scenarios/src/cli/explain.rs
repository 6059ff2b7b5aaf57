//! `orrery explain`: the format, its fields, metrics and profiles.

use std::fmt::Write as _;

use super::arguments::Explain;
use super::{CliError, give};
use crate::format::problem::{quoted, suggestion};
use crate::format::{fields, node_settings};
use crate::{metrics, profiles};

/// Explains a topic, or how a scenario is written.
pub fn run(explain: &Explain) -> Result<u8, CliError> {
    let text = match explain.topic.as_deref() {
        None => overview(),
        Some("metrics") => metrics::explain(),
        Some("profiles") => profiles::explain(),
        Some("schema") => fields::schema_text(),
        Some("access-schema") => profiles::access::schema_text(),
        Some("node") => node_settings::explain(),
        Some(topic) => topic_text(topic)?,
    };
    give(&text)?;
    Ok(0)
}

fn topic_text(topic: &str) -> Result<String, CliError> {
    if let Some(metric) = metrics::find(topic) {
        return Ok(metrics::describe(metric));
    }
    fields::explain(topic).ok_or_else(|| {
        let fields = fields::all();
        let mut names: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
        names.extend(metrics::METRICS.iter().map(|metric| metric.name));
        names.extend(["metrics", "profiles", "schema", "access-schema", "node"]);
        CliError::Input(format!(
            "there is no field, metric or topic {}; {}",
            quoted(topic),
            suggestion(topic, names.iter().copied())
        ))
    })
}

fn overview() -> String {
    let mut out = String::from(INTRODUCTION);
    for field in fields::all() {
        let depth = field.path.matches('.').count();
        if depth > 1 {
            continue;
        }
        let ends = [". ", "; ", ": ", ", such as "].map(|mark| field.meaning.find(mark));
        let first = &field.meaning[..ends
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(field.meaning.len())];
        let first = first.trim_end_matches('.');
        let need = if field.required { " (required)" } else { "" };
        let name = field.path.rsplit('.').next().unwrap_or_default();
        let _ = writeln!(
            out,
            "{:indent$}{name}{need}: {first}",
            "",
            indent = 2 + depth * 2
        );
    }
    out.push_str(CLOSING);
    out
}

const INTRODUCTION: &str = "\
A scenario is one TOML file: groups of hosts, what people do on them, what goes wrong, and what
must hold. The shortest one that does something:

  name     = \"my/first\"
  duration = \"5m\"

  [network]
  delays = \"aws-21\"

  [[group]]
  name    = \"home\"
  count   = 10
  friends = { graph = \"ring\" }
  regions = { eu-central-1 = 0.5, us-east-1 = 0.5 }

  [[workload]]
  kind = \"post\"
  from = \"home\"
  rate = \"30/h\"

  [expect]
  \"feed.missed_forever\" = \"== 0\"

Times are written 20m or 1.5s, rates 30/h, link rates 20Mbit/s, sizes 64KiB, shares 0.2 or 20%.
Drawn amounts are uniform(a, b), normal(mean, deviation) and exponential(mean).

Fields:
";

const CLOSING: &str = "
orrery explain <field> tells more, such as: orrery explain group.friends
orrery explain metrics | profiles | node | schema | access-schema
";
