//! `orrery run`: plays a scenario and reports.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use orrery_reports::record::Record;

use super::answer::tell_warnings;
use super::ending;
use super::folder::Folder;
use super::format::Format;
use super::progress::Bar;
use super::selection::{Selection, Workers, unavailable};
use super::{CliError, give, tell};
use crate::engine::{self, Experiment, ExperimentError, Keep, Kept};
use crate::format::reading::problem::quoted;
use crate::job::{Engine, LogTo};
use crate::load::load_record;
use crate::output;

/// `orrery run`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orrery run feed/skewed-clocks
  orrery run feed/skewed-clocks --seeds 3 --set group.home.friends.degree=4
  orrery run feed/quiet --seed 4 --log orrery_node=debug
  orrery run feed/quiet --seed 1 --variant cursor --until 2m --pcap
  orrery run feed/quiet --verify --format json > result.json

The same seed of the same build gives the same run, event by event. Results go
to target/orrery/<scenario>/ unless --out says otherwise: report.html,
summary.md, metrics.csv and result.json. What an earlier run left there is moved
to earlier/<number>/. A run that was interrupted goes on where it stopped when
the same command is given again.")]
pub struct Run {
    /// What is run
    #[command(flatten)]
    pub selection: Selection,
    /// Folder of the results [default: target/orrery/<scenario>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Run every seed twice, in separate processes, and compare
    #[arg(long)]
    pub verify: bool,
    /// Write the hosts' logs, such as info or orrery_node=debug
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Write a record of every event for each simulation, for `first-difference`
    #[arg(long, value_name = "DIR", hide = true)]
    pub record: Option<PathBuf>,
    /// Capture each host's packets, for Wireshark
    ///
    /// Writes captures/<variant>-<seed>/capture-<host>.pcapng below the folder of the results, for
    /// every simulation; --seed and --variant choose one. Times are simulated.
    /// Each packet has its direction and the names of both hosts as a comment. QUIC opens
    /// decrypted: its secrets are in the captures, and in keys-<host>.log beside them for other
    /// programs (SSLKEYLOGFILE's format). Noise, which nodes speak over TCP, stays encrypted.
    #[arg(long)]
    pub pcap: bool,
    /// Write a trace for Perfetto (not available yet)
    #[arg(long)]
    pub trace: bool,
}

/// Plays a scenario and reports.
pub fn run(program: &str, run: &Run) -> Result<u8, CliError> {
    let again = load_record(&run.selection.scenario)?;
    let run = &match &again {
        Some(record) => Run {
            selection: run.selection.as_in(record)?,
            ..run.clone()
        },
        None => run.clone(),
    };
    run.refuse_what_is_not_there()?;
    let plan = run.selection.plan()?;
    let out = run
        .out
        .clone()
        .unwrap_or_else(|| Path::new("target/orrery").join(&plan.name));
    let mut experiment = run.selection.experiment(program, &plan)?;
    let mut keep = run.keep(&out)?;
    if run.verify {
        experiment = experiment.also_repeated_by("--verify");
    }
    let folder = Folder::open(&out)?;
    let workers = Workers::new(&run.selection)?;
    let kept = folder.kept(workers.program())?;
    keep.results = Some(kept.clone());
    experiment = experiment.keeping(keep);
    tell_beginning(&experiment);
    tell_earlier(&folder, &kept, &experiment)?;
    let bar = Bar::new();
    let pool = workers.pool(&bar);
    let played = if run.verify {
        let twice = experiment.play_twice(&pool);
        twice.map(|(record, differences)| (record, Some(differences)))
    } else {
        experiment.play(&pool).map(|record| (record, None))
    };
    bar.clear();
    let (record, differences) = played.map_err(|error| interrupted(error, &kept, &experiment))?;
    run.report(&record, folder.path())?;
    folder.finish()?;
    if let Some(earlier) = again {
        ending::tell_whether_same(&earlier, &record);
    }
    ending::tell_ending(&record, differences.as_deref());
    Ok(engine::exit_code(record.verdict))
}

impl Run {
    fn refuse_what_is_not_there(&self) -> Result<(), CliError> {
        if self.selection.engine()? == Engine::Turmoil {
            let asked = [("--log", self.log.is_some()), ("--pcap", self.pcap)];
            if let Some((what, _)) = asked.iter().find(|(_, asked)| *asked) {
                return Err(CliError::Input(format!(
                    "{what} is the simulator's: there is none with --engine turmoil"
                )));
            }
        }
        if self.trace {
            return Err(unavailable("--trace"));
        }
        Ok(())
    }

    /// What is kept of every simulation, below the folder of the results.
    fn keep(&self, out: &Path) -> Result<Keep, CliError> {
        if let Some(filter) = &self.log {
            filter
                .parse::<tracing_subscriber::filter::Targets>()
                .map_err(|error| CliError::Input(format!("--log {}: {error}", quoted(filter))))?;
        }
        Ok(Keep {
            logs: self.log.as_ref().map(|filter| LogTo {
                filter: filter.clone(),
                folder: out.join("logs"),
            }),
            captures: self.pcap.then(|| out.join("captures")),
            events: self.record.clone(),
            results: None,
        })
    }

    /// Writes the record's files and prints it.
    fn report(&self, record: &Record, out: &Path) -> Result<(), CliError> {
        let tool = |error: orrery_reports::Error| CliError::Tool(error.to_string());
        let files = output::write(record, out).map_err(tool)?;
        match self.format {
            Format::Text => give(&output::text(record, coloured()))?,
            Format::Json => give(&output::json(record).map_err(tool)?)?,
        }
        if let Some(report) = files.first() {
            tell(&format!("report: {}", report.display()));
        }
        Ok(())
    }
}

/// Tells what of earlier runs lies in the folder: this one's own parts, with which it goes on, or
/// another's, which is set aside.
fn tell_earlier(folder: &Folder, kept: &Kept, experiment: &Experiment<'_>) -> Result<(), CliError> {
    let jobs = experiment.jobs();
    if let Some(aside) = folder.set_aside(kept, &jobs)? {
        let aside = aside.display();
        tell(&format!(
            "note: what an earlier run left here is now in {aside}"
        ));
    }
    let ended = kept.count(&jobs);
    if ended > 0 {
        tell(&format!(
            "goes on: {ended} of {} simulations had ended when this run was interrupted",
            jobs.len()
        ));
    }
    Ok(())
}

/// The error of an experiment; one that was interrupted tells what is kept of it.
fn interrupted(error: ExperimentError, kept: &Kept, experiment: &Experiment<'_>) -> CliError {
    let error = CliError::from(error);
    let jobs = experiment.jobs();
    match (error, kept.count(&jobs)) {
        (CliError::Interrupted(_), 0) => {
            CliError::Interrupted(": no simulation had ended".to_owned())
        }
        (CliError::Interrupted(_), ended) => CliError::Interrupted(format!(
            ": {ended} of {} simulations had ended and are kept; the same command goes on with the \
             rest",
            jobs.len()
        )),
        (error @ (CliError::Input(_) | CliError::Tool(_)), _) => error,
    }
}

/// Whether standard output takes colours: <https://no-color.org>.
fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stdout().is_terminal()
}

fn tell_beginning(experiment: &Experiment<'_>) {
    let seeds = match experiment.seeds() {
        [seed] => format!("seed {seed}"),
        seeds => format!("seeds 1 to {}", seeds.len()),
    };
    let variants = experiment.variants();
    let variants = if variants.len() > 1 {
        format!("  variants {}", variants.join(", "))
    } else {
        String::new()
    };
    let engine = match experiment.engine() {
        Engine::Sim => String::new(),
        Engine::Turmoil => "  engine turmoil".to_owned(),
    };
    tell(&format!(
        "{}  {seeds}  commit {}{variants}{engine}",
        experiment.plan().name,
        engine::COMMIT
    ));
    tell_warnings(&experiment.plan().warnings);
    if experiment.plan().gone > 0 {
        tell(&format!(
            "note: {} of the scenario's expectations are of cells that --set took away: they are not \
             judged",
            experiment.plan().gone
        ));
    }
}
