//! Small runs of the catalog against their committed results.
//!
//! `ci/goldens.toml` lists every scenario of the catalog with the settings that cut
//! it down to seconds; `scenarios/goldens/<scenario>.txt` holds what came out with
//! seed 1. `--update` writes them anew, and the difference is reviewed as code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::orrery::{self, Experiment, Orrery, Profile};
use crate::workspace::Workspace;

/// What to do with differences.
#[derive(Args, Default)]
pub struct Options {
    /// Write the results found as the new goldens
    #[arg(long)]
    update: bool,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// `ci/goldens.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Every scenario of the catalog.
    #[serde(rename = "golden")]
    pub goldens: Vec<Experiment>,
}

const SEED: &str = "1";

/// At most this many differing lines are shown a scenario.
const SHOWN_LINES: usize = 40;

/// Reads `ci/goldens.toml`.
///
/// # Errors
/// When it is not there or not sound.
pub fn plan(workspace: &Workspace) -> Result<Plan> {
    let text = std::fs::read_to_string(workspace.root.join("ci/goldens.toml"))
        .context("ci/goldens.toml")?;
    toml::from_str(&text).context("ci/goldens.toml")
}

/// Runs the plan and compares.
///
/// # Errors
/// When a run fails, a result differs, or plan, catalog and goldens do not match.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let plan = plan(workspace)?;
    let folder = workspace.root.join("scenarios/goldens");
    let planned: BTreeSet<String> = plan
        .goldens
        .iter()
        .map(|golden| golden.scenario.clone())
        .collect();
    let catalog = names(&workspace.root.join("scenarios/catalog"), "toml")?;
    let mut findings = gaps(&planned, &catalog, &names(&folder, "txt")?, options.update);
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let scratch = workspace.scratch("goldens")?;
    let chosen = plan.goldens.iter().filter(|golden| {
        options
            .only
            .as_ref()
            .is_none_or(|text| golden.scenario.contains(text))
    });
    for golden in chosen {
        let mut command = orrery.run(golden);
        command.args(["--seed", SEED]).current_dir(&workspace.root);
        let record = orrery::finish(&mut command, &scratch.join(&golden.scenario))?;
        let found = heading(golden) + &record.stable_text();
        let file = folder.join(format!("{}.txt", golden.scenario));
        if options.update {
            write(&file, &found)?;
            println!("{}: written", golden.scenario);
            continue;
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        match difference(&expected, &found) {
            None => println!("{}: as committed", golden.scenario),
            Some(difference) => {
                findings.push(format!(
                    "{} differs (- committed, + found):\n{difference}",
                    golden.scenario
                ));
            }
        }
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "{} goldens differ; if that is meant: cargo xtask goldens --update",
            findings.len()
        );
    }
    Ok(())
}

fn heading(golden: &Experiment) -> String {
    let mut set = String::new();
    for setting in &golden.set {
        set.push_str(" --set '");
        set.push_str(setting);
        set.push('\'');
    }
    format!("# orrery run {} --seed {SEED}{set}\n", golden.scenario)
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("{}", file.display()))
}

/// Paths of the files below `folder` that end in `.extension`, without the ending.
fn names(folder: &Path, extension: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
    while let Some(inner) = folders.pop() {
        if !inner.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&inner).with_context(|| format!("{}", inner.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let name = path.with_extension("");
                let name = name.strip_prefix(folder).unwrap_or(&name);
                names.insert(name.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(names)
}

/// What the plan, the catalog and the committed goldens lack of each other.
fn gaps(
    planned: &BTreeSet<String>,
    catalog: &BTreeSet<String>,
    committed: &BTreeSet<String>,
    updating: bool,
) -> Vec<String> {
    let mut findings = Vec::new();
    let mut lacking = |a: &BTreeSet<String>, b: &BTreeSet<String>, says: &str| {
        findings.extend(a.difference(b).map(|name| format!("{name} {says}")));
    };
    lacking(
        catalog,
        planned,
        "is in the catalog, but not in ci/goldens.toml",
    );
    lacking(
        planned,
        catalog,
        "is in ci/goldens.toml, but not in the catalog",
    );
    lacking(
        committed,
        planned,
        "is in scenarios/goldens, but not in ci/goldens.toml",
    );
    if !updating {
        lacking(planned, committed, "has no golden yet");
    }
    findings
}

/// Lines that only one text has, or nothing if the texts are equal.
fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let before: BTreeSet<&str> = expected.lines().collect();
    let after: BTreeSet<&str> = found.lines().collect();
    let gone = expected
        .lines()
        .filter(|line| !after.contains(line))
        .map(|line| format!("- {line}"));
    let new = found
        .lines()
        .filter(|line| !before.contains(line))
        .map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = gone.chain(new).collect();
    if lines.is_empty() {
        lines.push("the same lines in another order or number".to_owned());
    }
    if lines.len() > SHOWN_LINES {
        let left = lines.len() - SHOWN_LINES;
        lines.truncate(SHOWN_LINES);
        lines.push(format!("… and {left} more lines"));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_gap_between_plan_catalog_and_goldens_fires() {
        assert_eq!(
            gaps(&set(&["a"]), &set(&["a"]), &set(&["a"]), false),
            [""; 0]
        );
        let table = [
            (set(&[]), set(&["a"]), set(&[]), "not in ci/goldens.toml"),
            (set(&["a"]), set(&[]), set(&["a"]), "not in the catalog"),
            (
                set(&["a"]),
                set(&["a"]),
                set(&["a", "b"]),
                "b is in scenarios/goldens",
            ),
            (set(&["a"]), set(&["a"]), set(&[]), "no golden yet"),
        ];
        for (planned, catalog, committed, says) in table {
            let findings = gaps(&planned, &catalog, &committed, false);
            assert!(
                findings.len() == 1 && findings[0].contains(says),
                "{findings:?}"
            );
        }
        assert_eq!(gaps(&set(&["a"]), &set(&["a"]), &set(&[]), true), [""; 0]);
    }

    #[test]
    fn differences_show_both_sides_and_are_bounded() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n").unwrap(), "- b\n+ c");
        assert!(
            difference("a\nb\n", "b\na\n")
                .unwrap()
                .contains("another order")
        );
        let long = (0..100)
            .map(|line| line.to_string())
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            difference("", &long)
                .unwrap()
                .ends_with("and 60 more lines")
        );
    }
}
