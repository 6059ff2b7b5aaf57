//! The command line of `orrery`: what it is asked, what it answers, and its exit code.
//!
//! Data goes to standard output, everything else to standard error.

mod arguments;
mod build_hint;
mod check;
mod ending;
mod explain;
mod first_difference;
mod list;
mod progress;
mod run;
mod selection;
mod validation;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::engine::{ExperimentError, NoVariant, PoolError};
use crate::load::LoadError;
use arguments::{Arguments, Command};

/// Why a command ended without an answer, with its exit code.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Bad usage or input.
    #[error("{0}")]
    Input(String),
    /// The tool itself failed: disk, permissions, processes.
    #[error("{0}")]
    Tool(String),
    /// The user stopped it.
    #[error("interrupted: nothing was written")]
    Interrupted,
}

impl CliError {
    /// The exit code: 2 for input, 6 for the tool, and what shells use for an interruption.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            Self::Tool(_) => 6,
            Self::Interrupted => 130,
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
            ExperimentError::Pool(PoolError::Interrupted) => Self::Interrupted,
            error @ (ExperimentError::Folder { .. }
            | ExperimentError::Pool(PoolError::Start(_) | PoolError::Unwritten { .. })
            | ExperimentError::Summary(_)
            | ExperimentError::Scratch(_)) => Self::Tool(error.to_string()),
        }
    }
}

/// Runs the program with its command line.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = u8::from(error.use_stderr()) * 2;
            // Help that nobody reads any more is no failure.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let answer = match arguments.command {
        Command::Run(run) => run::run(&run),
        Command::List(list) => list::run(&list),
        Command::Explain(explain) => explain::run(&explain),
        Command::Check(check) => check::run(&check),
        Command::Validation(asked) => validation::run(&asked),
        Command::FirstDifference(asked) => first_difference::run(&asked),
        Command::Worker => worker::run(),
    };
    match answer {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("error: {}", error.to_string().trim_end()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Tells people something on standard error.
fn tell(text: &str) {
    use std::io::Write;
    // Where nobody reads it (`2>&1 | head`), there is nobody left to tell; the exit code says it.
    let _unread = writeln!(std::io::stderr(), "{text}");
}

/// Gives data to standard output.
fn give(text: &str) -> Result<(), CliError> {
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
