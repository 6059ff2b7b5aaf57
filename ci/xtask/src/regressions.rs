//! Small scenarios that once gave a wrong answer, each with the right one.
//!
//! Every scenario in `scenarios/regressions/` is played from outside, as a user would. It states
//! its right values in `[expect]`; the run must end with exit code 0. Where another end is the
//! right one, comments at the top of the file say so: `# exit: 3`, and `# says: TEXT` for what
//! must stand in the output. Delay profiles and the like may lie beside the scenarios.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::orrery::{Orrery, Profile};
use crate::workspace::{Workspace, as_typed};

/// Which of them to play.
#[derive(Args, Default)]
pub struct Options {
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// How a run has to end.
#[derive(Debug, PartialEq, Eq)]
struct Right {
    exit: i32,
    says: Vec<String>,
}

/// Lines of output that are shown of a run that ended wrongly.
const SHOWN_LINES: usize = 30;

/// Plays all of them and tells each that ends otherwise than it should.
///
/// # Errors
/// When one does, or there is none to play.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let folder = workspace.root.join("scenarios/regressions");
    let mut chosen = scenarios(&folder)?;
    if let Some(text) = &options.only {
        chosen.retain(|(path, _)| path.to_string_lossy().contains(text));
    }
    if chosen.is_empty() {
        bail!("no scenario to play in {}", folder.display());
    }
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let scratch = workspace.scratch("regressions")?;
    let mut wrong = 0;
    for (path, right) in &chosen {
        let name = path.file_stem().unwrap_or_default();
        let mut command = orrery.command();
        command.arg("run").arg(path).arg("--out");
        command.arg(scratch.join(name)).current_dir(&workspace.root);
        let typed = as_typed(&command);
        let output = command
            .output()
            .with_context(|| format!("cannot run `{typed}`"))?;
        match judge(right, &output) {
            None => println!("{}: right", name.display()),
            Some(why) => {
                wrong += 1;
                println!("{}: {why}\n  {typed}", name.display());
            }
        }
    }
    if wrong > 0 {
        bail!("{wrong} of {} regressions came back", chosen.len());
    }
    Ok(())
}

/// The scenarios of a folder, sorted, and how each has to end. A profile beside them is told by
/// its lack of a `duration`.
fn scenarios(folder: &Path) -> Result<Vec<(PathBuf, Right)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let has_duration = |line: &str| line.trim_start().starts_with("duration");
        if text.lines().any(has_duration) {
            let right = right(&text).with_context(|| format!("{}", path.display()))?;
            found.push((path, right));
        }
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// How a scenario has to end, by the comments at its top.
fn right(text: &str) -> Result<Right> {
    let mut right = Right {
        exit: 0,
        says: Vec::new(),
    };
    let comments = text.lines().map_while(|line| line.strip_prefix('#'));
    for comment in comments {
        if let Some(code) = comment.trim().strip_prefix("exit:") {
            right.exit = code.trim().parse().context("`# exit:` wants a number")?;
        } else if let Some(says) = comment.trim().strip_prefix("says:") {
            right.says.push(says.trim().to_owned());
        }
    }
    Ok(right)
}

/// What is wrong with how a run ended; `None` if nothing is.
fn judge(right: &Right, output: &Output) -> Option<String> {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n  ");
    if output.status.code() != Some(right.exit) {
        let status = output.status;
        return Some(format!("{status} instead of {}:\n  {shown}", right.exit));
    }
    let missing = right.says.iter().find(|text| !said.contains(*text))?;
    Some(format!("does not say \"{missing}\":\n  {shown}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn output(script: &str) -> Output {
        Command::new("sh").args(["-c", script]).output().unwrap()
    }

    #[test]
    fn comments_at_the_top_say_how_a_run_ends() {
        let text = "# exit: 3\n# says: had no effect\n# A host is off.\nname = \"t\"\n# exit: 4\n";
        let expected = Right {
            exit: 3,
            says: vec!["had no effect".to_owned()],
        };
        assert_eq!(right(text).unwrap(), expected);
        assert_eq!(right("name = \"t\"\n").unwrap().exit, 0);
        assert!(right("# exit: never\n").is_err());
    }

    #[test]
    fn another_exit_code_and_a_missing_text_are_wrong() {
        let right = Right {
            exit: 3,
            says: vec!["no effect".to_owned()],
        };
        assert_eq!(
            judge(&right, &output("echo had no effect >&2; exit 3")),
            None
        );
        let wrong = judge(&right, &output("echo had no effect; exit 0")).unwrap();
        assert!(wrong.contains("instead of 3"), "{wrong}");
        let wrong = judge(&right, &output("echo fine; exit 3")).unwrap();
        assert!(wrong.contains("does not say"), "{wrong}");
    }

    #[test]
    fn profiles_beside_scenarios_are_not_played() {
        let folder = std::env::temp_dir().join(format!("regressions-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.toml"), "name = 'a'\nduration = '1s'\n").unwrap();
        std::fs::write(folder.join("p.toml"), "name = 'p'\nsource = 'chosen'\n").unwrap();
        let found = scenarios(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].0.ends_with("a.toml"));
    }
}
