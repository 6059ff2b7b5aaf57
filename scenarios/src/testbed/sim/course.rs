//! A simulation from its start to its outcome.

use std::sync::Arc;

use orrery_sim::log::LogSpec;
use orrery_sim::time::SimTime;
use orrery_sim::watch::Watch;
use orrery_sim::{Simulation, SimulationError, World as Simulated};

use super::{SimBed, topology};
use crate::failure::Failure;
use crate::format::Scenario;
use crate::job::Job;
use crate::testbed::{Course, Outcome, Testbed};
use crate::world::World;

/// Carries out an experiment in a simulation of the job's seed.
///
/// # Errors
/// Why it could not be played or written.
pub fn carry_out<T: Send>(
    job: &Job,
    watch: Option<Arc<dyn Watch>>,
    experiment: impl FnOnce(Arc<dyn Testbed>, &mut dyn Course) -> T + Send,
) -> Result<(T, Outcome), Failure> {
    let mut simulation = Simulation::new(job.seed);
    if let Some(log) = &job.log {
        let spec = LogSpec::new(&log.filter, &log.folder).map_err(|error| Failure::Unplayed {
            why: error.to_string(),
        })?;
        simulation = simulation.logging(spec);
    }
    if let Some(folder) = &job.captures {
        simulation = simulation.capturing(folder);
    }
    if let Some(path) = &job.trace {
        simulation = simulation.recording(path);
    }
    if let Some(watch) = watch {
        simulation = simulation.watched(watch);
    }
    let fidelity = job.scenario.network.fidelity;
    let (result, outcome) = simulation
        .run(|simulated| {
            let bed = Arc::new(SimBed::new(fidelity));
            let mut course = Simulating {
                simulated,
                bed: Arc::clone(&bed),
            };
            experiment(bed, &mut course)
        })
        .map_err(|error| describe(&error))?;
    let outcome = Outcome {
        trace_hash: outcome.trace_hash,
        events: outcome.stats.events,
        simulated: outcome.simulated,
        failure: outcome.failure.map(Failure::from),
    };
    Ok((result, outcome))
}

/// A simulation's error as a failure of the seed.
fn describe(error: &SimulationError) -> Failure {
    let why = error.to_string();
    match error {
        SimulationError::Capture(_) | SimulationError::Log(_) | SimulationError::Record { .. } => {
            Failure::Unwritten { why }
        }
        SimulationError::NotInterposed(_)
        | SimulationError::Thread(_)
        | SimulationError::Experiment(_) => Failure::Unplayed { why },
    }
}

/// Lets a simulation's time pass.
struct Simulating<'a> {
    simulated: &'a mut Simulated,
    bed: Arc<SimBed>,
}

impl Course for Simulating<'_> {
    fn build_topology(&mut self, scenario: &Scenario, world: &World) {
        topology::build(&self.bed, scenario, world);
    }

    fn run_until(&mut self, end: SimTime) {
        self.simulated.run_until(end);
    }

    fn failed(&self) -> bool {
        self.simulated.failure().is_some()
    }

    fn events(&self) -> u64 {
        self.simulated.stats().events
    }

    /// A disk is read once its host has no power.
    fn close(&mut self) {}
}
