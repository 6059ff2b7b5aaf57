//! Plays a plan: one worker process for each (variant, seed), and their results merged.
//!
//! Libraries of the node keep counters for the whole process, so one process plays one
//! simulation. Owns processes, their order and the record; it neither simulates nor judges what
//! a figure means. The record depends only on the plan, never on which worker ended first.

mod cells;
mod job;
mod judge;
mod pool;
mod record;
mod stop;
mod verify;
mod worker;

pub use job::{Engine, Job, LogTo, Progress, STALLED, UNWRITTEN};
pub use judge::{exit_code, failures, verdict};
pub use pool::{Outcome, PoolError, Watcher, play_all};
pub use record::assemble;
pub use stop::Stop;
pub use verify::{Difference, compare, locate, parting};
pub use worker::{Frame, WorkerError, serve};
