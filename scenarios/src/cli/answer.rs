//! What a command answers: data on standard output, words for people on standard error, or why there is
//! no answer.

use crate::engine::{ExperimentError, NoVariant, PoolError};
use crate::load::LoadError;

/// Why a command ended without an answer, with its exit code.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Bad usage or input.
    #[error("{0}")]
    Input(String),
    /// The tool itself failed: disk, permissions, processes.
    #[error("{0}")]
    Tool(String),
    /// The user stopped it; what is left of it is told behind a colon.
    #[error("interrupted{0}")]
    Interrupted(String),
}

impl CliError {
    /// The exit code: 2 for input, 6 for the tool, and what shells use for an interruption.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Tool(_) => 6,
            Self::Interrupted(_) => 130,
        }
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<NoVariant> for CliError {
    fn from(error: NoVariant) -> Self {
        Self::Input(format!("--variant: {error}"))
    }
}

impl From<ExperimentError> for CliError {
    fn from(error: ExperimentError) -> Self {
        match error {
            ExperimentError::Pool(PoolError::Interrupted) => Self::Interrupted(String::new()),
            error @ (ExperimentError::Folder { .. }
            | ExperimentError::Unkept { .. }
            | ExperimentError::Pool(PoolError::Start(_) | PoolError::Unwritten { .. })
            | ExperimentError::Summary(_)
            | ExperimentError::Scratch(_)) => Self::Tool(error.to_string()),
        }
    }
}

/// Tells people something on standard error.
pub(super) fn tell(text: &str) {
    use std::io::Write;
    // Where nobody reads it (`2>&1 | head`), there is nobody left to tell; the exit code says it.
    let _unread = writeln!(std::io::stderr(), "{text}");
}

/// Tells what of a scenario is perhaps not meant.
pub(super) fn tell_warnings(warnings: &[String]) {
    for warning in warnings {
        tell(&format!("warning: {warning}"));
    }
}

/// Gives data to standard output.
pub(super) fn give(text: &str) -> Result<(), CliError> {
    use std::io::{ErrorKind, Write};
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        // A reader such as `head` may have seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Tool(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}
