//! Conventions that compilers do not check, as code.
//!
//! Each rule is a function from one file to its findings, with a test in which it
//! fires. Exceptions are listed here, each with its reason; there is no way to
//! switch a rule off from within a file.

mod circles;
mod documents;
mod files;
mod limits;
mod rooms;
mod rust;
mod testbeds;
mod text;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use files::File;

/// A broken convention, or (`warning`) one that is about to break.
#[derive(Debug)]
struct Finding {
    /// Path and line.
    place: String,
    what: String,
    warning: bool,
}

impl Finding {
    fn error(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self {
            place: format!("{}:{line}", file.path),
            what: what.into(),
            warning: false,
        }
    }
}

/// Checks every text file of the workspace.
///
/// # Errors
/// When a rule is broken, after printing all findings.
pub fn run(workspace: &Workspace) -> Result<()> {
    let files = files::read(&workspace.root)?;
    let mut findings: Vec<Finding> = files
        .iter()
        .flat_map(|file| {
            let mut findings = text::check(file, &files);
            findings.extend(rust::check(file));
            findings
        })
        .collect();
    findings.extend(text::stale_exceptions(&files));
    findings.extend(documents::check(&files));
    findings.extend(limits::check(&files));
    findings.extend(rooms::check(&files));
    findings.extend(testbeds::check(&files));
    findings.extend(circles::check(&files));
    for Finding {
        place,
        what,
        warning,
    } in &findings
    {
        println!("{place}: {}{what}", if *warning { "warning: " } else { "" });
    }
    let errors = findings.iter().filter(|finding| !finding.warning).count();
    if errors > 0 {
        bail!("{errors} findings in {} files", files.len());
    }
    println!("{} files are tidy", files.len());
    Ok(())
}
