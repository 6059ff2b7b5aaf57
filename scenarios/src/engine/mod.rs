//! Plays a plan: one worker process for each variant, cell and seed, and their results merged.
//!
//! Libraries of the node keep counters for the whole process, so one process plays one
//! simulation. Owns the way from a plan to its record, an [`Experiment`]: jobs, processes, their
//! order and the verdict. It neither simulates nor judges what a figure means, and knows nothing
//! of arguments and terminals. The record depends only on the plan, never on which worker ended
//! first.

mod cells;
mod experiment;
mod judge;
mod kept;
mod origin;
mod pool;
mod record;
mod stop;
mod verify;
mod worker;

pub use experiment::{Experiment, ExperimentError, Keep, NoVariant};
use judge::verdict;
pub use judge::{exit_code, failures};
pub use kept::{Kept, hash_of_file};
pub use pool::{Pool, PoolError, Unwatched, Watcher};
pub use stop::Stop;
pub use verify::{Difference, parting};
pub use worker::{Frame, WorkerError, serve};

/// The commit that this program was built from.
pub const COMMIT: &str = env!("ORRERY_COMMIT");

/// The profile that this program was built with: `dev` is `debug` here. Empty where it is not known.
pub const PROFILE: &str = env!("ORRERY_PROFILE");
