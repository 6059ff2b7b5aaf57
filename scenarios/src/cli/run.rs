//! `orrery run`: plays a scenario and reports.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use orrery_reports::record::{Record, SeedResult, Verdict};

use super::arguments::{Format, Run};
use super::load::{load, load_checked};
use super::progress::Bar;
use super::{COMMIT, CliError, give, tell};
use crate::engine::{self, Difference, Engine, Job, LogTo, PoolError, Stop};
use crate::format::reading::problem::{quoted, suggestion};
use crate::format::reading::quantity::time_ns;
use crate::format::{Case, Plan};
use crate::{output, play};

/// Failures that are told on the terminal; the report has them all.
const TOLD_MAX: usize = 5;

/// Plays a scenario and reports.
pub fn run(run: &Run) -> Result<u8, CliError> {
    let engine = available(run)?;
    let plan = match engine {
        Engine::Sim => load(&run.scenario, &run.set)?,
        Engine::Turmoil => load_checked(&run.scenario, &run.set, &play::refuse_what_it_lacks)?,
    };
    let session = Session::new(run, engine, &plan)?;
    output::prepare(&session.out).map_err(|error| {
        let folder = session.out.display();
        CliError::Tool(format!(
            "cannot write to the output folder {folder}: {error}; choose another by --out"
        ))
    })?;
    session.tell_begin();
    let (mut record, differences) = session.play()?;
    if !differences.is_empty() {
        record.verdict = Verdict::Irreproducible;
    }
    output::summarise(&mut record).map_err(|error| CliError::Tool(error.to_string()))?;
    let files =
        output::write(&record, &session.out).map_err(|error| CliError::Tool(error.to_string()))?;
    match run.format {
        Format::Text => give(&output::text(&record, coloured()))?,
        Format::Json => {
            give(&output::json(&record).map_err(|error| CliError::Tool(error.to_string()))?)?;
        }
    }
    if let Some(report) = files.first() {
        tell(&format!("report: {}", report.display()));
    }
    session.tell_end(&record, &differences);
    Ok(engine::exit_code(record.verdict))
}

/// Whether standard output takes colours: <https://no-color.org>.
fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stdout().is_terminal()
}

/// The engine, unless it or something else that was asked for is not there.
fn available(run: &Run) -> Result<Engine, CliError> {
    let unavailable =
        |what: &str| CliError::Input(format!("{what} is not available yet; run without it"));
    let Some(engine) = run.engine.available() else {
        return Err(unavailable(&format!("--engine {}", run.engine.name())));
    };
    if engine == Engine::Turmoil {
        let asked = [("--log", run.log.is_some()), ("--pcap", run.pcap)];
        if let Some((what, _)) = asked.iter().find(|(_, asked)| *asked) {
            return Err(CliError::Input(format!(
                "{what} is the simulator's: there is none with --engine turmoil"
            )));
        }
    }
    if run.trace {
        return Err(unavailable("--trace"));
    }
    Ok(engine)
}

/// A run with everything that was asked of it resolved.
struct Session<'a> {
    run: &'a Run,
    engine: Engine,
    plan: &'a Plan,
    cases: Vec<&'a Case>,
    seeds: Vec<u64>,
    at_once: usize,
    until_ns: Option<u64>,
    out: PathBuf,
    program: PathBuf,
}

impl<'a> Session<'a> {
    fn new(run: &'a Run, engine: Engine, plan: &'a Plan) -> Result<Self, CliError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let out = run
            .out
            .clone()
            .unwrap_or_else(|| Path::new("target/orrery").join(&plan.name));
        if let Some(filter) = &run.log {
            filter
                .parse::<tracing_subscriber::filter::Targets>()
                .map_err(|error| CliError::Input(format!("--log {}: {error}", quoted(filter))))?;
        }
        let program = std::env::current_exe().map_err(|error| {
            CliError::Tool(format!("cannot find this program's own file: {error}"))
        })?;
        Ok(Self {
            run,
            engine,
            plan,
            cases: chosen(run, plan)?,
            seeds: match (run.seed, run.seeds) {
                (Some(seed), _) => vec![seed],
                (None, count) => (1..=u64::from(count.unwrap_or(plan.seeds))).collect(),
            },
            at_once: run.jobs.map_or_else(cores, usize::from),
            until_ns: until(run)?,
            out,
            program,
        })
    }

    /// One job for each variant and seed, in the record's order.
    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for case in &self.cases {
            for &seed in &self.seeds {
                let log = self.run.log.as_ref().map(|filter| LogTo {
                    filter: filter.clone(),
                    folder: self.out.join("logs").join(case.title(seed)),
                });
                let captures = self.out.join("captures").join(case.title(seed));
                jobs.push(Job {
                    engine: self.engine,
                    scenario: case.scenario.clone(),
                    variant: case.name.clone(),
                    seed,
                    until_ns: self.until_ns,
                    log,
                    captures: self.run.pcap.then_some(captures),
                    trace: self
                        .run
                        .record
                        .as_ref()
                        .map(|folder| folder.join(case.title(seed) + ".trace")),
                });
            }
        }
        jobs
    }

    fn play(&self) -> Result<(Record, Vec<Difference>), CliError> {
        let jobs = self.jobs();
        if self.run.log.is_some() {
            let folder = self.out.join("logs");
            std::fs::create_dir_all(&folder).map_err(|error| {
                CliError::Tool(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        if let Some(folder) = &self.run.record {
            std::fs::create_dir_all(folder).map_err(|error| {
                CliError::Tool(format!("cannot make {}: {error}", folder.display()))
            })?;
        }
        let stop = Stop::on_signals()
            .map_err(|error| CliError::Tool(format!("cannot watch for signals: {error}")))?;
        let first = self.results(&jobs, &stop)?;
        let differences = if self.run.verify {
            self.verify(&jobs, &first, &stop)?
        } else {
            Vec::new()
        };
        let mut first = first.into_iter();
        let results: Vec<Vec<SeedResult>> = self
            .cases
            .iter()
            .map(|_| first.by_ref().take(self.seeds.len()).collect())
            .collect();
        let arguments = self.arguments();
        let record = engine::assemble(
            self.engine,
            self.plan,
            &self.cases,
            results,
            COMMIT,
            arguments,
            self.until_ns,
        );
        Ok((record, differences))
    }

    fn results(&self, jobs: &[Job], stop: &Stop) -> Result<Vec<SeedResult>, CliError> {
        let bar = Bar::new(jobs);
        let outcomes = engine::play_all(&self.program, jobs, self.at_once, stop, &bar);
        bar.clear();
        let outcomes = outcomes.map_err(pool_error)?;
        Ok(outcomes
            .into_iter()
            .zip(jobs)
            .map(|(outcome, job)| outcome.into_result(job.seed))
            .collect())
    }

    /// Plays everything again and compares. Records of events are large, so they are made only
    /// where something differs.
    fn verify(
        &self,
        jobs: &[Job],
        first: &[SeedResult],
        stop: &Stop,
    ) -> Result<Vec<Difference>, CliError> {
        // The logs and captures of the first run stay.
        let again: Vec<Job> = jobs
            .iter()
            .map(|job| Job {
                log: None,
                captures: None,
                trace: None,
                ..job.clone()
            })
            .collect();
        let second = self.results(&again, stop)?;
        let mut differences = Vec::new();
        for ((job, first), second) in again.iter().zip(first).zip(&second) {
            let Some(mut difference) = engine::compare(job, first, second) else {
                continue;
            };
            // One seed's first differing event is enough to go after.
            if differences.is_empty() {
                let found = self.locate(job, stop)?;
                difference.what = format!("{}; {found}", difference.what);
            }
            differences.push(difference);
        }
        Ok(differences)
    }

    fn locate(&self, job: &Job, stop: &Stop) -> Result<String, CliError> {
        let scratch = tempfile::tempdir()
            .map_err(|error| CliError::Tool(format!("cannot make a temporary folder: {error}")))?;
        let bar = Bar::new(&[]);
        let found = engine::locate(&self.program, job, scratch.path(), stop, &bar);
        bar.clear();
        Ok(match found {
            Ok(Some(event)) => event,
            Ok(None) => "two more runs were equal, so it happens only now and then".to_owned(),
            Err(PoolError::Interrupted) => return Err(CliError::Interrupted),
            Err(error) => format!("the first differing event could not be found: {error}"),
        })
    }

    /// Arguments that repeat this run.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), self.run.scenario.clone()];
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        add("--seed", self.run.seed.map(|seed| seed.to_string()));
        add("--seeds", self.run.seeds.map(|seeds| seeds.to_string()));
        add("--variant", self.run.variant.clone());
        for setting in &self.run.set {
            add("--set", Some(setting.clone()));
        }
        add("--until", self.run.until.clone());
        if self.engine != Engine::Sim {
            add("--engine", Some(self.engine.name().to_owned()));
        }
        if self.run.verify {
            arguments.push("--verify".to_owned());
        }
        arguments
    }

    fn tell_begin(&self) {
        let seeds = match &self.seeds[..] {
            [seed] => format!("seed {seed}"),
            seeds => format!("seeds 1 to {}", seeds.len()),
        };
        let mut variants: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        variants.dedup();
        let variants = if variants.len() > 1 {
            format!("  variants {}", variants.join(", "))
        } else {
            String::new()
        };
        let engine = match self.engine {
            Engine::Sim => String::new(),
            Engine::Turmoil => "  engine turmoil".to_owned(),
        };
        tell(&format!(
            "{}  {seeds}  commit {COMMIT}{variants}{engine}",
            self.plan.name
        ));
    }

    fn tell_end(&self, record: &Record, differences: &[Difference]) {
        for difference in differences.iter().take(TOLD_MAX) {
            tell(&format!(
                "not reproducible: variant {}, seed {}: {}",
                difference.variant, difference.seed, difference.what
            ));
        }
        if self.run.verify && differences.is_empty() {
            tell("verified: every seed gave the same run twice");
        }
        if self.until_ns.is_some() {
            tell("stopped early by --until: expectations were not judged");
        }
        let failed: Vec<(&str, &SeedResult)> = record
            .variants
            .iter()
            .flat_map(|variant| {
                variant
                    .seeds
                    .iter()
                    .map(|seed| (variant.name.as_str(), seed))
            })
            .filter(|(_, seed)| !engine::failures(seed).is_empty())
            .collect();
        for (variant, seed) in failed.iter().take(TOLD_MAX) {
            for failure in engine::failures(seed) {
                tell(&format!(
                    "failed: variant {variant}, seed {}: {failure}",
                    seed.seed
                ));
            }
        }
        if failed.len() > TOLD_MAX {
            tell(&format!(
                "and {} more seeds failed",
                failed.len() - TOLD_MAX
            ));
        }
        if record.verdict == Verdict::Held {
            return;
        }
        // The last line of a failure is the command that repeats it.
        let command = match (differences.first(), failed.first()) {
            (Some(difference), _) => {
                let seed = difference.seed.to_string();
                output::command_of_seed(record, &difference.variant, &seed) + " --verify"
            }
            (None, Some((variant, seed))) => output::command_of_seed(record, variant, &seed.seed),
            (None, None) => output::command_of_run(record),
        };
        tell(&format!("reproduce: {command}"));
    }
}

fn pool_error(error: PoolError) -> CliError {
    match error {
        PoolError::Interrupted => CliError::Interrupted,
        error @ (PoolError::Start(_) | PoolError::Unwritten { .. }) => {
            CliError::Tool(error.to_string())
        }
    }
}

fn chosen<'a>(run: &Run, plan: &'a Plan) -> Result<Vec<&'a Case>, CliError> {
    let Some(name) = &run.variant else {
        return Ok(plan.cases.iter().collect());
    };
    let found: Vec<&Case> = plan
        .cases
        .iter()
        .filter(|case| case.name == *name)
        .collect();
    if found.is_empty() {
        return Err(CliError::Input(format!(
            "--variant: {} has no variant {}; {}",
            plan.name,
            quoted(name),
            suggestion(name, plan.variants())
        )));
    }
    Ok(found)
}

fn until(run: &Run) -> Result<Option<u64>, CliError> {
    let Some(text) = &run.until else {
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
