//! The commands of the program. What each of them takes stands in its own file.

use clap::{Parser, Subcommand};

use super::check::Check;
use super::explain::Explain;
use super::first_difference::FirstDifference;
use super::import::Import;
use super::list::List;
use super::new::New;
use super::report::Report;
use super::run::Run;
use super::show::Show;
use super::validation::Validation;

/// Plays scenarios of a peer-to-peer network: real nodes, simulated world.
#[derive(Debug, Parser)]
#[command(
    name = "orrery",
    version = crate::engine::COMMIT,
    max_term_width = 80,
    after_help = "\
Examples:
  orrery list                               what ships with the tool
  orrery run feed/quiet                     run a scenario of the catalog
  orrery show feed/quiet > my.toml          its text, to start from
  orrery run my.toml --seed 7 --variant cursor   one seed of one variant
  orrery run result.json                    what a result is of, again
  orrery explain fault.partition            what can be written into a file
  orrery check *.toml                       are these files sound?
  orrery new ../mine                        a program of your own

Exit codes: 0 held, 1 an expectation failed, 2 bad usage or input, 3 an
invariant broke, a node panicked or a declared fault never fired, 4 no progress,
5 not reproducible, 6 the tool itself failed or could not write, 7 nothing went
wrong but nothing that the scenario expects was judged (--until, --variant), 130
interrupted: what had ended is kept. Of 1 and 3 to 6, the highest that applies."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario and report latency and reliability
    Run(Run),
    /// List the scenarios of the catalog
    List(List),
    /// Print a scenario of the catalog, to start from
    Show(Show),
    /// Explain a field, a metric, a profile, a setting, or how a scenario is written
    Explain(Explain),
    /// Redraw the reports of results, and an index of them
    Report(Report),
    /// Check scenario files without running them
    Check(Check),
    /// Make a profile of a published table
    Import(Import),
    /// Make a crate with a protocol, a service, a workload and a scenario of your own
    New(New),
    /// Compare the simulator with exact, analytic and measured figures
    #[command(hide = true)]
    Validation(Validation),
    /// Tell the first event in which two files of `run --record` differ
    #[command(hide = true)]
    FirstDifference(FirstDifference),
    /// Play one job from standard input
    #[command(hide = true)]
    Worker,
}
