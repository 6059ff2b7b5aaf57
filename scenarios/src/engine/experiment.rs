//! An experiment: which variants and seeds of a plan are played, and the record of it.
//!
//! Owns the way from a plan over jobs and worker processes to the record, and from there to the
//! proof that the run is reproducible. It reads no scenario, parses no argument and prints
//! nothing: every command that plays is a caller of it, and so is a program of other people.
//!
//! ```no_run
//! use orrery_scenarios::catalog;
//! use orrery_scenarios::engine::{Experiment, Pool, Stop, Unwatched};
//! use orrery_scenarios::load::read;
//!
//! let entry = catalog::find("feed/quiet").expect("it ships with the tool");
//! let plan = read(entry.name, entry.text, None, &[]).map_err(|wrong| wrong.to_string())?;
//! let experiment = Experiment::new(&plan).with_seeds(vec![1, 2]);
//! let program = std::env::current_exe().map_err(|error| error.to_string())?;
//! let stop = Stop::default();
//! let pool = Pool { program: &program, at_once: 2, stop: &stop, watcher: &Unwatched };
//! let record = experiment.play(&pool).map_err(|error| error.to_string())?;
//! assert_eq!(record.variants[0].seeds.len(), 2);
//! # Ok::<(), String>(())
//! ```

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use orrery_reports::origin::Origin;
use orrery_reports::record::{Record, Verdict};

use super::kept::{Keeper, hash_of_file};
use super::origin::origin;
use super::record::assemble;
use super::verify::{Difference, compare, locate};
use super::{COMMIT, Kept, Pool, PoolError};
use crate::format::reading::problem::{quoted, suggestion};
use crate::format::{Case, Plan};
use crate::job::{Engine, Job, LogTo, Played};
use crate::output;

/// What is kept of every simulation beside its result; nothing by default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The hosts' logs; the folder gets a folder for each simulation.
    pub logs: Option<LogTo>,
    /// Captures of the hosts' packets; the folder gets a folder for each simulation.
    pub captures: Option<PathBuf>,
    /// Records of every event; the folder gets a file for each simulation.
    pub events: Option<PathBuf>,
    /// The results themselves, as soon as each is there: those that are there already are not
    /// played again.
    pub results: Option<Kept>,
}

/// Why an experiment has no record.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// A folder for what is kept could not be made.
    #[error("cannot make {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A result could not be kept.
    #[error("cannot keep a result in {}: {source}", folder.display())]
    Unkept {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Jobs could not be played.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The results cannot be summarised.
    #[error(transparent)]
    Summary(#[from] orrery_reports::Error),
    /// There is no place for what finding a difference needs.
    #[error("cannot make a temporary folder: {0}")]
    Scratch(std::io::Error),
}

/// A plan has no variant of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoVariant(String);

/// What of a plan is played, by what, and what is kept of it.
#[derive(Debug, Clone)]
pub struct Experiment<'a> {
    plan: &'a Plan,
    cases: Vec<&'a Case>,
    seeds: Vec<u64>,
    engine: Engine,
    until_ns: Option<u64>,
    keep: Keep,
    repeated_by: String,
    arguments: Vec<String>,
}

impl<'a> Experiment<'a> {
    /// All variants and seeds of a plan, in the simulator, to their end.
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            cases: plan.cases.iter().collect(),
            seeds: (1..=u64::from(plan.seeds)).collect(),
            engine: Engine::Sim,
            until_ns: None,
            keep: Keep::default(),
            repeated_by: "orrery".to_owned(),
            arguments: Vec::new(),
        }
    }

    /// Only the variant of that name, in all cells of the grid.
    ///
    /// # Errors
    /// The plan has none of that name.
    pub fn only_variant(mut self, name: &str) -> Result<Self, NoVariant> {
        self.cases.retain(|case| case.name == name);
        if self.cases.is_empty() {
            return Err(NoVariant(format!(
                "{} has no variant {}; {}",
                self.plan.name,
                quoted(name),
                suggestion(name, self.plan.variants())
            )));
        }
        Ok(self)
    }

    /// These seeds instead of the plan's, ascending.
    #[must_use]
    pub fn with_seeds(mut self, seeds: Vec<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// Another engine than the simulator.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Ends each simulation at this instant, in simulated nanoseconds, if it comes before the
    /// scenario's end. Expectations are not judged then.
    #[must_use]
    pub fn until(mut self, until_ns: u64) -> Self {
        self.until_ns = Some(until_ns);
        self
    }

    /// What is kept of every simulation.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// The program and its arguments that the record states for repeating it.
    #[must_use]
    pub fn repeated_by(mut self, program: &str, arguments: Vec<String>) -> Self {
        program.clone_into(&mut self.repeated_by);
        self.arguments = arguments;
        self
    }

    /// One more argument for repeating it.
    #[must_use]
    pub fn also_repeated_by(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The plan.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Names of the variants that are played, in the plan's order.
    pub fn variants(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        names.dedup();
        names
    }

    /// The seeds that are played, ascending.
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// What plays them.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Where simulations end before the scenario does; `None` if all are played to their end.
    fn cut_short_ns(&self) -> Option<u64> {
        let ends_before = |until_ns: &u64| {
            let mut cases = self.cases.iter();
            cases.any(|case| *until_ns < case.scenario.end_ns())
        };
        self.until_ns.filter(ends_before)
    }

    /// One job for each variant, cell and seed, in the record's order.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for case in &self.cases {
            for &seed in &self.seeds {
                let title = case.title(seed);
                let log = self.keep.logs.as_ref().map(|logs| LogTo {
                    filter: logs.filter.clone(),
                    folder: logs.folder.join(&title),
                });
                let captures = self.keep.captures.as_ref();
                let events = self.keep.events.as_ref();
                jobs.push(Job {
                    engine: self.engine,
                    scenario: case.scenario.clone(),
                    variant: case.name.clone(),
                    seed,
                    until_ns: self.until_ns,
                    log,
                    captures: captures.map(|folder| folder.join(&title)),
                    trace: events.map(|folder| folder.join(title.clone() + ".trace")),
                });
            }
        }
        jobs
    }

    /// Plays it and merges what it shows.
    ///
    /// # Errors
    /// As [`ExperimentError`] says; a simulation that fails is no error but part of the record.
    pub fn play(&self, pool: &Pool<'_>) -> Result<Record, ExperimentError> {
        self.make_folders()?;
        let clock = Clock::start();
        let (played, is_whole) = self.play_what_is_left(pool, &self.jobs())?;
        self.record(played, &[], &clock.origin(self, pool, is_whole))
    }

    /// Plays every job twice, in separate processes, and compares: the record of the first time,
    /// and where the second differed. Records of events are large, so they are made only where
    /// something differs.
    ///
    /// # Errors
    /// As [`ExperimentError`] says; a difference is no error but the record's verdict.
    pub fn play_twice(
        &self,
        pool: &Pool<'_>,
    ) -> Result<(Record, Vec<Difference>), ExperimentError> {
        self.make_folders()?;
        let clock = Clock::start();
        let jobs = self.jobs();
        let (first, is_whole) = self.play_what_is_left(pool, &jobs)?;
        // The logs and captures of the first time stay.
        let again: Vec<Job> = jobs
            .into_iter()
            .map(|job| Job {
                log: None,
                captures: None,
                trace: None,
                ..job
            })
            .collect();
        let second = pool.play(&again)?;
        let mut differences = Vec::new();
        for ((job, first), second) in again.iter().zip(&first).zip(&second) {
            let Some(mut difference) = compare(job, first, second) else {
                continue;
            };
            // One seed's first differing event is enough to go after.
            if differences.is_empty() {
                let found = first_event(pool, job)?;
                difference.what = format!("{}; {found}", difference.what);
            }
            differences.push(difference);
        }
        let origin = clock.origin(self, pool, is_whole);
        Ok((self.record(first, &differences, &origin)?, differences))
    }

    /// Plays the jobs of which no result is kept, and keeps theirs; tells whether these were all.
    fn play_what_is_left(
        &self,
        pool: &Pool<'_>,
        jobs: &[Job],
    ) -> Result<(Vec<Played>, bool), ExperimentError> {
        let Some(kept) = &self.keep.results else {
            return Ok((pool.play(jobs)?, true));
        };
        let mut results: Vec<Option<Played>> = jobs.iter().map(|job| kept.find(job)).collect();
        let left: Vec<Job> = (jobs.iter().zip(&results))
            .filter(|(_, result)| result.is_none())
            .map(|(job, _)| job.clone())
            .collect();
        let keeper = Keeper {
            kept,
            jobs: &left,
            watcher: pool.watcher,
            stop: pool.stop,
            trouble: Mutex::default(),
        };
        let keeping = Pool {
            watcher: &keeper,
            ..*pool
        };
        let played = keeping.play(&left);
        if let Some(source) = keeper.into_trouble() {
            let folder = kept.folder().to_owned();
            return Err(ExperimentError::Unkept { folder, source });
        }
        let mut played = played?.into_iter();
        for result in results.iter_mut().filter(|result| result.is_none()) {
            *result = played.next();
        }
        let is_whole = left.len() == jobs.len();
        Ok((results.into_iter().flatten().collect(), is_whole))
    }

    fn make_folders(&self) -> Result<(), ExperimentError> {
        let logs = self.keep.logs.as_ref().map(|logs| &logs.folder);
        for folder in logs.into_iter().chain(&self.keep.events) {
            std::fs::create_dir_all(folder).map_err(|source| ExperimentError::Folder {
                folder: folder.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// The record of what was played, one for each job in their order.
    fn record(
        &self,
        played: Vec<Played>,
        differences: &[Difference],
        origin: &Origin,
    ) -> Result<Record, ExperimentError> {
        let mut played = played.into_iter();
        let by_case = self.cases.iter();
        let by_case = by_case
            .map(|_| played.by_ref().take(self.seeds.len()).collect())
            .collect();
        let mut record = assemble(
            self.engine,
            self.plan,
            &self.cases,
            by_case,
            COMMIT,
            self.arguments.clone(),
            self.cut_short_ns(),
        );
        record.program.clone_from(&self.repeated_by);
        record.origin = Some(origin.clone());
        if !differences.is_empty() {
            record.verdict = Verdict::Irreproducible;
        }
        output::summarise(&mut record)?;
        Ok(record)
    }
}

/// When an experiment was begun.
struct Clock {
    begun: SystemTime,
    since: Instant,
}

impl Clock {
    fn start() -> Self {
        Self {
            begun: SystemTime::now(),
            since: Instant::now(),
        }
    }

    /// What was run; how long that took is known only if this was the `whole` of it.
    fn origin(&self, experiment: &Experiment<'_>, pool: &Pool<'_>, whole: bool) -> Origin {
        let (plan, cases) = (experiment.plan, &experiment.cases);
        // The program's file may have been replaced since the run began.
        let build = match &experiment.keep.results {
            Some(kept) => kept.build().to_owned(),
            None => hash_of_file(pool.program).unwrap_or_default(),
        };
        Origin {
            wall_s: whole.then(|| self.since.elapsed().as_secs_f64()),
            ..origin(plan, cases, build, self.begun)
        }
    }
}

/// The first event in which two more runs of a job differ, for people.
fn first_event(pool: &Pool<'_>, job: &Job) -> Result<String, ExperimentError> {
    let scratch = tempfile::tempdir().map_err(ExperimentError::Scratch)?;
    match locate(pool, job, scratch.path()) {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Ok("two more runs were equal, so it happens only now and then".to_owned()),
        Err(PoolError::Interrupted) => Err(PoolError::Interrupted.into()),
        Err(error @ (PoolError::Start(_) | PoolError::Unwritten { .. })) => Ok(format!(
            "the first differing event could not be found: {error}"
        )),
    }
}
