//! `orrery-node`: the reference node as a program, and the commands that drive
//! it from a terminal.
//!
//! Data go to standard output, all else to standard error. Exit codes: 0 done,
//! 1 failed, 2 wrong usage or input, 6 the disk or a permission refused; of `run`, when the node
//! has ended by itself, 70 a failure in itself and 74 a store that cannot be used any more.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Arguments, Failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match cli::run(arguments) {
        // Whoever closed our output has seen enough.
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where nobody hears of the failure, the exit code still tells.
            let told = cli::printable_lines(&failure.to_string());
            let _ = writeln!(io::stderr(), "error: {told}");
            ExitCode::from(failure.exit_code())
        }
    }
}
