//! How time passes on a testbed, and what has come of it.

use orrery_sim::time::SimTime;

use crate::failure::Failure;
use crate::format::Scenario;
use crate::world::World;

/// Time on a testbed, which passes only while this is asked to let it pass.
pub trait Course {
    /// Sets up the hosts of a scenario and all that lies between them, as the seed has drawn it.
    /// Nothing runs on them. To be called once, and first.
    fn build_topology(&mut self, scenario: &Scenario, world: &World);
    /// Lets time pass up to a moment, or until something fails.
    fn run_until(&mut self, end: SimTime);
    /// Whether something has failed.
    fn failed(&self) -> bool;
    /// Events so far.
    fn events(&self) -> u64;
    /// Ends what still runs, where disks could not be read otherwise. Time does not pass any more.
    fn close(&mut self);
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The running hash of everything delivered.
    pub trace_hash: String,
    /// Events in it.
    pub events: u64,
    /// Time that passed.
    pub simulated: SimTime,
    /// Why it could not go on, if so.
    pub failure: Option<Failure>,
}
