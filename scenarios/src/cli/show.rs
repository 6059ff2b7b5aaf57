//! `orrery show`: a scenario's text, to start from.

use clap::Args;

use super::{CliError, give};
use crate::load::text_of;

/// `orrery show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery show feed/quiet > mine.toml   a scenario of the catalog, to start from
  orrery show target/orrery/feed/quiet/result.json
                                       the scenario that a result is of")]
pub struct Show {
    /// A scenario of the catalog (`orrery list`), or the result.json of a run
    #[arg(value_name = "NAME|RESULT")]
    pub scenario: String,
}

/// Prints the scenario's text.
pub fn run(show: &Show) -> Result<u8, CliError> {
    give(&text_of(&show.scenario)?)?;
    Ok(0)
}
