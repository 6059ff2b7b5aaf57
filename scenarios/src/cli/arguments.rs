//! The commands of the program. What each of them takes stands in its own file.

use clap::{Parser, Subcommand, ValueEnum};

use super::check::Check;
use super::explain::Explain;
use super::first_difference::FirstDifference;
use super::list::List;
use super::new::New;
use super::report::Report;
use super::run::Run;
use super::validation::Validation;

/// Plays scenarios of a peer-to-peer network: real nodes, simulated world.
#[derive(Debug, Parser)]
#[command(
    name = "orrery",
    version = crate::engine::COMMIT,
    after_help = "\
Examples:
  orrery list                               what ships with the tool
  orrery run feed/quiet                     play a scenario of the catalog
  orrery run my.toml --seed 7 --variant b   one seed of one variant of a file
  orrery explain fault.partition            what can be written into a file
  orrery check *.toml                       are these files sound?
  orrery new ../mine                        a program with kinds of your own

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
    /// Make the pages of results anew, and an index of them
    Report(Report),
    /// Check scenario files without playing them
    Check(Check),
    /// Make a crate with workloads, faults and scenarios of your own
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

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}
