//! Runs the program `orrery` as a user would, and reads what it leaves.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run_record::{RunRecord, SCHEMA};
use crate::workspace::{Workspace, as_typed, run};

/// The built program.
pub struct Orrery {
    executable: PathBuf,
}

/// How it is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// With assertions and without much optimisation.
    Debug,
    /// As `cargo run --release` builds it: sooner there than `dist`, and its runs in CI are short.
    Release,
}

/// A scenario and how it is cut down to seconds.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name in the catalog.
    pub scenario: String,
    /// Settings, `path=value`.
    #[serde(default)]
    pub set: Vec<String>,
}

impl Orrery {
    /// Builds it.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(workspace: &Workspace, profile: Profile) -> Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--quiet", "--locked", "--bin", "orrery"]);
        let folder = match profile {
            // With the features of the whole workspace, so that tests have built its crates already.
            Profile::Debug => {
                cargo.arg("--workspace");
                "debug"
            }
            // As users build it.
            Profile::Release => {
                cargo.args(["--release", "--package", "orrery-scenarios"]);
                "release"
            }
        };
        run(&mut cargo)?;
        let name = format!("orrery{}", std::env::consts::EXE_SUFFIX);
        Ok(Self {
            executable: workspace.target.join(folder).join(name),
        })
    }

    /// A command on the program.
    pub fn command(&self) -> Command {
        Command::new(&self.executable)
    }

    /// `orrery run` of `experiment`, without output folder.
    pub fn run(&self, experiment: &Experiment) -> Command {
        let mut command = self.command();
        command.arg("run").arg(&experiment.scenario);
        for setting in &experiment.set {
            command.args(["--set", setting]);
        }
        command
    }
}

/// Finishes `command` (an `orrery run`) and reads the record that it writes to
/// `out`. Exit code 1 passes: cut down to seconds, a scenario need not fulfil its
/// expectations, and what became of them is in the record.
///
/// # Errors
/// When the run fails otherwise, with what it said, or leaves no readable record.
pub fn finish(command: &mut Command, out: &Path) -> Result<RunRecord> {
    command.arg("--out").arg(out);
    let typed = as_typed(command);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{typed}`"))?;
    if !matches!(output.status.code(), Some(0 | 1)) {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{typed}` ended with {}:\n{}",
            output.status,
            tail(&said, 20)
        );
    }
    let file = out.join("result.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("`{typed}` left no {}", file.display()))?;
    let record: RunRecord =
        serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
    if record.schema != SCHEMA {
        bail!(
            "{}: schema {}, but this check reads {SCHEMA}",
            file.display(),
            record.schema
        );
    }
    if let Some(failure) = record.failure() {
        bail!("`{typed}`: {failure}");
    }
    Ok(record)
}

/// The last `lines` lines of `text`.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "fake"]);
        command
    }

    #[test]
    fn a_run_that_breaks_an_invariant_or_writes_nothing_is_an_error() {
        let nowhere = Path::new("no-such-folder");
        let error = finish(&mut fake("echo the reason >&2; exit 3"), nowhere)
            .err()
            .unwrap();
        assert!(error.to_string().contains("the reason"), "{error}");
        let error = finish(&mut fake("exit 0"), nowhere).err().unwrap();
        assert!(error.to_string().contains("left no"), "{error}");
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        assert_eq!(tail("a\nb\nc", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
