//! Plays one (variant, seed): puts nodes into the simulated world and measures.
//!
//! The only place where the node and the simulator meet. The world comes from
//! [`crate::world`]; what happens in it is performed by `steps` and the kinds of workload, told
//! to their trackers, the `ledger` and the `tally`, and judged by `verdict` once everything is over.
//! All of them see the hosts through `testbed`, so that another model of hosts
//! and network, `on_turmoil`, plays the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use orrery_sim::clock::WallClock;
use orrery_sim::log::LogSpec;
use orrery_sim::net::region_path::PathSpec;
use orrery_sim::time::SimTime;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{Class, HostId, HostSpec, Simulation, SimulationError, host, interpose, kernel};

use crate::engine::{Engine, Failure, Job, Played, Progress};
use crate::fault::LinkChange;
use crate::workload::{Planned, Trackers};
use crate::world::{Step, Target, World};

mod adapters;
mod conditions;
mod drain;
mod gateways;
mod hostile;
mod impairments;
mod interfaces;
mod ledger;
mod links;
mod local;
pub mod machine;
mod measured;
mod neighbourhood;
mod on_turmoil;
pub(crate) mod overlay;
mod person;
pub mod quic;
mod relays;
pub(crate) mod steps;
mod tally;
mod tcp_config;
pub mod testbed;
mod traffic;
pub(crate) mod verdict;
mod witness;

pub use conditions::Down;
pub use links::Kinds;
use machine::Machines;
pub use on_turmoil::refuse_what_it_lacks;
use testbed::Simulated;
pub use verdict::MISSED_MEANINGS;

/// Simulated time between two tellings of progress.
const STRIDE: Duration = Duration::from_secs(5);

/// Plays a job to its end. `progress` is told now and then how far it is.
///
/// What keeps a run from its end is told beside its result.
pub fn run(job: &Job, progress: &mut (dyn FnMut(Progress) + Send)) -> Played {
    run_with_stops(job, &[], progress)
}

/// As [`run`]; `progress` is also told at each of `stops`, ascending instants, on the thread
/// that simulates and while the world stands still. Where one stops changes no event.
pub fn run_with_stops(
    job: &Job,
    stops: &[SimTime],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Played {
    let (wall_ns, cpu_ns) = (interpose::real_monotonic_ns(), interpose::process_cpu_ns());
    let played = match job.engine {
        Engine::Sim => play(job, stops, progress),
        Engine::Turmoil => on_turmoil::play(job, progress),
    };
    let mut played = played.unwrap_or_else(Played::failed);
    let result = &mut played.result;
    result.seed = job.seed.to_string();
    result.wall_s = (interpose::real_monotonic_ns() - wall_ns) as f64 / 1e9;
    result.cpu_s = (interpose::process_cpu_ns() - cpu_ns) as f64 / 1e9;
    result.peak_rss_bytes = peak_rss_bytes();
    played
}

fn play(
    job: &Job,
    stops: &[SimTime],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Played, Failure> {
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
    let world = World::build(&job.scenario, job.seed);
    let mut trackers = Trackers::of(&Planned {
        scenario: &job.scenario,
        world: &world,
    });
    if let Some(watch) = trackers.watch() {
        simulation = simulation.watched(watch);
    }
    let (mut played, outcome) = simulation
        .run(|simulated| {
            let fidelity = job.scenario.network.fidelity;
            let testbed = Arc::new(Simulated { fidelity });
            let scenario = job.scenario.clone();
            let machines = Machines::new(scenario, world, job.seed, testbed, trackers);
            furnish(&machines);
            schedule(&machines);
            machines.count_traffic();
            let end = SimTime::from_nanos(job.end_ns());
            while kernel::now() < end && simulated.failure().is_none() {
                let now = kernel::now();
                let stop = stops.iter().find(|&&stop| stop > now).unwrap_or(&end);
                let next = (now + STRIDE).min(*stop).min(end);
                for edge in machines.edges_within(now, next) {
                    simulated.run_until(edge);
                    machines.count_traffic();
                }
                simulated.run_until(next);
                machines.sample();
                progress(Progress {
                    simulated_ns: kernel::now().as_nanos(),
                    cpu_ns: interpose::process_cpu_ns(),
                    events: simulated.stats().events,
                    connection_ends: machines.state().tally.connection_ends(),
                });
            }
            let failed = simulated.failure().is_some();
            verdict::judge(&machines, job, failed)
        })
        .map_err(|error| describe(&error))?;
    played.result.trace_hash = outcome.trace_hash;
    played.result.events = outcome.stats.events;
    played.result.simulated_s = outcome.simulated.as_secs_f64();
    played.failure = outcome.failure.map(Failure::from).or(played.failure);
    Ok(played)
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

/// Sets up the hosts and the core.
fn furnish(machines: &Machines) {
    let delays = &machines.scenario.network.delays;
    let nanos = |row: &Vec<u64>| row.iter().map(|&ns| Duration::from_nanos(ns)).collect();
    host::set_delays(delays.one_way_ns.iter().map(nanos).collect());
    for path in &machines.scenario.network.paths {
        let spec = PathSpec {
            rate: path.rate_bps.and_then(Rate::from_bps),
            queue_bytes: path.queue_bytes,
            loss: Ratio::from_ppm(path.loss_ppm),
        };
        host::set_path(path.from, path.to, &spec);
    }
    for plan in &machines.world.hosts {
        let group = &machines.scenario.groups[plan.group];
        let machine = host::add(HostSpec {
            name: plan.name.clone(),
            region: plan.region,
            access: steps::access(&group.access, &LinkChange::default()),
            clock: WallClock::new(plan.clock_offset_ns, plan.clock_drift_ppb),
            ..HostSpec::default()
        });
        assert_eq!(
            machine,
            HostId(plan.host),
            "hosts are added in the order of their numbers"
        );
        let settings = group.tcp.over(&machines.scenario.network.tcp);
        let mtu = group.access.mtu_bytes as u16;
        host::set_tcp(machine, tcp_config::resolve(&settings, mtu));
    }
    gateways::furnish(machines);
    interfaces::furnish(machines);
    local::join_lans(machines);
    expect_changes(machines);
}

/// Makes links ready that faults will change, so that a change meets what waits for them.
fn expect_changes(machines: &Machines) {
    let faults = &machines.scenario.faults;
    let changes_link = |fault: usize| {
        let adds = faults[fault].acts().on_host();
        adds.is_some_and(|adds| adds.changes_links())
    };
    let mut changed = BTreeSet::new();
    for (_, step) in &machines.world.steps {
        if let Step::Fault { fault, change } = step
            && let Target::Host(host) = change.target
            && changes_link(*fault)
        {
            changed.insert(host);
        }
    }
    for machine in changed {
        let profile = &machines.scenario.group_of(machine).access;
        let access = steps::access(profile, &LinkChange::default());
        host::expect_changes(HostId(machine), &access);
    }
}

/// Schedules all that will happen from outside: machines boot one after the other, people act,
/// things go wrong, and in the end everybody drains.
fn schedule(machines: &Arc<Machines>) {
    for plan in &machines.world.hosts {
        let machine = plan.host;
        let booted = Arc::clone(machines);
        let boot = move || conditions::boot_is_due(&booted, machine);
        machines.testbed.call_at(
            SimTime::from_nanos(plan.boot_ns),
            Class::World,
            HostId(machine),
            Box::new(boot),
        );
    }
    interfaces::schedule(machines);
    steps::schedule(machines);
    drain::schedule(machines);
}

/// Most memory that this process ever held, in bytes; 0 where the system does not tell.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// What seed 1 of a scenario shows, whose profiles may be in `folder`.
#[cfg(test)]
pub(crate) fn played(
    text: &str,
    folder: Option<&std::path::Path>,
) -> orrery_reports::record::SeedResult {
    let plan = crate::format::read("t", text, folder, &[]);
    let plan = plan.unwrap_or_else(|wrong| panic!("{wrong}"));
    let played = run(&Job::new(plan.cases[0].scenario.clone(), 1), &mut |_| {});
    assert_eq!(played.failure, None);
    played.result
}
