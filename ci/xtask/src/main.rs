//! `cargo xtask`: the project's own checks, each a subcommand and a file.
//!
//! Nothing here is part of the product, and nothing here depends on it: the
//! programs are run from outside, as a user would. [`ci`] lists the checks that
//! every commit passes.
#![expect(
    clippy::print_stdout,
    reason = "a check reports on standard output; that is what it is for"
)]

mod ci;
mod costs;
mod determinism;
mod figures;
mod fuzz;
mod goldens;
mod imports;
mod layers;
mod licences;
mod orrery;
mod outside;
mod pages;
mod program;
mod regressions;
mod run_record;
mod side_by_side;
mod source;
mod table;
mod tidy;
mod validation;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The project's own checks.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Start with `cargo xtask ci`: it runs all of them, in the order of cost."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that a commit has to pass, stopping at the first failure
    Ci(ci::Options),
    /// Conventions that compilers do not check
    Tidy,
    /// The direction of dependencies between the crates
    Layers,
    /// Licences of all dependencies, and crates present in several versions
    Licences,
    /// Equal seeds give equal traces, whatever surrounds the run
    Determinism(determinism::Options),
    /// Small runs against their committed results
    Goldens(goldens::Options),
    /// Small scenarios that once gave a wrong answer give the right one
    Regressions(regressions::Options),
    /// The simulator against exact, analytic and measured figures
    Validation,
    /// The program `orrery-node`: what it links, its lints, its tests
    Program,
    /// Pictures, tables and plots of README and tutorial are what their commands give
    Figures(figures::Options),
    /// Reports in a real browser: nothing cut off, nothing missing, few pages when printed
    Pages,
    /// The example of other people's programs: builds it and plays its scenario
    Outside,
    /// What scenarios cost, for `orrery list`: measures and writes scenarios/costs.csv
    Costs(costs::Options),
    /// Each validation row fails once its model is broken on purpose
    Mutants,
    /// Fuzz targets, each for a few seconds
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    if fuzz::wrapper::is_asked_for() {
        return fuzz::wrapper::run();
    }
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Ci(options) => ci::run(&workspace, &options),
        Command::Tidy => tidy::run(&workspace),
        Command::Figures(options) => figures::run(&workspace, &options).map(drop),
        Command::Pages => {
            pages::run(&workspace).map(|lines| lines.iter().for_each(|line| println!("{line}")))
        }
        Command::Layers => layers::run(&workspace),
        Command::Licences => licences::run(&workspace),
        Command::Determinism(options) => determinism::run(&workspace, &options),
        Command::Goldens(options) => goldens::run(&workspace, &options),
        Command::Regressions(options) => regressions::run(&workspace, &options),
        Command::Validation => validation::run(&workspace),
        Command::Mutants => validation::mutants(&workspace),
        Command::Outside => outside::run(&workspace).map(drop),
        Command::Program => program::run(&workspace).map(|_| ()),
        Command::Costs(options) => costs::run(&workspace, &options),
        Command::Fuzz(options) => fuzz::run(&workspace, &options),
    }
}
