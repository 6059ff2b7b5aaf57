//! `orrery worker`: plays one job from standard input, for the process that started it.

use super::CliError;
use crate::{engine, play};

/// Plays the job and writes frames to standard output.
pub fn run() -> Result<u8, CliError> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout();
    engine::serve(&mut input, &mut output, play::run)
        .map(|()| 0)
        .map_err(|error| CliError::Tool(error.to_string()))
}
