//! What playing costs the machine that plays: wall time and processor time of this process.
//!
//! The clocks of a simulation's thread are the simulated ones; these are those behind them. What is
//! read here is told to people and enters no event.

use orrery_sim::interpose;

/// Wall time in nanoseconds, from any fixed moment.
pub fn wall_ns() -> u64 {
    interpose::real_monotonic_ns()
}

/// Processor time of this process in nanoseconds.
pub fn cpu_ns() -> u64 {
    interpose::process_cpu_ns()
}
