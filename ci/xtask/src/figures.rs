//! What README and TUTORIAL show of results is what their commands give, byte for byte.
//!
//! Plays the README's first command, draws its charts with `orrery report --charts`, and compares the
//! pictures that the README shows; what it says in words of the result stands in `summary.md`. Plays
//! the tutorial's scenario: its tables are those that the run prints. The plots that the tutorial
//! teaches are the files in `scenarios/plots/`, and are drawn of that run where Python and R with their
//! libraries are there. Without them that part is left out, and says so where CI ends.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::orrery::{Orrery, Profile};
use crate::workspace::{Workspace, as_typed};

/// What to do about pictures that differ.
#[derive(Args, Default)]
pub struct Options {
    /// Write the pictures anew instead of comparing them
    #[arg(long)]
    update: bool,
}

/// The README's first command, after the program's name.
const COMMAND: &str = "run feed/skewed-clocks --seeds 6";

/// The chart that the README shows.
const CHART: &str = "feed-missed-forever-seed-by-seed";

/// Where its pictures lie, from the root.
const PICTURES: &str = "reports/example";

/// The tutorial's plots: the language of its block, the file, and what may run it: libraries that the
/// distribution installs are those of its own interpreter.
const PLOTS: [(&str, &str, &[&str]); 2] = [
    (
        "python",
        "scenarios/plots/facets.py",
        &["python3", "/usr/bin/python3"],
    ),
    ("r", "scenarios/plots/facets.R", &["Rscript"]),
];

/// Compares README and tutorial with what their commands give.
///
/// # Errors
/// When a run fails, or something that a page shows is not what came out.
pub fn run(workspace: &Workspace, options: &Options) -> Result<Vec<String>> {
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let scratch = workspace.scratch("figures")?;
    readme(workspace, &orrery, &scratch.join("readme"), options)?;
    tutorial(workspace, &orrery, &scratch.join("tutorial"), options)
}

fn readme(workspace: &Workspace, orrery: &Orrery, out: &Path, options: &Options) -> Result<()> {
    let file = workspace.root.join("README.md");
    let readme = read(&file)?;
    if !readme.contains(&format!("-- {COMMAND}\n")) {
        bail!("README.md: expected its first command to be `{COMMAND}`, which draws its picture");
    }
    let mut play = orrery.command();
    play.args(COMMAND.split(' ')).arg("--out").arg(out);
    finish(&mut play)?;
    let mut draw = orrery.command();
    finish(draw.arg("report").arg(out).arg("--charts"))?;
    for ending in [".svg", "-dark.svg"] {
        let drawn = out.join("charts").join(format!("{CHART}{ending}"));
        let shown = workspace
            .root
            .join(PICTURES)
            .join(format!("{CHART}{ending}"));
        if !readme.contains(&format!("{PICTURES}/{CHART}{ending}")) {
            bail!("README.md does not show {PICTURES}/{CHART}{ending}");
        }
        let drawn = read(&drawn)?;
        if options.update {
            std::fs::write(&shown, drawn)?;
        } else if read(&shown)? != drawn {
            bail!(
                "{} is not what `orrery {COMMAND}` draws: look at {}, and run `cargo xtask figures --update`",
                shown.display(),
                out.join("report.html").display()
            );
        }
    }
    let summary = plain(&read(&out.join("summary.md"))?);
    let answer = summary.lines().find_map(|line| line.strip_prefix("- "));
    let answer = format!("> {}", answer.context("summary.md has no answer in words")?);
    let shown = readme.lines().find(|line| line.starts_with("> "));
    let shown = shown.context("README.md: expected a line `> …` with the answer in words")?;
    if options.update {
        std::fs::write(&file, readme.replace(shown, &answer))?;
    } else if shown != answer {
        bail!("README.md: expected the answer as summary.md has it:\n{answer}");
    }
    println!("README.md shows what `orrery {COMMAND}` draws");
    Ok(())
}

fn tutorial(
    workspace: &Workspace,
    orrery: &Orrery,
    out: &Path,
    options: &Options,
) -> Result<Vec<String>> {
    let place = workspace.root.join("scenarios/TUTORIAL.md");
    let page = read(&place)?;
    let scenario = block(&page, "toml").context("TUTORIAL.md has no scenario")?;
    std::fs::create_dir_all(out)?;
    let file = out.join("pull.toml");
    std::fs::write(&file, scenario)?;
    let mut play = orrery.command();
    let output = finish(play.arg("run").arg(&file).arg("--out").arg(out.join("run")))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown = block(&page, "text").context("TUTORIAL.md shows no tables")?;
    let tables = tables(&printed).context("the tutorial's scenario prints no tables")?;
    if options.update {
        std::fs::write(&place, page.replace(&shown, &tables))?;
    } else if shown != tables {
        bail!("TUTORIAL.md: expected its tables as its scenario prints them:\n{tables}");
    }
    println!("TUTORIAL.md shows the tables that its scenario prints");
    let mut closing = Vec::new();
    for (language, name, interpreters) in PLOTS {
        let program = workspace.root.join(name);
        if block(&page, language).as_deref() != Some(&*read(&program)?) {
            bail!("TUTORIAL.md: expected its block of {language} to be {name}, letter for letter");
        }
        let picture = out.join(format!("{language}.png"));
        let table = out.join("run/metrics.csv");
        if !draw(interpreters, [&program, &table, &picture])? {
            closing.push(format!(
                "NOT CHECKED: {name} was not run, for its interpreter or its libraries are missing (apt-get \
                 install python3-pandas python3-matplotlib r-cran-ggplot2)"
            ));
        }
    }
    for line in &closing {
        println!("{line}");
    }
    Ok(closing)
}

/// Draws a plot with the first interpreter that can; whether one could.
fn draw(interpreters: &[&str], [program, table, picture]: [&Path; 3]) -> Result<bool> {
    for interpreter in interpreters {
        let mut command = Command::new(interpreter);
        command.args([program, table, picture]);
        command.env("MPLBACKEND", "Agg");
        match command.output() {
            Ok(output) if output.status.success() => return check_picture(picture).map(|()| true),
            Ok(output) if !lacks_library(&output) => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                bail!(
                    "`{}` ended with {}:\n{said}",
                    as_typed(&command),
                    output.status
                );
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(false)
}

/// Whether a plot failed for want of a library alone.
fn lacks_library(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    said.contains("ModuleNotFoundError") || said.contains("there is no package called")
}

fn check_picture(picture: &Path) -> Result<()> {
    let bytes = std::fs::read(picture).with_context(|| format!("{}", picture.display()))?;
    if !bytes.starts_with(b"\x89PNG") || bytes.len() < 5_000 {
        bail!(
            "{}: expected a picture with something in it",
            picture.display()
        );
    }
    println!("drawn: {}", picture.display());
    Ok(())
}

fn finish(command: &mut Command) -> Result<Output> {
    let typed = as_typed(command);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{typed}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{typed}` ended with {}:\n{said}", output.status);
    }
    Ok(output)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The first block of a language in a Markdown text.
fn block(text: &str, language: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\n```{language}\n"))?;
    let (block, _) = rest.split_once("```")?;
    Some(block.to_owned())
}

/// The tables that a run of a grid prints: what stands between its first lines and its expectations, as
/// far as the figures that it is about.
fn tables(printed: &str) -> Option<String> {
    let (_, rest) = printed.split_once("\n\n")?;
    let paragraphs: Vec<&str> = rest.split("\n\n").take(TABLES).collect();
    (paragraphs.len() == TABLES).then(|| paragraphs.join("\n\n") + "\n")
}

/// Tables that the tutorial shows, one for each figure of its `report`.
const TABLES: usize = 2;

/// Markdown without what escapes its signs.
fn plain(markdown: &str) -> String {
    markdown
        .replace('\\', "")
        .replace("&lt;", "<")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_first_of_its_language() {
        let text = "a\n```sh\nx\n```\n```r\none\ntwo\n```\n```r\nthree\n```\n";
        assert_eq!(block(text, "r").as_deref(), Some("one\ntwo\n"));
        assert_eq!(block(text, "python"), None);
    }

    #[test]
    fn tables_are_what_stands_after_the_first_lines() {
        let printed = "name\nengine\n\na, s\n1\n\nb, MB\n2\n\nexpectations\n";
        assert_eq!(tables(printed).as_deref(), Some("a, s\n1\n\nb, MB\n2\n"));
        assert_eq!(tables("name\n\na\n"), None);
        assert_eq!(plain("a\\_b &lt; 2"), "a_b < 2");
    }
}
