//! `orrery report`: pages from results that are there, without playing anything.

use std::path::{Path, PathBuf};

use clap::Args;
use orrery_reports::index::{self, Entry};
use orrery_reports::write;

use super::{CliError, give};

/// `orrery report`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery report target/orrery             all results below it, and an index
  orrery report target/orrery/feed/quiet  one result
  orrery report DIR --charts              each chart as files, below DIR/charts
Each report.html is written anew beside its result.json, which stays as it is.
Of a folder with several results an index.html is written, too: those that did
not hold come first.")]
pub struct Report {
    /// A folder with results, at any depth
    #[arg(value_name = "DIR", default_value = "target/orrery")]
    pub folder: PathBuf,
    /// Write every chart, too, into the folder `charts` beside its report: as SVG, light and dark, and its
    /// data as CSV
    #[arg(long)]
    pub charts: bool,
}

/// How deep results are looked for; a scenario's name has no more parts.
const DEPTH_MAX: usize = 8;

/// Writes the pages of all results below a folder.
pub fn run(report: &Report) -> Result<u8, CliError> {
    let folder = &report.folder;
    let mut found = Vec::new();
    find(folder, DEPTH_MAX, &mut found)?;
    if found.is_empty() {
        let message = format!(
            "{}: no result.json there or below; `orrery run` writes them",
            folder.display()
        );
        return Err(CliError::Input(message));
    }
    let mut entries = Vec::new();
    for place in &found {
        let record = write::read(place).map_err(|error| CliError::Input(error.to_string()))?;
        let page = write::page(&record, place).map_err(|error| tool(&error))?;
        give(&format!("{}\n", page.display()))?;
        if report.charts {
            let charts = write::charts(&record, &place.join("charts"));
            for chart in charts.map_err(|error| tool(&error))? {
                give(&format!("{}\n", chart.display()))?;
            }
        }
        entries.push(Entry {
            link: link(folder, &page),
            record,
        });
    }
    if entries.len() > 1 {
        let title = folder.display().to_string();
        let page = write::text(folder, "index.html", &index::page(&title, &entries));
        give(&format!(
            "{}\n",
            page.map_err(|error| tool(&error))?.display()
        ))?;
    }
    Ok(0)
}

fn tool(error: &orrery_reports::Error) -> CliError {
    CliError::Tool(error.to_string())
}

/// Folders with a result, in the order of their names. Links are not followed.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unread = |error| CliError::Input(format!("{}: {error}", folder.display()));
    let entries: Vec<_> = std::fs::read_dir(folder)
        .and_then(Iterator::collect)
        .map_err(unread)?;
    let mut names: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    names.sort();
    if names.contains(&folder.join("result.json")) {
        found.push(folder.to_owned());
    }
    for name in names {
        let is_folder = name.symlink_metadata().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth > 0 {
            find(&name, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Where `page` lies, seen from `folder`.
fn link(folder: &Path, page: &Path) -> String {
    let within = page.strip_prefix(folder).unwrap_or(page);
    let parts: Vec<_> = within
        .components()
        .map(|part| {
            part.as_os_str()
                .to_string_lossy()
                .replace('%', "%25")
                .replace('#', "%23")
        })
        .collect();
    parts.join("/")
}
