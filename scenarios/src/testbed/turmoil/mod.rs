//! turmoil's hosts and network as a testbed, a model that we did not write.
//!
//! Owns the loop that lets turmoil's time pass, what of a scenario becomes turmoil's, and what turmoil
//! lacks. Clocks and entropy of the thread follow turmoil ([`orrery_sim::virtual_thread`]); disks are
//! the simulator's, for turmoil's network alone is to be compared.
//!
//! turmoil runs host after host for one tick of 1 ms, the resolution of tokio's timers. So
//! delays are rounded up to whole milliseconds, and what is scheduled begins with a tick.

mod bed;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use orrery_sim::net::address;
use orrery_sim::time::SimTime;
use orrery_sim::trace::Trace;
use orrery_sim::{HostId, interpose, virtual_thread};
use tokio::runtime::Handle;
use turmoil::Sim;

use super::{Capabilities, Capability, Course, Outcome, Testbed};
use crate::failure::Failure;
use crate::format::Scenario;
use crate::job::Job;
use crate::world::World;
use bed::TurmoilBed;

/// How far one step moves time. Tokio's timers know nothing shorter.
const TICK: Duration = Duration::from_millis(1);

/// Segments under way on one connection, and connections that wait to be accepted. turmoil
/// panics where more wait to be accepted, and gives no window in bytes.
const TCP_CAPACITY: usize = 4_096;

/// turmoil looks at the link of every pair of hosts for every host in every tick: 100 idle hosts
/// cost 1.7 CPU seconds a simulated second, 400 cost 235 (turmoil 0.7.2).
const HOSTS_MAX: u32 = 100;

/// What turmoil can do.
pub const CAPABILITIES: Capabilities = Capabilities {
    name: "turmoil",
    lacks,
    hosts_max: Some(HOSTS_MAX),
};

/// Why turmoil has not something.
const fn lacks(capability: Capability) -> Option<&'static str> {
    const KEPT: Option<&str> = Some("its hosts keep their power, links and clocks");
    const NO_REPAIR: Option<&str> = Some("its TCP cannot repair any");
    match capability {
        Capability::PlainFidelity => Some("it carries real Noise and Yamux"),
        Capability::RegionPaths | Capability::Losses => NO_REPAIR,
        Capability::TcpSettings => Some("its TCP has no congestion control"),
        Capability::Clocks => Some("its clocks are all true"),
        Capability::Gateways => Some("all of its hosts reach each other"),
        Capability::Lans => Some("all hosts are equally far from each other"),
        Capability::Interfaces => Some("its hosts have one address each"),
        Capability::Quic => Some("nodes have TCP only there"),
        Capability::TcpSockets => Some("it would measure turmoil's own TCP"),
        Capability::UdpSockets => Some("it would measure turmoil's own network"),
        Capability::HostsWithoutNodes => Some("they have nothing to do there"),
        Capability::HostilePeers => Some("they need the sockets of our own hosts"),
        Capability::Rates | Capability::Policing => Some("its links have no rate"),
        Capability::Jitter => Some("its jitter is not one that we know"),
        Capability::Duplicates | Capability::Reordering => {
            Some("its TCP loses, repeats and reorders nothing")
        }
        Capability::DelaysByDirection => Some("its links have one delay for both ways"),
        Capability::Partitions => Some(
            "its TCP sends nothing again, so connections that meet a partition never recover, and it \
             does not count what it drops",
        ),
        Capability::ClockSteps
        | Capability::GatewayChanges
        | Capability::PowerCuts
        | Capability::Stops
        | Capability::Pauses
        | Capability::Sleeps
        | Capability::LinkChanges
        | Capability::InterfaceChanges
        | Capability::Moves => KEPT,
        Capability::WireCounts => Some("it does not tell what its wires carried"),
        Capability::Watching => Some("its hosts are not told apart by their trace events"),
    }
}

/// Carries out an experiment on turmoil's hosts.
///
/// # Errors
/// Why it could not be played or written.
pub fn carry_out<T: Send>(
    job: &Job,
    experiment: impl FnOnce(Arc<dyn Testbed>, &mut dyn Course) -> T + Send,
) -> Result<(T, Outcome), Failure> {
    let trace = job
        .trace
        .as_deref()
        .map_or_else(|| Ok(Trace::new()), Trace::recording);
    let trace =
        trace.map_err(|error| unplayed(&format!("cannot write the event record: {error}")))?;
    virtual_thread::run(job.seed, || carry_out_here(job.seed, trace, experiment))
        .map_err(|error| unplayed(&error))?
}

fn unplayed(why: &dyn std::fmt::Display) -> Failure {
    Failure::Unplayed {
        why: why.to_string(),
    }
}

fn carry_out_here<T>(
    seed: u64,
    trace: Trace,
    experiment: impl FnOnce(Arc<dyn Testbed>, &mut dyn Course) -> T,
) -> Result<(T, Outcome), Failure> {
    let bed = TurmoilBed::new(seed, trace);
    let sim = turmoil::Builder::new()
        .tick_duration(TICK)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::ZERO)
        .tcp_capacity(TCP_CAPACITY)
        .rng_seed(seed)
        .build();
    let mut course = Ticking {
        bed: bed.clone(),
        sim: Some(sim),
        simulated: SimTime::ZERO,
        broken: None,
    };
    let result = experiment(Arc::new(bed.clone()), &mut course);
    course.close();
    if let Some(why) = course.broken {
        return Err(why);
    }
    let outcome = Outcome {
        events: bed.events(),
        failure: bed.failure().map(Failure::from),
        simulated: course.simulated,
        trace_hash: bed.end().map_err(|error| unplayed(&error))?,
    };
    Ok((result, outcome))
}

/// Lets turmoil's time pass, tick by tick.
struct Ticking<'a> {
    bed: TurmoilBed,
    /// None once its programs have ended.
    sim: Option<Sim<'a>>,
    simulated: SimTime,
    /// What turmoil itself refused.
    broken: Option<Failure>,
}

impl Course for Ticking<'_> {
    fn build_topology(&mut self, scenario: &Scenario, world: &World) {
        let Some(sim) = &mut self.sim else { return };
        for plan in &world.hosts {
            self.bed.add_disk(&plan.name);
            let bed = self.bed.clone();
            // The software of a host is whatever is spawned on its runtime.
            sim.host(address::v4(HostId(plan.host)), move || {
                bed.add_runtime(Handle::current());
                std::future::pending()
            });
        }
        set_delays(sim, scenario, world);
    }

    fn run_until(&mut self, end: SimTime) {
        let Some(sim) = &mut self.sim else { return };
        while SimTime::ZERO + sim.elapsed() < end && self.bed.failure().is_none() {
            let now = SimTime::ZERO + sim.elapsed();
            interpose::set_now(now);
            self.bed.perform_due(now);
            if let Err(error) = sim.step() {
                self.broken = Some(unplayed(&error));
                break;
            }
        }
        self.simulated = SimTime::ZERO + sim.elapsed();
        interpose::set_now(self.simulated);
    }

    fn failed(&self) -> bool {
        self.broken.is_some() || self.bed.failure().is_some()
    }

    fn events(&self) -> u64 {
        self.bed.events()
    }

    /// Programs end with turmoil's hosts, so that nothing runs while their disks are read.
    fn close(&mut self) {
        self.sim = None;
    }
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
