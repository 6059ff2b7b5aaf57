//! Measurements of the simulator and the node: what they cost, not whether they
//! are right.
//!
//! Owns the workloads, the engines that they run on, and the reckoning. The
//! commands of the program `orrery-bench` are in [`command`], criterion's benches
//! in `benches/`. Nothing outside this crate depends on it, and no figure from
//! here decides anything in a simulation.
//!
//! ```
//! use orrery_bench::cost::Span;
//! use orrery_bench::{Workload, on_orrery, on_turmoil};
//!
//! let span = Span::of_seconds(1);
//! let ours = on_orrery::measure(Workload::Idle, 2, span)?;
//! let theirs = on_turmoil::measure(Workload::Idle, 2, span)?;
//! assert_eq!(ours.work, 2 * 10);
//! println!("{}", theirs.cpu_per_second() / ours.cpu_per_second());
//! # Ok::<(), orrery_bench::MeasureError>(())
//! ```

pub mod command;
pub mod cost;
mod memory;
pub mod memory_disk;
pub mod on_orrery;
pub mod on_turmoil;
pub mod profile;
pub mod program;
mod table;
pub mod work;
mod workload;

pub use workload::{Links, MeasureError, Workload};
