//! What the hosts of a measurement do, whatever they run on.

use std::time::Duration;

use orrery_sim::random::Stream;

/// The seed of every measurement: they differ in their engine and size alone.
pub(crate) const SEED: u64 = 1;

/// How often each host does something.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);

/// One way between any two hosts.
pub(crate) const DELAY: Duration = Duration::from_millis(10);

/// What every host does once a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A timer fires. One unit of work is one firing.
    Idle,
    /// Hosts in pairs: one sends 100 bytes over TCP, the other sends them back.
    /// One unit of work is one round.
    Echo,
    /// Each sends a UDP datagram of 100 bytes to another host, drawn at random. One unit
    /// of work is one datagram received.
    Packets(Links),
}

/// What lies between a host and the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Nothing but the check of the packet's size.
    Bare,
    /// All five stages, up and down: size, loss, rate, delay and jitter.
    FiveStages,
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The simulation did not run.
    #[error(transparent)]
    Simulation(#[from] orrery_sim::SimulationError),
    /// A host's program failed in the simulation.
    #[error(transparent)]
    Host(#[from] orrery_sim::Failure),
    /// turmoil reported a host's failure.
    #[error("on turmoil: {0}")]
    Turmoil(String),
    /// The engine does not have this workload.
    #[error("the workload {0:?} is not measured on turmoil")]
    NotOnTurmoil(Workload),
    /// No work was done in the measured time.
    #[error("{hosts} hosts did nothing in the measured time")]
    Nothing {
        /// Hosts of the measurement.
        hosts: u32,
    },
}

/// When `host` begins: spread over a period, so that not all act at one instant.
pub(crate) fn offset(host: u32) -> Duration {
    Stream::new(SEED, "bench offset", host).uniform(Duration::ZERO, PERIOD)
}
