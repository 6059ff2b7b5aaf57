//! Experiments as data: the scenario format, its catalog and profiles, and what plays them.
//!
//! Owns everything between a scenario file and a run record: reading and checking ([`format`]),
//! what ships with the tool ([`catalog`], [`profiles`], [`metrics`]), the kinds of work that hosts
//! are given ([`workload`]), the world that a seed draws ([`world`]), what its hosts stand on
//! ([`testbed`]), playing one seed ([`play`]),
//! many of them in worker processes and their record ([`engine::Experiment`]) and the command line
//! ([`cli`]). Benchmarks aside, it is the only crate in which the node and the simulator meet, and it holds no
//! protocol and no network model of its own.
//!
//! An outside program has the same command line with services of the node, kinds and scenarios
//! of its own:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     orrery_scenarios::cli()
//!         .named("mine")
//!         .scenario("mine/first", "name = 'mine/first'\nduration = '1m'")
//!         .run()
//! }
//! ```

mod added;
pub mod allocator;
mod built_in;
mod by_kind;
pub mod catalog;
pub mod cli;
mod costs;
pub mod engine;
pub mod failure;
mod fairness;
pub mod fault;
pub mod format;
pub mod job;
pub mod load;
pub mod metrics;
mod named;
mod output;
pub mod play;
pub mod profiles;
pub mod program;
mod services;
pub mod testbed;
mod text;
pub mod validation;
pub mod workload;
pub mod world;

pub use cli::cli;
