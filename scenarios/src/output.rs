//! Hands a record to the reports: the only place of this crate that knows their functions.

use std::path::{Path, PathBuf};

use orrery_reports::record::Record;
use orrery_reports::table::{Colour, table};
use orrery_reports::{Error, audit, command, stats, write};

/// Fills the record's summaries and differences.
///
/// # Errors
/// A seed's histogram cannot be decoded.
pub fn summarise(record: &mut Record) -> Result<(), Error> {
    stats::summarise(record)
}

/// The record as text for the terminal.
pub fn text(record: &Record, colour: bool) -> String {
    table(record, if colour { Colour::Ansi } else { Colour::Never })
}

/// What the record's verdict means.
pub fn verdict_meaning(record: &Record) -> String {
    audit::verdict_words(record).1
}

/// The record as JSON, as `result.json` holds it.
///
/// # Errors
/// A figure is not finite.
pub fn json(record: &Record) -> Result<String, Error> {
    write::to_json(record)
}

/// Reads a record from a `result.json`.
///
/// # Errors
/// It cannot be read, or is none of this version.
pub fn read(path: &Path) -> Result<Record, Error> {
    write::read(path)
}

/// Writes all files of a record into `folder`.
///
/// # Errors
/// A file cannot be written; nothing half-written is left.
pub fn write(record: &Record, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    write::write_all(record, folder)
}

/// The command that repeats one seed.
pub fn command_of_seed(record: &Record, variant: &str, seed: &str) -> String {
    command::one_seed(record, variant, seed)
}

/// The command that repeats what failed worst.
pub fn command_of_failure(record: &Record) -> String {
    command::failure(record)
}
