//! `orrery explain`: the format, its fields, metrics, profiles and settings of the node.
//!
//! Owns which of them a word means, and what is told of the format as a whole. What each thing is,
//! its own file knows.

use std::fmt::Write as _;

use clap::Args;

use super::{CliError, give};
use crate::format::documentation;
use crate::format::reading::problem::{quoted, suggestion};
use crate::format::scenario::node_settings;
use crate::program::hostile;
use crate::text::{WIDTH, wrap};
use crate::{metrics, profiles};

/// `orrery explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery explain                    how a scenario is written
  orrery explain group.friends      a field and what is below it
  orrery explain metrics            all metrics with their units
  orrery explain feed.delivery.latency.p99
  orrery explain profiles           delay and access profiles with their sources
  orrery explain dsl                one profile: rates, delays, losses, source
  orrery explain sync.strategy      a setting of the node
  orrery explain random-regular     a value of a choice
  orrery explain schema             the JSON Schema, for an editor
  orrery explain access-schema      the one of access profiles")]
pub struct Explain {
    /// A field, a value of a field, a metric, a profile, a setting of the node, or one of
    /// `metrics`, `profiles`, `node`, `grid`, `hostile`, `schema` and `access-schema`
    pub topic: Option<String>,
}

/// What is told as a whole.
const WHOLES: [&str; 7] = [
    "metrics",
    "profiles",
    "schema",
    "access-schema",
    "node",
    "grid",
    "hostile",
];

/// Explains a topic, or how a scenario is written.
pub fn run(explain: &Explain) -> Result<u8, CliError> {
    let text = match explain.topic.as_deref() {
        None => overview(),
        Some("metrics") => metrics::explain(),
        Some("profiles") => profiles::explain::all(),
        Some("schema") => documentation::schema_text(),
        Some("access-schema") => profiles::access::schema_text(),
        Some("node") => node_settings::explain(),
        Some("grid") => grid(),
        Some("hostile") => hostile::explain(),
        Some(topic) => topic_text(topic)?,
    };
    give(&text)?;
    Ok(0)
}

/// All that a word means.
fn topic_text(topic: &str) -> Result<String, CliError> {
    let meanings = [
        metrics::explain_one(topic),
        documentation::explain(topic).map(|text| text + &below(topic)),
        profiles::explain::one(topic),
        node_settings::explain_one(topic),
        documentation::explain_value(topic),
        node_settings::explain_value(topic),
    ];
    let known: Vec<String> = meanings.into_iter().flatten().collect();
    if !known.is_empty() {
        return Ok(known.join("\n"));
    }
    if let Some(text) = documentation::mentions(topic) {
        return Ok(text);
    }
    let fields = documentation::all().into_iter().map(|field| field.path);
    let metrics = metrics::METRICS.iter().map(|metric| metric.name);
    let named = metrics.chain(profiles::explain::names()).chain(WHOLES);
    let names: Vec<String> = fields
        .chain(named.map(str::to_owned))
        .chain(node_settings::paths())
        .collect();
    Err(CliError::Input(format!(
        "there is no field, value, metric, profile, setting or topic {}; {}",
        quoted(topic),
        suggestion(topic, names.iter().map(String::as_str))
    )))
}

/// What lies below a field whose value is a profile.
fn below(topic: &str) -> String {
    match topic {
        "group.access" | "access" => format!("\n{}", profiles::explain::own_access()),
        "group.nat" | "nat" => format!("\n{}", profiles::explain::own_nat()),
        _ => String::new(),
    }
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
    let mut out = format!("{INTRODUCTION}{FIRST_INTRODUCTION}");
    for line in FIRST_EXAMPLE.lines() {
        let _ = writeln!(out, "{}", format!("  {line}").trim_end());
    }
    out.push_str(UNITS);
    for field in documentation::all() {
        let depth = field.path.matches('.').count();
        if depth > 1 {
            continue;
        }
        let first = summary(&field.meaning);
        let need = if field.required { " (required)" } else { "" };
        let name = field.path.rsplit('.').next().unwrap_or_default();
        let indent = 2 + depth * 2;
        let text = format!("{name}{need}: {first}");
        for (place, line) in wrap(&text, WIDTH - indent - 4).iter().enumerate() {
            let indent = if place == 0 { indent } else { indent + 4 };
            let _ = writeln!(out, "{:indent$}{line}", "");
        }
    }
    out.push_str(CLOSING);
    out
}

/// Marks of the end of a meaning's first part.
const ENDS: [&str; 4] = [". ", "; ", ": ", ", such as "];

/// Words that a summary has at least, where the meaning has as many.
const SUMMARY_WORDS_MIN: usize = 3;

/// The first part of a meaning that says something: a part as short as a name is followed by what
/// explains it.
fn summary(meaning: &str) -> &str {
    let ends = ENDS.iter().flat_map(|mark| meaning.match_indices(mark));
    let mut ends: Vec<usize> = ends.map(|(at, _)| at).collect();
    ends.sort_unstable();
    let parts = ends.into_iter().map(|end| &meaning[..end]);
    let mut telling = parts.filter(|part| part.split_whitespace().count() >= SUMMARY_WORDS_MIN);
    telling.next().unwrap_or(meaning).trim_end_matches('.')
}

const INTRODUCTION: &str = "\
A scenario is one TOML file: groups of hosts, what their people do, what goes
wrong, and what must hold. ";

const FIRST_INTRODUCTION: &str = "\
The shortest one that does something:

";

/// A whole scenario that holds.
const FIRST_EXAMPLE: &str = include_str!("first.toml");

const UNITS: &str = "
Times are written 20m or 1.5s, rates 30/h, link rates 20Mbit/s, sizes 64KiB,
shares 0.2 or 20%. Drawn amounts are uniform(a, b), normal(mean, deviation) and
exponential(mean).

Fields:
";

const CLOSING: &str = "
orrery explain <field> tells more, such as: orrery explain group.friends
orrery explain metrics, or profiles, grid, hostile, node, schema, access-schema
orrery show <name> prints a scenario of the catalog, to start from
";

const GRID_INTRODUCTION: &str = "\
A grid plays a scenario once for every combination of some values: its cells.
Each line of [grid] is a dimension. Its key is a label of your choice; \"set\"
names one path or several, as in a variant's \"set\"; \"to\" lists the values
that go there, and every cell is played with all seeds. This one has
2 x 3 = 6 cells:

";

/// A whole scenario, so that it can be tried.
const GRID_EXAMPLE: &str = include_str!("grid.toml");

const GRID_EXPECTATIONS: &str = "
Labels become labels of all metrics: flow.completion{delay=50ms,loss=1%}. So an
expectation speaks
  of all cells           if it names no label of the grid,
  of a row or a column   if it names some, such as {loss=0%},
  of one cell            if it names all of them.
It has to hold in each cell of which it speaks, in every seed. What differs from
cell to cell can be written as a matrix of marks, the last dimension across:

";

/// Goes on where the example ends.
const MATRIX_EXAMPLE: &str = "\
[expect.\"flow.completion.p50\"]
marks   = { fast = \"< 1s\", slow = \"> 500ms\" }
columns = [\"0%\", \"0.1%\", \"1%\"]
rows    = { 10ms = \"fast fast fast\", 50ms = \"fast fast slow\" }
";

const GRID_CLOSING: &str = "
The page draws a figure over a dimension of numbers as a line with intervals,
and over other dimensions as a matrix; the terminal prints matrices. In a matrix
the last dimension runs across, the one before it downwards, and each
combination of the rest has a panel. A cell shows the mean over seeds with its
interval, and \u{2713} or \u{2717} where the file expects something of it. A metric with
two labels of its own, such as from and to, is drawn as a matrix without any
grid. A grid has at most 100 cells; variants are compared cell by cell.

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
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
    }

    #[test]
    fn no_summary_is_shorter_than_three_words() {
        let short: Vec<String> = documentation::all()
            .into_iter()
            .filter(|field| summary(&field.meaning).split_whitespace().count() < SUMMARY_WORDS_MIN)
            .map(|field| format!("{}: {}", field.path, field.meaning))
            .collect();
        assert!(short.is_empty(), "{short:#?}");
        assert_eq!(
            summary("`wire`: real Noise and Yamux. Or `flow`."),
            "`wire`: real Noise and Yamux"
        );
        assert_eq!(
            summary("Its name: letters and digits."),
            "Its name: letters and digits"
        );
    }

    #[test]
    fn whatever_one_looks_up_is_told_in_80_columns() {
        let check = |topic: &str, expected: &str| {
            let text = topic_text(topic).unwrap_or_else(|error| panic!("{error}"));
            assert!(text.contains(expected), "{topic}: {text}");
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{topic}: {line}");
            }
        };
        check("group.friends", "group.friends.degree");
        check("group.access", "up.rate");
        check("access", "up.loss_bursts.r");
        check("group.nat", "nat.mapping");
        check("dsl", "source: ");
        check("aws-21", "21 regions");
        check("sync.strategy", "sync.strategy = \"cursor\"");
        check("node.sync.strategy", "sync.strategy = \"cursor\"");
        check("gossip", "gossip.max_message_bytes = ");
        check("feed.delivery.latency.p99", "p99: ");
        check("within", "share of its samples");
        check("random-regular", "group.friends.graph");
        check("new-reno", "congestion");
        check("cursor", "sync.strategy = \"cursor\"");
        check("lowest-rtt", "relay_client.");
        check("sync.strategy", "one of:");
        check("power-cut", "Hosts lose power");
        let text = overview();
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        let error = topic_text("group.cuont")
            .expect_err("there is none")
            .to_string();
        assert!(error.contains("did you mean \"group.count\"?"), "{error}");
    }
}
