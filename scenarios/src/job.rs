//! What a worker is asked to do, what it tells meanwhile, and what became of it.

use std::path::PathBuf;

use orrery_reports::record::SeedResult;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::format::Scenario;

crate::named::named! {
    /// What plays a job.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Engine {
        /// The deterministic simulator.
        #[default]
        Sim = "sim",
        /// The same node over turmoil's hosts and network.
        Turmoil = "turmoil",
    }
}

/// One simulation to be played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What plays it.
    pub engine: Engine,
    /// The scenario, resolved for the variant.
    pub scenario: Scenario,
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Stop at this simulated time, if it comes before the end.
    pub until_ns: Option<u64>,
    /// Where the hosts' logs go.
    pub log: Option<LogTo>,
    /// The folder that gets one capture of packets a host.
    pub captures: Option<PathBuf>,
    /// Where a record of every event goes, for comparing two runs.
    pub trace: Option<PathBuf>,
}

impl Job {
    /// One seed of a scenario without variants, in the simulator; nothing is recorded.
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        Self {
            engine: Engine::Sim,
            scenario,
            variant: "default".to_owned(),
            seed,
            until_ns: None,
            log: None,
            captures: None,
            trace: None,
        }
    }

    /// When the simulation ends, in simulated nanoseconds.
    pub fn end_ns(&self) -> u64 {
        let end_ns = self.scenario.end_ns();
        self.until_ns
            .map_or(end_ns, |until_ns| until_ns.min(end_ns))
    }
}

/// Where the hosts' logs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTo {
    /// What is logged, as tracing's targets are written: `info`, `orrery_node=debug`.
    pub filter: String,
    /// The folder, which gets one file a host.
    pub folder: PathBuf,
}

/// How far a simulation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Simulated nanoseconds.
    pub simulated_ns: u64,
    /// CPU time of the process.
    pub cpu_ns: u64,
    /// Delivered events.
    pub events: u64,
    /// Ends of connections that nodes hold open: two for each connection.
    pub connection_ends: u64,
}

/// What became of a job.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Played {
    /// What it showed. Its `failure` is empty until [`Played::into_result`] writes it.
    pub result: SeedResult,
    /// What kept it from its end.
    pub failure: Option<Failure>,
}

impl Played {
    /// A job of which nothing is left but why it failed.
    pub fn failed(failure: Failure) -> Self {
        Self {
            result: SeedResult::default(),
            failure: Some(failure),
        }
    }

    /// The result as records have it, with the failure as text.
    pub fn into_result(self) -> SeedResult {
        SeedResult {
            failure: self.failure.map(|failure| failure.to_string().into()),
            ..self.result
        }
    }
}
