//! `orrery-bench`: whole-run measurements, printed as tables or JSON.

use std::io;

use anyhow::Result;
use clap::{Parser, Subcommand};
use orrery_bench::command::{compare_turmoil, connections, kernel, packets, work};

/// What simulations cost, in CPU time of this process
#[derive(Parser)]
#[command(
    version,
    after_help = "Build it with --profile dist: other builds measure themselves."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The same workloads on our kernel and on turmoil, as CPU seconds for a simulated second
    CompareTurmoil(compare_turmoil::Options),
    /// What TCP connections cost that nobody uses
    Connections(connections::Options),
    /// What an event costs when hosts do nothing but wait
    Kernel(kernel::Options),
    /// What a packet costs, and whether that grows with the number of hosts
    Packets(packets::Options),
    /// What a whole scenario costs in time and memory, and where the time goes
    Work(work::Options),
    /// Measure one run as told on standard input
    #[command(hide = true)]
    Worker,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        eprintln!("warning: this is a debug build; use `cargo run --profile dist -p orrery-bench`");
    }
    let out = &mut io::stdout().lock();
    match arguments.command {
        Command::CompareTurmoil(options) => compare_turmoil::run(&options, out),
        Command::Connections(options) => connections::run(&options, out),
        Command::Kernel(options) => kernel::run(&options, out),
        Command::Packets(options) => packets::run(&options, out),
        Command::Work(options) => work::run(&options, &std::env::current_exe()?, out),
        Command::Worker => Ok(orrery_bench::work::serve(&mut io::stdin().lock(), out)?),
    }
}
