//! What of a scenario is played, asked alike by every command that plays.
//!
//! Owns those arguments, what is said of them when they make no sense, and the way from them to
//! an [`Experiment`]. It plays nothing.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orrery_reports::record::Record;

use super::CliError;
use crate::engine::{self, Experiment, Pool, Stop};
use crate::format::Plan;
use crate::format::reading::problem::quoted;
use crate::format::reading::quantity::time_ns;
use crate::load::load_checked;
use crate::testbed;

/// What of a scenario is played.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// A scenario of the catalog (`orrery list`), a file, or the result.json of a run, to repeat it
    #[arg(value_name = "FILE|NAME")]
    pub scenario: String,
    /// Run this one seed
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Run seeds 1 to N [default: as the scenario says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub seeds: Option<u32>,
    /// Simulations at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub jobs: Option<u16>,
    /// Run only this variant
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Change the scenario before it is checked, such as group.home.count=8
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The engine that runs the scenario
    #[arg(long, value_enum, default_value_t = Engine::Sim)]
    pub engine: Engine,
    /// Stop at this simulated time, such as 90s; what it cuts short is not judged (exit code 7)
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
}

crate::named::named! {
    /// What plays a scenario.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
    pub enum Engine {
        /// The deterministic simulator
        Sim = "sim",
        /// The same node over turmoil's hosts and network
        Turmoil = "turmoil",
        /// Real processes on real machines (not available yet)
        Testnet = "testnet",
        /// Real processes in network namespaces (not available yet)
        Netns = "netns",
    }
}

impl Engine {
    /// The engine, if there is one yet.
    pub fn available(self) -> Option<crate::job::Engine> {
        match self {
            Self::Sim => Some(crate::job::Engine::Sim),
            Self::Turmoil => Some(crate::job::Engine::Turmoil),
            Self::Testnet | Self::Netns => None,
        }
    }
}

impl Selection {
    /// Whatever is not asked is as in the run that `record` tells.
    pub fn as_in(&self, record: &Record) -> Result<Self, CliError> {
        let mut asked = self.clone();
        if asked.seed.is_none() && asked.seeds.is_none() {
            let seeds = record.variants.first().map(|variant| &variant.seeds[..]);
            match seeds.unwrap_or_default() {
                [one] => asked.seed = one.seed.parse().ok(),
                seeds => asked.seeds = Some(seeds.len() as u32),
            }
        }
        if let ([only], None) = (&record.variants[..], &asked.variant) {
            asked.variant = Some(only.name.clone());
        }
        if let (Some(until_s), None) = (record.until_s, &asked.until) {
            asked.until = Some(format!("{}ns", (until_s * 1e9).round()));
        }
        let engine = Engine::value_variants().iter();
        let mut engine = engine.filter(|engine| engine.name() == record.engine);
        asked.engine = *engine.next().ok_or_else(|| {
            let engine = quoted(&record.engine);
            CliError::Input(format!(
                "the result is of an engine {engine}, which is not known"
            ))
        })?;
        Ok(asked)
    }

    /// The engine, unless it is not there yet.
    pub fn engine(&self) -> Result<crate::job::Engine, CliError> {
        self.engine
            .available()
            .ok_or_else(|| unavailable(&format!("--engine {}", self.engine.name())))
    }

    /// The scenario, read and found fit for the engine.
    pub fn plan(&self) -> Result<Plan, CliError> {
        let lacking = testbed::lacking(self.engine()?);
        Ok(load_checked(&self.scenario, &self.set, &lacking)?)
    }

    /// What of `plan` is played, and how `program` repeats it; nothing is kept of it yet.
    pub fn experiment<'a>(
        &self,
        program: &str,
        plan: &'a Plan,
    ) -> Result<Experiment<'a>, CliError> {
        let mut experiment = Experiment::new(plan)
            .with_engine(self.engine()?)
            .repeated_by(program, self.arguments());
        if let Some(name) = &self.variant {
            experiment = experiment.only_variant(name)?;
        }
        if let Some(seed) = self.seed {
            experiment = experiment.with_seeds(vec![seed]);
        } else if let Some(count) = self.seeds {
            experiment = experiment.with_seeds((1..=u64::from(count)).collect());
        }
        if let Some(until_ns) = self.until_ns()? {
            experiment = experiment.until(until_ns);
        }
        Ok(experiment)
    }

    /// How many simulations are played at once.
    pub fn at_once(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(processors, usize::from)
    }

    /// Arguments of `run` that play the same.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), self.scenario.clone()];
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        add("--seed", self.seed.map(|seed| seed.to_string()));
        add("--seeds", self.seeds.map(|seeds| seeds.to_string()));
        add("--variant", self.variant.clone());
        for setting in &self.set {
            add("--set", Some(setting.clone()));
        }
        add("--until", self.until.clone());
        if self.engine != Engine::Sim {
            add("--engine", Some(self.engine.name().to_owned()));
        }
        arguments
    }

    fn until_ns(&self) -> Result<Option<u64>, CliError> {
        let Some(text) = &self.until else {
            return Ok(None);
        };
        match time_ns(text) {
            Ok(ns @ 1..) => Ok(Some(ns as u64)),
            Ok(_) => Err(CliError::Input(
                "--until: expected a time above 0s".to_owned(),
            )),
            Err(expected) => Err(CliError::Input(format!(
                "--until: {}, found {}",
                expected.0,
                quoted(text)
            ))),
        }
    }
}

/// The error of asking for what will come only later.
pub fn unavailable(what: &str) -> CliError {
    CliError::Input(format!("{what} is not available yet; run without it"))
}

/// This program's own file, which plays the jobs, and what stops them at Ctrl-C.
pub struct Workers {
    program: PathBuf,
    stop: Stop,
    at_once: usize,
}

impl Workers {
    /// Finds the program and begins to watch for signals.
    pub fn new(selection: &Selection) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(|error| {
            CliError::Tool(format!("cannot find this program's own file: {error}"))
        })?;
        let stop = Stop::on_signals()
            .map_err(|error| CliError::Tool(format!("cannot watch for signals: {error}")))?;
        Ok(Self {
            program,
            stop,
            at_once: selection.at_once(),
        })
    }

    /// The file of the program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The pool of them.
    pub fn pool<'a>(&'a self, watcher: &'a dyn engine::Watcher) -> Pool<'a> {
        Pool {
            program: &self.program,
            at_once: self.at_once,
            stop: &self.stop,
            watcher,
        }
    }
}
