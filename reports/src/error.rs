//! What can go wrong between a record and its files.

use std::{io, path::PathBuf};

use crate::record::SCHEMA;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be made, written, renamed or read.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// What was tried: `create`, `write`, `rename`, `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file is not a run record.
    #[error("{}: not a run record: {source}", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// A record of another schema version.
    #[error(
        "{}: schema version {found}, but this build reads {SCHEMA}; run the scenario again",
        path.display()
    )]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A record that could not be read back, such as one with a figure that is not finite.
    #[error("the record cannot be written so that it can be read again: {0}")]
    Unwritable(serde_json::Error),
    /// A histogram that is not the base64 text of an HDR histogram (V2).
    #[error("not an HDR histogram (V2, base64): {0}")]
    Histogram(String),
    /// A table of figures that could not be formed.
    #[error("cannot form the table of figures: {0}")]
    Csv(#[from] csv::Error),
}
