//! The worker's side: a job on standard input, frames on standard output.
//!
//! Each frame is one line of JSON. The last one is the result.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::job::{Job, Played, Progress};

/// A line that a worker writes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frame {
    /// How far it is.
    Progress(Progress),
    /// The end.
    Result(Box<Played>),
}

/// Why a worker could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its pipes are broken: whoever started it is gone.
    #[error("the pipe to the worker broke: {0}")]
    Pipe(#[from] std::io::Error),
    /// The job cannot be read.
    #[error("not a job: {0}")]
    Job(#[from] serde_json::Error),
}

/// Reads one job from `input`, plays it, and writes frames to `output`.
///
/// # Errors
/// As [`WorkerError`] says.
pub fn serve(
    input: &mut dyn BufRead,
    output: &mut (dyn Write + Send),
    play: impl FnOnce(&Job, &mut (dyn FnMut(Progress) + Send)) -> Played,
) -> Result<(), WorkerError> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let job: Job = serde_json::from_str(&line)?;
    let mut broken = None;
    let played = play(&job, &mut |progress| {
        if broken.is_none() {
            broken = write_frame(output, &Frame::Progress(progress)).err();
        }
    });
    if let Some(error) = broken {
        return Err(error);
    }
    write_frame(output, &Frame::Result(Box::new(played)))
}

fn write_frame(output: &mut dyn Write, frame: &Frame) -> Result<(), WorkerError> {
    let mut line = serde_json::to_string(frame)?;
    line.push('\n');
    output.write_all(line.as_bytes())?;
    output.flush()?;
    Ok(())
}
