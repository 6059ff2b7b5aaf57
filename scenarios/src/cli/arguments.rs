//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Plays scenarios of a peer-to-peer network: real nodes, simulated world.
#[derive(Debug, Parser)]
#[command(
    name = "orrery",
    version = super::COMMIT,
    after_help = "\
Examples:
  orrery list                               what ships with the tool
  orrery run feed/quiet                     play a scenario of the catalog
  orrery run my.toml --seed 7 --variant b   one seed of one variant of a file
  orrery explain fault.partition            what can be written into a file
  orrery check *.toml                       are these files sound?

Exit codes: 0 held, 1 an expectation failed, 2 bad usage or input, 3 an invariant broke, a node
panicked or a declared fault never fired, 4 no progress, 5 not reproducible, 6 the tool itself
failed. Where several apply, the highest."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play a scenario and report latency and reliability
    Run(Run),
    /// List the scenarios of the catalog
    List(List),
    /// Explain a field, a metric, the profiles, or how a scenario is written
    Explain(Explain),
    /// Check scenario files without playing them
    Check(Check),
    /// Compare the simulator with exact, analytic and measured figures
    #[command(hide = true)]
    Validation(Validation),
    /// Tell the first event in which two files of `run --record` differ
    #[command(hide = true)]
    FirstDifference {
        /// One record
        a: PathBuf,
        /// Another
        b: PathBuf,
    },
    /// Play one job from standard input
    #[command(hide = true)]
    Worker,
}

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
    /// A scenario of the catalog (`orrery list`) or a file
    #[arg(value_name = "FILE|NAME")]
    pub scenario: String,
    /// Play this one seed
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Play seeds 1 to N [default: as the scenario says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub seeds: Option<u32>,
    /// Simulations at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub jobs: Option<u16>,
    /// Play only this variant
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Change the scenario before it is checked, such as group.home.count=8
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// What plays the scenario
    #[arg(long, value_enum, default_value_t = Engine::Sim)]
    pub engine: Engine,
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
    /// Stop at this simulated time, such as 90s; expectations are not judged then
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
}

/// What plays a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// The deterministic simulator
    Sim,
    /// The same node over turmoil's hosts and network
    Turmoil,
    /// Real processes on real machines (not available yet)
    Testnet,
    /// Real processes in network namespaces (not available yet)
    Netns,
}

impl Engine {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Turmoil => "turmoil",
            Self::Testnet => "testnet",
            Self::Netns => "netns",
        }
    }

    /// The engine, if there is one yet.
    pub fn available(self) -> Option<crate::engine::Engine> {
        match self {
            Self::Sim => Some(crate::engine::Engine::Sim),
            Self::Turmoil => Some(crate::engine::Engine::Turmoil),
            Self::Testnet | Self::Netns => None,
        }
    }
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `orrery list`
#[derive(Debug, Args)]
pub struct List {
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `orrery explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orrery explain                    how a scenario is written
  orrery explain group.friends      a field and what is below it
  orrery explain metrics            all metrics with their units
  orrery explain feed.missed_forever
  orrery explain profiles           delay and access profiles with their sources
  orrery explain schema             the JSON Schema, for an editor
  orrery explain access-schema      the one of access profiles")]
pub struct Explain {
    /// A field, a metric, `metrics`, `profiles` or `schema`
    pub topic: Option<String>,
}

/// `orrery check`
#[derive(Debug, Args)]
pub struct Check {
    /// Files, or names of the catalog
    #[arg(required = true, value_name = "FILE|NAME")]
    pub files: Vec<String>,
    /// Change each before it is checked
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
}

/// `orrery validation`
#[derive(Debug, Args)]
pub struct Validation {
    /// Only the rows that this mutation of their model must break, under it
    #[arg(long, value_name = "NAME")]
    pub mutation: Option<String>,
    /// Only the row of this name
    #[arg(long, value_name = "ID")]
    pub row: Option<String>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Only play the world of row V37-entropy with this seed, and print its trace hash
    #[arg(long, value_name = "SEED", hide = true)]
    pub trace_hash: Option<u64>,
}
