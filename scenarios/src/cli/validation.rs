//! `orrery validation`: the simulator against exact, analytic and measured figures.

use clap::Args;

use super::format::Format;
use super::{CliError, give};
use crate::validation;

/// `orrery validation`
#[derive(Debug, Args)]
pub struct Validation {
    /// Only the rows that this mutation of their model must break, under it
    #[arg(long, value_name = "NAME")]
    pub mutation: Option<String>,
    /// Only the row of this name
    #[arg(long, value_name = "ID")]
    pub row: Option<String>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Only run the world of row V37-entropy with this seed, and print its trace hash
    #[arg(long, value_name = "SEED", hide = true)]
    pub trace_hash: Option<u64>,
}

/// Plays the rows and tells which of them held; with `--trace-hash` only one row's world.
pub fn run(asked: &Validation) -> Result<u8, CliError> {
    let mutation = asked.mutation.as_deref();
    let Some(seed) = asked.trace_hash else {
        let json = asked.format == Format::Json;
        return Ok(validation::main(json, asked.row.as_deref(), mutation));
    };
    let hash = validation::trace_hash(seed, validation::Entropy::under(mutation))
        .map_err(|error| CliError::Tool(error.to_string()))?;
    give(&format!("{hash}\n")).map(|()| 0)
}
