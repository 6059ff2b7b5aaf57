//! The command line of `orrery`: what it is asked, what it answers, and its exit code.
//!
//! Data goes to standard output, everything else to standard error.

mod arguments;
mod check;
mod explain;
mod list;
mod load;
mod progress;
mod run;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, Validation};
pub use load::load;

/// The commit that this program was built from.
pub const COMMIT: &str = env!("ORRERY_COMMIT");

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
        Command::Validation(Validation {
            mutation,
            trace_hash: Some(seed),
            ..
        }) => trace_hash(seed, mutation.as_deref()),
        Command::Validation(suite) => {
            let json = suite.format == arguments::Format::Json;
            return crate::validation::main(json, suite.row.as_deref(), suite.mutation.as_deref());
        }
        Command::FirstDifference { a, b } => differ(&a, &b),
        Command::Worker => worker(),
    };
    match answer {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("error: {}", error.to_string().trim_end()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Exit code 0 if the records are equal, 5 if not.
#[expect(clippy::print_stdout, reason = "the answer is data")]
fn differ(a: &std::path::Path, b: &std::path::Path) -> Result<u8, CliError> {
    let parting = crate::engine::parting(a, b)
        .map_err(|error| CliError::Input(format!("cannot compare the records: {error}")))?;
    let code = if parting.is_some() { 5 } else { 0 };
    println!(
        "{}",
        parting.unwrap_or_else(|| "the records are equal".to_owned())
    );
    Ok(code)
}

fn worker() -> Result<u8, CliError> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout();
    crate::engine::serve(&mut input, &mut output, crate::play::run)
        .map(|()| 0)
        .map_err(|error| CliError::Tool(error.to_string()))
}

/// Plays the world of a validation row in this process and tells its hash.
fn trace_hash(seed: u64, mutation: Option<&str>) -> Result<u8, CliError> {
    let entropy = crate::validation::Entropy::under(mutation);
    let hash = crate::validation::trace_hash(seed, entropy);
    let hash = hash.map_err(|error| CliError::Tool(error.to_string()))?;
    give(&format!("{hash}\n")).map(|()| 0)
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
