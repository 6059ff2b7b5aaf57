//! `orrery explain`: the format, its fields, metrics and profiles.

use std::fmt::Write as _;

use clap::Args;

use super::{CliError, give};
use crate::format::documentation;
use crate::format::reading::problem::{quoted, suggestion};
use crate::format::scenario::{node_settings, program};
use crate::{metrics, profiles};

/// `orrery explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery explain                    how a scenario is written
  orrery explain group.friends      a field and what is below it
  orrery explain metrics            all metrics with their units
  orrery explain feed.missed_forever
  orrery explain profiles           delay and access profiles with their sources
  orrery explain schema             the JSON Schema, for an editor
  orrery explain access-schema      the one of access profiles")]
pub struct Explain {
    /// A field, a metric, `metrics`, `profiles` or `schema`
    pub topic: Option<String>,
}

/// Explains a topic, or how a scenario is written.
pub fn run(explain: &Explain) -> Result<u8, CliError> {
    let text = match explain.topic.as_deref() {
        None => overview(),
        Some("metrics") => metrics::explain(),
        Some("profiles") => profiles::explain(),
        Some("schema") => documentation::schema_text(),
        Some("access-schema") => profiles::access::schema_text(),
        Some("node") => node_settings::explain(),
        Some("grid") => grid(),
        Some("hostile") => program::explain(),
        Some(topic) => topic_text(topic)?,
    };
    give(&text)?;
    Ok(0)
}

fn topic_text(topic: &str) -> Result<String, CliError> {
    if let Some(metric) = metrics::find(topic) {
        return Ok(metrics::describe(metric));
    }
    documentation::explain(topic).ok_or_else(|| {
        let fields = documentation::all();
        let mut names: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
        names.extend(metrics::METRICS.iter().map(|metric| metric.name));
        names.extend([
            "metrics",
            "profiles",
            "schema",
            "access-schema",
            "node",
            "grid",
            "hostile",
        ]);
        CliError::Input(format!(
            "there is no field, metric or topic {}; {}",
            quoted(topic),
            suggestion(topic, names.iter().copied())
        ))
    })
}

/// What a grid is, with a scenario that has one.
fn grid() -> String {
    let mut out = String::from(GRID_INTRODUCTION);
    for line in GRID_EXAMPLE.lines() {
        let _ = writeln!(out, "{}", format!("  {line}").trim_end());
    }
    out.push_str(GRID_EXPECTATIONS);
    for line in MATRIX_EXAMPLE.lines() {
        let _ = writeln!(out, "  {line}");
    }
    out.push_str(GRID_CLOSING);
    out.push_str(&documentation::explain("grid").unwrap_or_default());
    out
}

fn overview() -> String {
    let mut out = String::from(INTRODUCTION);
    for field in documentation::all() {
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
orrery explain metrics | profiles | grid | hostile | node | schema | access-schema
";

const GRID_INTRODUCTION: &str = "\
A grid plays a scenario once for every combination of some values: its cells. Each line of [grid]
is a dimension. Its key is a label of your choice; \"set\" names one path or several, as in
a variant's \"set\"; \"to\" lists the values that go there, and every cell is played with all
seeds. This one has 2 x 3 = 6 cells:

";

/// A whole scenario, so that it can be tried.
const GRID_EXAMPLE: &str = include_str!("grid.toml");

const GRID_EXPECTATIONS: &str = "
Labels become labels of all metrics: flow.completion{delay=50ms,loss=1%}. So an expectation speaks
  of all cells           if it names no label of the grid,
  of a row or a column   if it names some, such as {loss=0%},
  of one cell            if it names all of them.
It has to hold in each cell of which it speaks, in every seed. What differs from cell to cell can be
written as a matrix of marks, the last dimension across:

";

/// Goes on where the example ends.
const MATRIX_EXAMPLE: &str = "\
[expect.\"flow.completion.p50\"]
marks   = { fast = \"< 1s\", slow = \"> 500ms\" }
columns = [\"0%\", \"0.1%\", \"1%\"]
rows    = { 10ms = \"fast fast fast\", 50ms = \"fast fast slow\" }
";

const GRID_CLOSING: &str = "
Reports draw a matrix for each figure that expectations name, and for others that the
workloads produce: the last dimension across, the one before it downwards, and a panel for each
combination of the rest. A cell shows the mean over seeds and its interval, and \u{2713} or
\u{2717} where the file expects something of it. A metric with two labels of its own, such as
from and to, is drawn so without any grid. A grid has at most 100 cells; variants meet each
other cell by cell.

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn the_example_of_a_grid_is_sound() {
        let plan = read("grid.toml", GRID_EXAMPLE, None, &[])
            .unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(plan.cases.len(), 6);
        let labels: Vec<&str> = plan.grid.iter().map(|d| d.label.as_str()).collect();
        assert_eq!(labels, ["delay", "loss"]);
        // An expectation of all cells, one of a column and one of a cell.
        let concerned = |place: usize| {
            let expectation = &plan.expectations[place];
            let cases = plan.cases.iter();
            cases
                .filter(|case| expectation.concerns(&case.name, &case.cell))
                .count()
        };
        assert_eq!([0, 1, 2].map(concerned), [6, 2, 1]);
        let text = format!("{GRID_EXAMPLE}{MATRIX_EXAMPLE}");
        let plan =
            read("grid.toml", &text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(plan.expectations.len(), 9);
        let text = grid();
        assert!(text.contains("\n  [grid]\n") && text.contains("2 x 3 = 6 cells"));
        assert!(
            text.lines().all(|line| line.chars().count() <= 110),
            "{text}"
        );
    }
}
