//! What a program does in a run: it is booted on hosts, and what became of it is collected in the end.

use std::sync::Arc;

use orrery_reports::record::SeedResult;

use super::{Program, ProgramKind};
use crate::play::run::Run;
use crate::play::verdict::metrics::Metrics;

/// A program as it runs. What it notes of its hosts, `run.state().programs` keeps by type.
pub trait RunProgram: ProgramKind {
    /// Starts it on a host, whose programs end with the host's life.
    fn boot(&self, run: &Arc<Run>, host: u32);

    /// A run has ended: what became of all of its hosts.
    fn collect(run: &Run, metrics: &mut Metrics, result: &mut SeedResult) {
        let _ = (run, metrics, result);
    }
}

/// Makes of the list of programs what a run asks of any of them.
macro_rules! dispatch {
    ($($(#[$meaning:meta])+ $name:literal $kind:ident($program:ty);)+) => {
        /// See [`RunProgram::boot`].
        pub fn boot(program: &Program, run: &Arc<Run>, host: u32) {
            match program {
                $(Program::$kind(program) => program.boot(run, host),)+
            }
        }

        /// Collects what became of all programs' hosts.
        pub fn collect(run: &Run, metrics: &mut Metrics, result: &mut SeedResult) {
            $(<$program>::collect(run, metrics, result);)+
        }
    };
}

programs!(dispatch);
