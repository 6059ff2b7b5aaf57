//! The same machines, people and node on turmoil's hosts and network, a model that we did not
//! write.
//!
//! Owns the loop that lets turmoil's time pass, and what of a scenario becomes turmoil's. Clocks
//! and entropy of the thread follow turmoil ([`orrery_sim::virtual_thread`]); disks are the
//! simulator's, for turmoil's network alone is to be compared. What turmoil cannot express is
//! refused before a run (`lacks`), never approximated in silence.
//!
//! turmoil runs host after host for one tick of 1 ms, the resolution of tokio's timers. So
//! delays are rounded up to whole milliseconds, and what is scheduled begins with a tick.

use std::sync::Arc;
use std::time::Duration;

use orrery_sim::net::address;
use orrery_sim::time::SimTime;
use orrery_sim::trace::Trace;
use orrery_sim::{HostId, interpose, virtual_thread};
use tokio::runtime::Handle;
use turmoil::Sim;

use super::machine::Machines;
use super::{STRIDE, schedule, verdict};
use crate::engine::{Failure, Job, Played, Progress};
use crate::format::Scenario;
use crate::workload::{Planned, Trackers};
use crate::world::World;

mod lacks;
mod testbed;
mod transport;

pub use lacks::refuse_what_it_lacks;
use testbed::TurmoilBed;

/// How far one step moves time. Tokio's timers know nothing shorter.
const TICK: Duration = Duration::from_millis(1);

/// Segments under way on one connection, and connections that wait to be accepted. turmoil
/// panics where more wait to be accepted, and gives no window in bytes.
const TCP_CAPACITY: usize = 4_096;

/// Plays a job to its end, as [`super::run`] does.
pub fn play(job: &Job, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Played, Failure> {
    let trace = job
        .trace
        .as_deref()
        .map_or_else(|| Ok(Trace::new()), Trace::recording);
    let trace =
        trace.map_err(|error| unplayed(&format!("cannot write the event record: {error}")))?;
    let world = World::build(&job.scenario, job.seed);
    virtual_thread::run(job.seed, || play_here(job, world, trace, progress))
        .map_err(|error| unplayed(&error))?
}

fn unplayed(why: &dyn std::fmt::Display) -> Failure {
    Failure::Unplayed {
        why: why.to_string(),
    }
}

fn play_here(
    job: &Job,
    world: World,
    trace: Trace,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Played, Failure> {
    let bed = TurmoilBed::new(job.seed, trace);
    let mut sim = turmoil::Builder::new()
        .tick_duration(TICK)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::ZERO)
        .tcp_capacity(TCP_CAPACITY)
        .rng_seed(job.seed)
        .build();
    for plan in &world.hosts {
        bed.add_disk(&plan.name);
        let bed = bed.clone();
        // The software of a host is whatever is spawned on its runtime.
        sim.host(address::v4(HostId(plan.host)), move || {
            bed.add_runtime(Handle::current());
            std::future::pending()
        });
    }
    set_delays(&sim, &job.scenario, &world);
    let trackers = Trackers::of(&Planned {
        scenario: &job.scenario,
        world: &world,
    });
    let scenario = job.scenario.clone();
    let machines = Machines::new(scenario, world, job.seed, Arc::new(bed.clone()), trackers);
    schedule(&machines);
    let end = Duration::from_nanos(job.end_ns());
    let mut told = Duration::ZERO;
    while sim.elapsed() < end && bed.failure().is_none() {
        let now = SimTime::ZERO + sim.elapsed();
        interpose::set_now(now);
        bed.perform_due(now);
        sim.step().map_err(|error| unplayed(&error))?;
        if sim.elapsed() >= told + STRIDE || sim.elapsed() >= end {
            told = sim.elapsed();
            progress(Progress {
                simulated_ns: told.as_nanos() as u64,
                cpu_ns: interpose::process_cpu_ns(),
                events: bed.events(),
                connection_ends: machines.state().tally.connection_ends(),
            });
        }
    }
    let simulated = sim.elapsed();
    interpose::set_now(SimTime::ZERO + simulated);
    // Programs end here, so that nothing runs while their disks are read.
    drop(sim);
    let failure = bed.failure();
    let mut played = verdict::judge(&machines, job, failure.is_some());
    played.failure = failure.map(Failure::from).or(played.failure);
    played.result.simulated_s = simulated.as_secs_f64();
    played.result.events = bed.events();
    played.result.trace_hash = bed.end().map_err(|error| unplayed(&error))?;
    Ok(played)
}

/// Every pair of hosts has its delay: the core's, and that of both access links.
fn set_delays(sim: &Sim<'_>, scenario: &Scenario, world: &World) {
    for (place, one) in world.hosts.iter().enumerate() {
        for other in &world.hosts[place + 1..] {
            let core_ns = scenario.network.delays.delay_ns(one.region, other.region);
            let up_ns = scenario.groups[one.group].access.up.delay_ns;
            let down_ns = scenario.groups[other.group].access.down.delay_ns;
            sim.set_link_latency(
                address::v4(HostId(one.host)),
                address::v4(HostId(other.host)),
                Duration::from_nanos(up_ns + core_ns + down_ns),
            );
        }
    }
}
