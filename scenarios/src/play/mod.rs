//! Plays one (variant, seed): puts nodes on the hosts of a testbed and measures.
//!
//! The world comes from [`crate::world`]; what happens in it is performed by `steps` and the kinds of
//! workload, told to their trackers, the `ledger` and the `counters`, and judged by `verdict` once
//! everything is over. All of them see the hosts through [`crate::testbed`], so that other models of
//! hosts and network play the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId};

use crate::failure::Failure;
use crate::job::{Job, Played, Progress};
use crate::testbed::{self, Capability, Course, cost};
use crate::workload::{self, Planned};
use crate::world::{Step, Target, World};

mod conditions;
mod counters;
mod down;
mod drain;
mod interfaces;
mod last_round;
pub(crate) mod ledger;
mod links;
mod links_told;
mod measured;
mod neighbourhood;
pub(crate) mod node_counters;
mod observer;
pub(crate) mod overlay;
mod person;
mod presence;
mod relays;
pub mod run;
mod steps;
mod successors;
mod traffic;
pub(crate) mod verdict;

pub use down::Down;
pub use links::{Gone, Kinds};
pub(crate) use observer::NodeObserver;
use run::Run;

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
    let (wall_ns, cpu_ns) = (cost::wall_ns(), cost::cpu_ns());
    let played = play(job, stops, progress);
    let mut played = played.unwrap_or_else(Played::failed);
    let result = &mut played.result;
    result.seed = job.seed.to_string();
    result.wall_s = (cost::wall_ns() - wall_ns) as f64 / 1e9;
    result.cpu_s = (cost::cpu_ns() - cpu_ns) as f64 / 1e9;
    result.peak_rss_bytes = peak_rss_bytes();
    played
}

fn play(
    job: &Job,
    stops: &[SimTime],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Played, Failure> {
    let world = World::build(&job.scenario, job.seed);
    let mut trackers = workload::trackers(&Planned {
        scenario: &job.scenario,
        world: &world,
    });
    let watches = testbed::capabilities(job.engine).has(Capability::Watching);
    let watch = watches.then(|| trackers.watch()).flatten();
    let (mut played, outcome) = testbed::carry_out(job, watch, |testbed, course| {
        course.build_topology(&job.scenario, &world);
        let run = Run::new(job.scenario.clone(), world, testbed, trackers);
        expect_changes(&run);
        schedule(&run);
        let end = SimTime::from_nanos(job.end_ns());
        pass(&run, course, end, stops, progress);
        let failed = course.failed();
        course.close();
        verdict::collect(&run, job, failed)
    })?;
    played.result.trace_hash = outcome.trace_hash;
    played.result.events = outcome.events;
    played.result.simulated_s = outcome.simulated.as_secs_f64();
    played.failure = outcome.failure.or(played.failure);
    Ok(played)
}

/// Lets the time of a run pass until `end`, with looks at it on the way.
fn pass(
    run: &Run,
    course: &mut dyn Course,
    end: SimTime,
    stops: &[SimTime],
    progress: &mut (dyn FnMut(Progress) + Send),
) {
    run.count_traffic();
    while run.testbed.now() < end && !course.failed() {
        let now = run.testbed.now();
        let stop = stops.iter().find(|&&stop| stop > now).unwrap_or(&end);
        let next = (now + STRIDE).min(*stop).min(end);
        for edge in run.edges_within(now, next) {
            course.run_until(edge);
            run.count_traffic();
        }
        course.run_until(next);
        run.sample();
        progress(Progress {
            simulated_ns: run.now_ns(),
            cpu_ns: cost::cpu_ns(),
            events: course.events(),
            connection_ends: run.state().counters.connection_ends(),
        });
    }
}

/// Makes links ready that faults will change, so that a change meets what waits for them.
fn expect_changes(run: &Run) {
    let faults = &run.scenario.faults;
    let changes_link = |fault: usize| {
        let adds = faults[fault].acts().on_host();
        adds.is_some_and(|adds| adds.changes_links())
    };
    let mut changed = BTreeSet::new();
    for (_, step) in &run.world.steps {
        if let Step::Fault { fault, change } = step
            && let Target::Host(host) = change.target
            && changes_link(*fault)
        {
            changed.insert(host);
        }
    }
    for host in changed {
        let profile = &run.scenario.group_of(host).access;
        run.testbed.links().expect_changes(host, profile);
    }
}

/// Schedules all that will happen from outside: hosts boot one after the other, people act,
/// things go wrong, and in the end all hosts drain.
fn schedule(run: &Arc<Run>) {
    for plan in &run.world.hosts {
        let host = plan.host;
        let booted = Arc::clone(run);
        let boot = move || conditions::boot_is_due(&booted, host);
        run.testbed.call_at(
            SimTime::from_nanos(plan.boot_ns),
            Class::World,
            HostId(host),
            Box::new(boot),
        );
    }
    interfaces::schedule(run);
    steps::schedule(run);
    drain::schedule(run);
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
