//! Reports in a real browser, as readers have them: on a phone, on a desktop, on paper.
//!
//! Plays small runs of the catalog and opens their pages in headless Chromium. At 390 and 1280
//! pixels nothing may be cut off, folded or not; every chart has words for who cannot see it and
//! can be saved, drawing and data; links lead somewhere; the console stays silent; and on paper
//! the page has few sheets. `probe.html` is what looks, from within the browser.
//!
//! Without a browser the check is left out, and says so where CI ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::goldens;
use crate::orrery::{self, Orrery, Profile};
use crate::side_by_side;
use crate::table::Table;
use crate::workspace::Workspace;

/// Reports that are looked at: a comparison, a grid, pairs of hosts, and losses.
const SCENARIOS: [&str; 5] = [
    "feed/skewed-clocks",
    "relay/crash",
    "link/loss-ladder",
    "nat/dcutr-quic",
    "link/bufferbloat",
];

/// Names of the browser, in the order in which they are tried.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Widths in CSS pixels: a phone and a desktop.
const WIDTHS: [u32; 2] = [390, 1280];

/// Sheets of a printed report, with what is folded left folded.
const SHEETS_MAX: usize = 4;

const SEEDS: &str = "2";

const PROBE: &str = include_str!("probe.html");

/// Plays the runs and looks at their pages.
///
/// # Errors
/// When a run fails, or something is wrong with a page.
pub fn run(workspace: &Workspace) -> Result<Vec<String>> {
    let Some(browser) = browser() else {
        let message = "NOT CHECKED: no Chromium found, so no report was opened in a browser; install \
                       one (apt-get install chromium) and run `cargo xtask pages`";
        println!("{message}");
        return Ok(vec![message.to_owned()]);
    };
    let orrery = Orrery::build(workspace, Profile::Release)?;
    let plan = goldens::plan(workspace)?;
    let scratch = workspace.scratch("pages")?;
    let looked = side_by_side::map(&SCENARIOS, |scenario| {
        let planned = plan
            .goldens
            .iter()
            .find(|golden| golden.scenario == *scenario);
        let planned = planned.with_context(|| format!("{scenario} is not in ci/goldens.toml"))?;
        let out = scratch.join(scenario);
        let mut command = orrery.run(planned);
        command
            .args(["--seeds", SEEDS, "--jobs", "1"])
            .current_dir(&workspace.root);
        orrery::finish(&mut command, &out)?;
        look(&browser, &out).with_context(|| (*scenario).to_owned())
    })?;
    let mut table = Table::new(["report", "sheets", "findings"]);
    let mut findings = 0;
    for (scenario, page) in SCENARIOS.iter().zip(looked) {
        for finding in &page.findings {
            println!("{scenario}: {finding}");
        }
        findings += page.findings.len();
        let count = page.findings.len().to_string();
        table.row([(*scenario).to_owned(), page.sheets.to_string(), count]);
    }
    println!("{table}");
    if findings > 0 {
        bail!("{findings} things are wrong with reports");
    }
    Ok(Vec::new())
}

/// What is wrong with a page, and how many sheets it has.
struct Page {
    findings: Vec<String>,
    sheets: usize,
}

fn look(browser: &Path, folder: &Path) -> Result<Page> {
    let mut findings = Vec::new();
    for width in WIDTHS {
        let probe = folder.join(format!("probe-{width}.html"));
        std::fs::write(&probe, PROBE.replace("WIDTH", &width.to_string()))?;
        let output = Command::new(browser)
            .args(FLAGS)
            .args(["--allow-file-access-from-files", "--enable-logging=stderr"])
            .args(["--virtual-time-budget=20000", "--dump-dom"])
            .arg(url(&probe)?)
            .output()?;
        let seen = String::from_utf8_lossy(&output.stdout);
        let found = found(&seen).with_context(|| {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            format!(
                "the browser ended with {} and saw nothing:\n{said}",
                output.status
            )
        })?;
        findings.extend(
            found
                .into_iter()
                .map(|found| format!("at {width} px, {found}")),
        );
        let said = String::from_utf8_lossy(&output.stderr);
        let console = said.lines().filter(|line| line.contains("CONSOLE"));
        findings.extend(console.map(|line| format!("at {width} px, {line}")));
    }
    let pdf = folder.join("report.pdf");
    let printed = Command::new(browser)
        .args(FLAGS)
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(url(&folder.join("report.html"))?)
        .output()?;
    let bytes = std::fs::read(&pdf)
        .with_context(|| String::from_utf8_lossy(&printed.stderr).into_owned())?;
    let sheets = sheets(&bytes);
    if !(1..=SHEETS_MAX).contains(&sheets) {
        findings.push(format!(
            "{sheets} sheets on paper, and at most {SHEETS_MAX} are wanted"
        ));
    }
    Ok(Page { findings, sheets })
}

const FLAGS: [&str; 4] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
];

fn browser() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let named = BROWSERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    named.into_iter().find(|path| path.is_file())
}

fn url(path: &Path) -> Result<String> {
    Ok(format!("file://{}", std::path::absolute(path)?.display()))
}

/// The lines that the probe has written; nothing if it did not come to its end.
fn found(dom: &str) -> Option<Vec<String>> {
    let (_, rest) = dom.split_once("<pre id=\"found\">BEGIN\n")?;
    let (lines, _) = rest.split_once("END</pre>")?;
    Some(lines.lines().map(str::to_owned).collect())
}

/// Pages of a PDF: each is an object of this type.
fn sheets(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    let pages = text.match_indices("/Type /Page");
    pages
        .filter(|(at, found)| !text[at + found.len()..].starts_with('s'))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_probe_found_is_read_and_silence_is_nothing() {
        let dom = "<html><pre id=\"found\">BEGIN\na chart\nEND</pre></html>";
        assert_eq!(found(dom), Some(vec!["a chart".to_owned()]));
        let dom = "<html><pre id=\"found\">BEGIN\nEND</pre></html>";
        assert_eq!(found(dom), Some(Vec::new()));
        assert_eq!(found("<html><pre id=\"found\"></pre></html>"), None);
    }

    #[test]
    fn sheets_are_counted_without_their_tree() {
        let pdf = b"<</Type /Pages\n/Count 2>> <</Type /Page\n>> <</Type /Page>>";
        assert_eq!(sheets(pdf), 2);
    }
}
