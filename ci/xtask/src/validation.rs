//! The simulator against exact, analytic and measured figures, and the proof that
//! each of these comparisons can fail.
//!
//! The rows are computed by the product (`orrery validation --format json`, one
//! JSON object a line). Here they are demanded, printed as one table, and broken on
//! purpose: under each mutation that a row names, that row must no longer hold.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::orrery::{Orrery, Profile};
use crate::side_by_side;
use crate::table::Table;
use crate::workspace::{Workspace, as_typed};

/// Rows that may not be missing.
const REQUIRED: &[&str] = &[
    "V1", "turmoil", "V23", "V24", "V25", "V26", "V27", "fairness", "V36", "V37", "V38", "V41",
    "V42",
];

/// One comparison.
#[derive(Deserialize, Debug)]
struct Row {
    id: String,
    what: String,
    expected: Value,
    measured: Value,
    tolerance: Value,
    source: String,
    held: bool,
    /// Names of mutations of the model under which the row fails.
    #[serde(default)]
    mutation: Mutations,
}

#[derive(Deserialize, Debug, Default)]
#[serde(untagged)]
enum Mutations {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Row {
    fn mutations(&self) -> &[String] {
        match &self.mutation {
            Mutations::None => &[],
            Mutations::One(name) => std::slice::from_ref(name),
            Mutations::Many(names) => names,
        }
    }
}

/// What one call of the suite said.
struct Outcome {
    rows: Vec<Row>,
    succeeded: bool,
    stderr: String,
}

/// Runs the suite and prints its table.
///
/// # Errors
/// When a row is missing or does not hold.
pub fn run(workspace: &Workspace) -> Result<()> {
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let outcome = suite(&orrery, None)?;
    let mut table = Table::new([
        "id",
        "what",
        "expected",
        "measured",
        "tolerance",
        "source",
        "held",
    ]);
    for row in &outcome.rows {
        table.row([
            row.id.clone(),
            row.what.clone(),
            cell(&row.expected),
            cell(&row.measured),
            cell(&row.tolerance),
            row.source.clone(),
            if row.held { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    println!("{table}");
    let findings = judge(&outcome);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("the validation suite does not hold");
    }
    Ok(())
}

/// Runs the suite under each mutation that its rows name.
///
/// # Errors
/// When a row names no mutation, or survives one.
pub fn mutants(workspace: &Workspace) -> Result<()> {
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let plain = suite(&orrery, None)?;
    if plain.rows.is_empty() {
        bail!("the validation suite has no rows: {}", plain.stderr.trim());
    }
    let named: BTreeSet<&String> = plain.rows.iter().flat_map(Row::mutations).collect();
    let named: Vec<&String> = named.into_iter().collect();
    let outcomes = side_by_side::map(&named, |mutation| suite(&orrery, Some(mutation)))?;
    let outcomes: BTreeMap<&String, Outcome> = named.into_iter().zip(outcomes).collect();
    let mut table = Table::new(["mutation", "row", "failed as it must"]);
    let mut survivors = 0;
    for row in &plain.rows {
        if row.mutations().is_empty() {
            survivors += 1;
            table.row(["none named".to_owned(), row.id.clone(), "NO".to_owned()]);
        }
        for mutation in row.mutations() {
            let caught = is_caught(&outcomes[mutation], &row.id);
            survivors += usize::from(!caught);
            let caught = if caught { "yes" } else { "NO" };
            table.row([mutation.clone(), row.id.clone(), caught.to_owned()]);
        }
    }
    println!("{table}");
    if survivors > 0 {
        bail!("{survivors} rows would not notice that their model broke");
    }
    Ok(())
}

fn suite(orrery: &Orrery, mutation: Option<&str>) -> Result<Outcome> {
    let mut command = orrery.command();
    command.args(["validation", "--format", "json"]);
    if let Some(mutation) = mutation {
        command.args(["--mutation", mutation]);
    }
    let typed = as_typed(&command);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{typed}`"))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !matches!(output.status.code(), Some(0 | 1)) {
        bail!("`{typed}` ended with {}:\n{}", output.status, stderr.trim());
    }
    let rows = parse(&String::from_utf8_lossy(&output.stdout)).with_context(|| typed)?;
    Ok(Outcome {
        rows,
        succeeded: output.status.success(),
        stderr,
    })
}

fn parse(text: &str) -> Result<Vec<Row>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).with_context(|| format!("in the row {line}")))
        .collect()
}

fn judge(outcome: &Outcome) -> Vec<String> {
    let mut findings = Vec::new();
    for id in REQUIRED {
        if !outcome.rows.iter().any(|row| row.id == *id) {
            findings.push(format!("{id} is missing"));
        }
    }
    let failed = outcome.rows.iter().filter(|row| !row.held);
    findings.extend(failed.map(|row| format!("{}: {} does not hold", row.id, row.what)));
    if findings.is_empty() && !outcome.succeeded {
        findings.push(format!(
            "all rows hold, but the suite failed: {}",
            outcome.stderr.trim()
        ));
    }
    findings
}

/// Whether a mutated suite failed by the row that is meant to fail. Another
/// row's failure, or a crash, is no evidence.
fn is_caught(outcome: &Outcome, id: &str) -> bool {
    !outcome.succeeded && outcome.rows.iter().any(|row| row.id == id && !row.held)
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(rows: &[(&str, bool)], succeeded: bool) -> Outcome {
        let lines: Vec<String> = rows
            .iter()
            .map(|(id, held)| {
                format!(
                    "{{\"id\":\"{id}\",\"what\":\"w\",\"expected\":1.5,\"measured\":\"2 ms\",\
                     \"tolerance\":\"exact\",\"source\":\"s\",\"held\":{held},\"mutation\":\"m\"}}"
                )
            })
            .collect();
        Outcome {
            rows: parse(&lines.join("\n")).unwrap(),
            succeeded,
            stderr: "said".to_owned(),
        }
    }

    fn all(held: bool) -> Vec<(&'static str, bool)> {
        REQUIRED.iter().map(|id| (*id, held)).collect()
    }

    #[test]
    fn missing_failed_and_contradictory_suites_fire() {
        assert_eq!(judge(&outcome(&all(true), true)), [""; 0]);
        assert_eq!(judge(&outcome(&all(true)[1..], true)), ["V1 is missing"]);
        assert_eq!(judge(&outcome(&all(false), false)).len(), REQUIRED.len());
        assert!(judge(&outcome(&all(true), false))[0].contains("said"));
    }

    #[test]
    fn only_the_named_row_failing_counts_as_caught() {
        let table = [
            (&[("V1", false), ("V23", true)][..], false, true),
            (&[("V1", false)][..], true, false),
            (&[("V1", true), ("V23", false)][..], false, false),
            (&[][..], false, false),
        ];
        for (rows, succeeded, caught) in table {
            assert_eq!(
                is_caught(&outcome(rows, succeeded), "V1"),
                caught,
                "{rows:?}"
            );
        }
    }

    #[test]
    fn mutations_are_one_name_or_several() {
        let rows = outcome(&[("V1", true)], true).rows;
        assert_eq!(rows[0].mutations(), ["m"]);
        let row: Row = serde_json::from_str(
            r#"{"id":"V1","what":"","expected":1,"measured":1,"tolerance":0,"source":"",
                "held":true,"mutation":["a","b"]}"#,
        )
        .unwrap();
        assert_eq!(row.mutations(), ["a", "b"]);
        assert!(parse("nonsense\n").is_err());
    }
}
