//! The deterministic world: virtual time, wires, disks and clocks for
//! unmodified programs.
//!
//! Nothing here reads a host clock, operating-system entropy, the environment
//! or a hash-ordered collection, and nothing here knows which program runs.

pub mod clock;
pub mod disk;
pub mod executor;
pub mod host;
pub mod interpose;
pub mod kernel;
pub mod listeners;
pub mod log;
pub mod muxed;
pub mod net;
mod prefetch;
pub mod quic;
pub mod random;
pub mod simulation;
pub mod tcp;
pub mod time;
pub mod trace;
pub mod transport;
pub mod units;
pub mod virtual_thread;
pub mod watch;

pub use host::HostSpec;
pub use kernel::{Class, Failure, HostId};
pub use simulation::{Outcome, Simulation, SimulationError, World};
