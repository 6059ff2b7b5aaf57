//! `orrery first-difference`: the first event in which two records of events differ.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, give};
use crate::engine;

/// `orrery first-difference`
#[derive(Debug, Args)]
pub struct FirstDifference {
    /// One record
    pub a: PathBuf,
    /// Another
    pub b: PathBuf,
}

/// Compares the records: exit code 0 if they are equal, 5 if not.
pub fn run(asked: &FirstDifference) -> Result<u8, CliError> {
    let parting = engine::parting(&asked.a, &asked.b)
        .map_err(|error| CliError::Input(format!("cannot compare the records: {error}")))?;
    let code = if parting.is_some() { 5 } else { 0 };
    let told = parting.unwrap_or_else(|| "the records are equal".to_owned());
    give(&format!("{told}\n")).map(|()| code)
}
