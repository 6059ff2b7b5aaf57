//! What the hosts of a run stand on: their programs' surroundings, links, gateways, clocks and disks.
//!
//! Everything that a run asks of its world goes through the traits here: [`Testbed`] has what every
//! testbed must have, and its parts ([`Power`], [`Links`], [`Interfaces`], [`Gateways`], [`Sockets`])
//! what a testbed may lack. Which it lacks, and why, it states once ([`Capabilities`]); what a scenario
//! asks for and a testbed lacks is refused before a run ([`lacking`]), never approximated
//! in silence. A testbed carries out: it knows no workload and judges nothing. Outside the folders below
//! nothing calls the simulator (`cargo xtask tidy` checks that), and values of its that name things
//! (instants, host ids, counts) are used everywhere. ADR-005 of this crate says why.
//!
//! Hosts, gateways and interfaces are named by their numbers in the scenario and its world.

mod bed;
mod capability;
pub mod cost;
mod course;
mod parts;
mod refusals;
pub mod sim;
mod sockets;
mod turmoil;

use std::sync::Arc;

use orrery_sim::watch::Watch;

use crate::failure::Failure;
use crate::job::{Engine, Job};

pub use bed::{HostDisk, Testbed, Traffic};
pub use capability::{Capabilities, Capability};
pub use course::{Course, Outcome};
pub use parts::{Gateways, Interfaces, Links, Power};
pub use refusals::lacking;
pub use sockets::{Connection, Datagrams, Listener, Sockets};

/// What a testbed that plays for an engine can do.
pub fn capabilities(engine: Engine) -> &'static Capabilities {
    match engine {
        Engine::Sim => &sim::CAPABILITIES,
        Engine::Turmoil => &turmoil::CAPABILITIES,
    }
}

/// Carries out an experiment on the testbed of the job's engine, on a thread of its own. `watch` sees
/// what libraries tell in trace events, on a testbed that has [`Capability::Watching`].
///
/// # Errors
/// Why the run could not be played or written.
pub fn carry_out<T: Send>(
    job: &Job,
    watch: Option<Arc<dyn Watch>>,
    experiment: impl FnOnce(Arc<dyn Testbed>, &mut dyn Course) -> T + Send,
) -> Result<(T, Outcome), Failure> {
    match job.engine {
        Engine::Sim => sim::carry_out(job, watch, experiment),
        Engine::Turmoil => turmoil::carry_out(job, experiment),
    }
}
