//! One run of a scenario in a process of its own, because libraries keep counters for
//! the whole process and memory is counted by process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use orrery_reports::record::SeedResult;
use orrery_scenarios::job::{Job, Progress};
use orrery_scenarios::load;
use orrery_scenarios::play;
use orrery_sim::time::SimTime;
use serde::{Deserialize, Serialize};

use crate::memory::resident_bytes;
use crate::profile::{Profile, ProfileError, Sampler, folded};

/// What a process is asked to measure.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// What is played.
    pub job: Job,
    /// When memory is looked at.
    pub instants: Instants,
    /// Whether stacks are sampled meanwhile.
    pub profile: bool,
}

/// When memory is looked at, in simulated nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instants {
    /// All nodes run, and most connections are yet to be made.
    pub booted_ns: u64,
    /// All connections are made; above `booted_ns`.
    pub connected_ns: u64,
}

/// The process's memory at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident memory.
    pub resident_bytes: u64,
    /// Ends of connections that nodes hold open.
    pub connection_ends: u64,
}

/// What a process measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The run.
    pub result: SeedResult,
    /// Before anything of the world was there.
    pub begin: Memory,
    /// At [`Instants::booted_ns`], if the run came so far.
    pub booted: Option<Memory>,
    /// At [`Instants::connected_ns`], if the run came so far.
    pub connected: Option<Memory>,
    /// At the end.
    pub end: Memory,
    /// Where CPU time went, if asked for.
    pub profile: Option<Profile>,
    /// The profile's stacks, folded into lines.
    pub folded: String,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The process could not be started or its pipes broke.
    #[error("cannot measure in a process of its own: {0}")]
    Process(#[from] std::io::Error),
    /// What one process said was not what the other expects.
    #[error("the measuring process and this one do not understand each other: {0}")]
    Words(#[from] serde_json::Error),
    /// The measuring process failed, and told why on standard error.
    #[error("the measuring process ended with {0}")]
    Ended(std::process::ExitStatus),
    /// The simulation failed.
    #[error("the run failed: {0}")]
    Run(String),
    /// There is no profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Runs that should be the same are not.
    #[error("two runs of one seed differ: trace hash {0}, then {1}")]
    Differ(String, String),
}

/// Has `program worker` measure `request`.
///
/// # Errors
/// [`WorkError`], but for [`WorkError::Differ`].
pub fn in_own_process(program: &Path, request: &Request) -> Result<Measured, WorkError> {
    let mut child = Command::new(program)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A process that dies early does not read; its status tells why.
        let _ = serde_json::to_writer(&mut input, request);
        let _ = input.write_all(b"\n");
    }
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(WorkError::Ended(status));
    }
    let measured: Measured = serde_json::from_str(&line)?;
    match measured.result.failure {
        Some(failure) => Err(WorkError::Run(failure.to_string())),
        None => Ok(measured),
    }
}

/// The measuring process: reads one request from `input`, and writes what it measured
/// to `output`.
///
/// # Errors
/// [`WorkError::Process`], [`WorkError::Words`] and [`WorkError::Profile`].
pub fn serve(input: &mut impl BufRead, output: &mut impl Write) -> Result<(), WorkError> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    load::ready();
    let measured = measure(&serde_json::from_str(&line)?)?;
    serde_json::to_writer(&mut *output, &measured)?;
    output.write_all(b"\n")?;
    Ok(())
}

fn measure(request: &Request) -> Result<Measured, WorkError> {
    let begin = Memory {
        resident_bytes: resident_bytes(),
        connection_ends: 0,
    };
    let Instants {
        booted_ns,
        connected_ns,
    } = request.instants;
    let (mut booted, mut connected, mut end) = (None, None, begin);
    let mut look = |progress: Progress| {
        end = Memory {
            resident_bytes: resident_bytes(),
            connection_ends: progress.connection_ends,
        };
        if progress.simulated_ns == booted_ns {
            booted = Some(end);
        }
        if progress.simulated_ns == connected_ns {
            connected = Some(end);
        }
    };
    let sampler = request.profile.then(Sampler::start).transpose()?;
    let stops = [booted_ns, connected_ns].map(SimTime::from_nanos);
    let played = play::run_with_stops(&request.job, &stops, &mut look);
    let stacks = sampler.map(Sampler::finish).transpose()?;
    Ok(Measured {
        result: played.into_result(),
        begin,
        booted,
        connected,
        end,
        profile: stacks.as_deref().map(Profile::of_stacks),
        folded: stacks.as_deref().map(folded).unwrap_or_default(),
    })
}
