//! Whole scenarios as work: what one run costs in time and memory, and what it
//! delivered.
//!
//! Owns the runs, each in a process of its own, and the figures drawn from them.

mod figures;
mod machine;
mod page;
mod run;

pub use figures::{Figure, Spread, figures, spread};
pub use machine::Machine;
pub use page::page;
pub use run::{Instants, Measured, Memory, Request, WorkError, in_own_process, serve};

use serde::Serialize;

use crate::profile::Profile;

/// What was measured of one variant of a scenario, in one fidelity.
#[derive(Debug, Serialize)]
pub struct Case {
    /// What sets it apart: the fidelity, or the variant's name.
    pub name: String,
    /// Hash of everything delivered, the same in every run.
    pub trace_hash: String,
    /// Each figure over all runs without profile.
    pub figures: Vec<Spread>,
    /// Where the CPU time went, from a further run.
    pub profile: Option<Profile>,
}

/// What was measured of a scenario, and how.
#[derive(Debug, Serialize)]
pub struct Measurement {
    /// The scenario.
    pub scenario: String,
    /// The words that repeat it, after the program's name.
    pub arguments: Vec<String>,
    /// Runs behind each figure.
    pub runs: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// What was compared.
    pub cases: Vec<Case>,
}
