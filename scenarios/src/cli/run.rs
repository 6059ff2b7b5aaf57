//! `orrery run`: plays a scenario and reports.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use orrery_reports::record::Record;

use super::arguments::Format;
use super::ending;
use super::progress::Bar;
use super::selection::{Selection, Workers, unavailable};
use super::{CliError, give, tell};
use crate::engine::{self, Engine, Experiment, Keep, LogTo};
use crate::format::reading::problem::quoted;
use crate::output;

/// `orrery run`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery run feed/skewed-clocks
  orrery run feed/skewed-clocks --seeds 3 --set group.home.count=8 --set group.home.friends.degree=4
  orrery run feed/skewed-clocks --seed 4 --variant after_ts --log orrery_node=debug
  orrery run feed/quiet --seed 1 --variant cursor --until 2m --pcap
  orrery run feed/quiet --verify --format json > result.json

The same seed of the same build gives the same run, event by event. Results go to target/orrery/<scenario>/ unless
--out says otherwise: report.html, summary.md, metrics.csv and result.json.")]
pub struct Run {
    /// What is played
    #[command(flatten)]
    pub selection: Selection,
    /// Folder of the results [default: target/orrery/<scenario>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Play every seed twice, in separate processes, and compare
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
    /// every simulation that is played; --seed and --variant choose one. Times are simulated.
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
    run.refuse_what_is_not_there()?;
    let plan = run.selection.plan()?;
    let out = run
        .out
        .clone()
        .unwrap_or_else(|| Path::new("target/orrery").join(&plan.name));
    let mut experiment = run.selection.experiment(program, &plan)?;
    experiment = experiment.keeping(run.keep(&out)?);
    if run.verify {
        experiment = experiment.also_repeated_by("--verify");
    }
    output::prepare(&out).map_err(|error| {
        let folder = out.display();
        CliError::Tool(format!(
            "cannot write to the output folder {folder}: {error}; choose another by --out"
        ))
    })?;
    let workers = Workers::new(&run.selection)?;
    tell_beginning(&experiment);
    let bar = Bar::new();
    let pool = workers.pool(&bar);
    let (record, differences) = if run.verify {
        let (record, differences) = experiment.play_twice(&pool)?;
        (record, Some(differences))
    } else {
        (experiment.play(&pool)?, None)
    };
    bar.clear();
    run.report(&record, &out)?;
    ending::tell_ending(&experiment, &record, differences.as_deref());
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
}
