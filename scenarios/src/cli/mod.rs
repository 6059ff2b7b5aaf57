//! The command line of `orrery`: what it is asked, what it answers, and its exit code.
//!
//! Data goes to standard output, everything else to standard error.

mod answer;
mod arguments;
mod build_hint;
mod check;
mod ending;
mod explain;
mod first_difference;
mod folder;
mod format;
mod import;
mod list;
mod new;
mod progress;
mod report;
mod run;
mod selection;
mod show;
mod validation;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use orrery_node::extension::{NodeService, ServiceKind};

use crate::built_in::BuiltIn;
use crate::catalog;
use crate::fault::{self, FaultKind};
use crate::format::reading::problem::quoted;
use crate::services;
use crate::workload;
pub use answer::CliError;
use answer::{give, tell};
use arguments::{Arguments, Command};

/// The program with what ships with it; a program of other people adds its own to it.
pub fn cli() -> Cli {
    Cli {
        name: "orrery",
        services: Vec::new(),
        workloads: Vec::new(),
        faults: Vec::new(),
        scenarios: Vec::new(),
    }
}

/// A program with this command line, and what it knows beside what ships.
#[must_use]
pub struct Cli {
    name: &'static str,
    services: Vec<ServiceKind>,
    workloads: Vec<workload::Entry>,
    faults: Vec<fault::Kind>,
    scenarios: Vec<BuiltIn>,
}

impl Cli {
    /// The program's name, `orrery` otherwise: in its help, and in the commands that repeat a run.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// A service with a protocol of its own, in each simulated node whose settings do not switch it
    /// off.
    pub fn service<S: NodeService>(mut self) -> Self {
        self.services.push(ServiceKind::of::<S>());
        self
    }

    /// One more kind of workload, with its metrics.
    pub fn workload<K: workload::Kind>(mut self) -> Self {
        self.workloads.push(workload::Entry::of::<K>());
        self
    }

    /// One more kind of fault.
    pub fn fault<K: FaultKind>(mut self) -> Self {
        self.faults.push(fault::Kind::of::<K>());
        self
    }

    /// One more scenario of the catalog: its name, as the text has it, and the text.
    pub fn scenario(mut self, name: &'static str, text: &'static str) -> Self {
        self.scenarios.push(BuiltIn {
            name,
            text,
            table: "",
        });
        self
    }

    /// Runs the program with the arguments of its process, which is a worker if they say so.
    ///
    /// # Panics
    /// If a program was run before in this process.
    pub fn run(self) -> ExitCode {
        let added = [
            ("services of the node", services::add(self.services)),
            ("metrics", workload::check_metrics(&self.workloads)),
            ("kinds of workload", workload::add(self.workloads)),
            ("kinds of fault", fault::add(self.faults)),
            ("scenarios", catalog::add(self.scenarios)),
        ];
        workload::ready();
        for (what, added) in added {
            if let Err(name) = added {
                let name = quoted(&name);
                tell(&format!("error: two {what} are called {name}: rename one"));
                return ExitCode::from(2);
            }
        }
        let parsed = Arguments::command()
            .name(self.name)
            .bin_name(self.name)
            .try_get_matches()
            .and_then(|matches| Arguments::from_arg_matches(&matches));
        match parsed {
            Ok(arguments) => answer(self.name, arguments.command),
            Err(error) => {
                let code = u8::from(error.use_stderr()) * 2;
                // Help that nobody reads any more is no failure.
                let _ = error.print();
                ExitCode::from(code)
            }
        }
    }
}

/// Has a command answered by its file.
fn answer(program: &'static str, command: Command) -> ExitCode {
    let answer = match command {
        Command::Run(asked) => run::run(program, &asked),
        Command::List(asked) => list::run(&asked),
        Command::Show(asked) => show::run(&asked),
        Command::Explain(asked) => explain::run(&asked),
        Command::Report(asked) => report::run(&asked),
        Command::Check(asked) => check::run(&asked),
        Command::Import(asked) => import::run(&asked),
        Command::New(asked) => new::run(&asked),
        Command::Validation(asked) => validation::run(&asked),
        Command::FirstDifference(asked) => first_difference::run(&asked),
        Command::Worker => worker::run(),
    };
    match answer {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("error: {}", error.to_string().trim_end()));
            ExitCode::from(error.exit_code())
        }
    }
}
