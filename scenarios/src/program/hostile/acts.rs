//! Hostile peers as they run: on whom they act, and the counts of their acts by kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::select;
use futures_timer::Delay;
use orrery_node::environment::Disk;
use orrery_node_hostile::{
    ActEvent, ActObserver, Effect, Hostile as Peer, Kind, Plan, Target, Wires,
};
use orrery_reports::record::{Fault, SeedResult};

use super::Hostile;
use crate::metrics::Definition;
use crate::metrics::hostile::{
    HOSTILE_ATTEMPTS, HOSTILE_BORNE, HOSTILE_LEFT_OUT, HOSTILE_REACHED, HOSTILE_REFUSED,
};
use crate::metrics::node::{NODE_EVENTS, NODE_STORED};
use crate::play::run::Run;
use crate::play::verdict::metrics::Metrics;
use crate::program::{Program, RunProgram};

impl RunProgram for Hostile {
    fn boot(&self, run: &Arc<Run>, host: u32) {
        start(self, run, host);
    }

    fn collect(run: &Run, metrics: &mut Metrics, result: &mut SeedResult) {
        collect(run, metrics, result);
    }
}

/// What became of the acts of one kind, on all hosts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Acts that began.
    pub attempts: u64,
    /// Those that were left out, since too many were under way.
    pub left_out: u64,
    /// Attempts that came to their misbehaviour.
    pub reached: u64,
    /// Of those, the ones that their targets ended.
    pub refused: u64,
    /// Of those, the ones that lasted as long as they were to.
    pub borne: u64,
}

/// What became of all acts, by kind.
pub type Acts = BTreeMap<Kind, Counts>;

/// Notes what the hostile peer of a host tells.
struct Noting {
    run: Arc<Run>,
    host: u32,
}

impl ActObserver for Noting {
    fn on_event(&self, kind: Kind, what: ActEvent) {
        let number = match what {
            ActEvent::Begun => 0,
            ActEvent::LeftOut => 1,
            ActEvent::Reached => 2,
            ActEvent::Ended(Effect::Refused) => 3,
            ActEvent::Ended(Effect::Borne) => 4,
            ActEvent::Ended(Effect::Unreached) => 5,
        };
        let told = [kind.name().as_bytes(), &[number]].concat();
        self.run.testbed.report(self.host, &told);
        let mut state = self.run.state();
        let counts = state.programs.of::<Acts>().entry(kind).or_default();
        match what {
            ActEvent::Begun => counts.attempts += 1,
            ActEvent::LeftOut => counts.left_out += 1,
            ActEvent::Reached => counts.reached += 1,
            ActEvent::Ended(Effect::Refused) => counts.refused += 1,
            ActEvent::Ended(Effect::Borne) => counts.borne += 1,
            // Attempts that never came to their misbehaviour are those that are missing in the others.
            ActEvent::Ended(Effect::Unreached) => {}
        }
    }
}

/// Starts the hostile peer of a host. It ends with the workloads.
fn start(hostile: &Hostile, run: &Arc<Run>, host: u32) {
    let kinds: Vec<Kind> = hostile.does.iter().filter_map(|n| Kind::named(n)).collect();
    // Those that never begin are to be seen, too.
    for &kind in &kinds {
        run.state().programs.of::<Acts>().entry(kind).or_default();
    }
    let now_ns = run.now_ns();
    let left_ns = run.scenario.duration_ns.saturating_sub(now_ns);
    let Some(wires) = run.wires(host).filter(|_| left_ns > 0) else {
        return;
    };
    let mut seed = [0; 32];
    let mut stream = run.testbed.stream("hostile", host);
    stream.fill_bytes(&mut seed);
    let targets = hostile.target.iter().filter(|&target| target != host);
    let peer = Peer {
        keys: run.keys(host).clone(),
        plan: Plan {
            does: kinds,
            every: Duration::from_nanos(hostile.every_ns),
            hold: Duration::from_nanos(hostile.hold_ns),
            at_once_max: hostile.at_once_max as usize,
            topics: hostile.topics.clone(),
        },
        targets: targets.map(|target| target_of(run, target)).collect(),
        wires: Wires::new(wires),
        seed,
        observer: Arc::new(Noting {
            run: Arc::clone(run),
            host,
        }),
    };
    let end = Delay::new(Duration::from_nanos(left_ns));
    let misbehave = async move {
        let acting = std::pin::pin!(peer.run());
        select(acting, end).await;
    };
    run.testbed.spawn(host, misbehave.boxed());
}

/// What a hostile peer knows of a host's node: all that a card tells.
fn target_of(run: &Run, host: u32) -> Target {
    let keys = run.keys(host);
    let addresses = run.addresses(host).to_vec();
    Target {
        peer: keys.peer(),
        card: keys
            .card_at(&addresses, 0)
            .expect("keys in memory always sign"),
        addresses,
    }
}

/// One of the counts.
type Figure = fn(&Counts) -> u64;

/// Counts acts by kind, if there are hostile peers. A misbehaviour is a fault that has to fire: it is declared by its attempts.
fn collect(run: &Run, metrics: &mut Metrics, result: &mut SeedResult) {
    let groups = &run.scenario.groups;
    if !groups
        .iter()
        .any(|group| matches!(group.program, Program::Hostile(_)))
    {
        return;
    }
    let stored = (0..).zip(&run.world.hosts);
    let stored = stored.map(|(host, _)| stored_bytes(&**run.testbed.storage(host).files(), "", 0));
    metrics.count(&NODE_STORED, &[], stored.max().unwrap_or(0));
    let mut state = run.state();
    metrics.count(&NODE_EVENTS, &[], state.counters.events_max());
    let figures: [(&Definition, Figure); 5] = [
        (&HOSTILE_ATTEMPTS, |counts| counts.attempts),
        (&HOSTILE_LEFT_OUT, |counts| counts.left_out),
        (&HOSTILE_REACHED, |counts| counts.reached),
        (&HOSTILE_REFUSED, |counts| counts.refused),
        (&HOSTILE_BORNE, |counts| counts.borne),
    ];
    let acts = state.programs.of::<Acts>();
    for (metric, figure) in figures {
        let all: u64 = acts.values().map(figure).sum();
        metrics.count(metric, &[], all);
        for (kind, counts) in &*acts {
            metrics.count(metric, &[("kind", kind.name())], figure(counts));
        }
    }
    let acts = acts.iter().map(|(kind, counts)| Fault {
        kind: format!("hostile {}", kind.name()).into(),
        declared: counts.attempts,
        fired: counts.reached,
    });
    result.faults.extend(acts);
}

/// Folders within folders that a node's disk has at most, far more than it makes.
const DEPTH_MAX: u32 = 8;

/// Bytes of all files below a folder.
fn stored_bytes(disk: &dyn Disk, folder: &str, depth: u32) -> u64 {
    if depth > DEPTH_MAX {
        return 0;
    }
    let names = disk.list(folder).unwrap_or_default();
    let path = |name: &String| match folder {
        "" => name.clone(),
        _ => format!("{folder}/{name}"),
    };
    let of = |path: String| match disk.open(&path, false) {
        Ok(file) => file.len().unwrap_or(0),
        Err(_) => stored_bytes(disk, &path, depth + 1),
    };
    names.iter().map(path).map(of).sum()
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::{Metric, SeedResult};

    use crate::play;

    /// One node that listens there, and one hostile peer that does this.
    fn run(listens: &str, does: &str) -> SeedResult {
        let text = format!(
            "name='t'\nduration='8s'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='home'\ncount=1\nboot='10ms'\n\
             node={{'listen.addresses'=['{listens}']}}\n\
             [[group]]\nname='bad'\ncount=1\nboot='1s'\nprogram='hostile'\n\
             hostile={{does=['{does}'],target='home',every='500ms',hold='2s',at_once=2}}\n"
        );
        play::played(&text, None)
    }

    fn count(result: &SeedResult, key: &str) -> u64 {
        match result.metrics.get(key) {
            Some(Metric::Value { value, .. }) => *value as u64,
            other => panic!("{key}: {other:?}"),
        }
    }

    #[test]
    fn acts_are_counted_by_kind() {
        let result = run("/ip4/0.0.0.0/tcp/4150", "wrong-handshakes");
        let of_kind =
            |name: &str| count(&result, &format!("hostile.{name}{{kind=wrong-handshakes}}"));
        assert!(of_kind("attempts") > 8, "{}", of_kind("attempts"));
        assert!(of_kind("reached") > 0 && of_kind("refused") > 0);
        assert_eq!(count(&result, "hostile.attempts"), of_kind("attempts"));
        assert!(count(&result, "node.events") > 0 && count(&result, "node.stored") > 0);
        let fault = &result.faults[0];
        assert_eq!(
            (&*fault.kind.name, fault.fired > 0),
            ("hostile wrong-handshakes", true)
        );
    }

    #[test]
    fn more_acts_than_may_be_at_once_are_left_out() {
        let result = run("/ip4/0.0.0.0/tcp/4150", "silent-connections");
        let of_kind = |name: &str| count(&result, &format!("hostile.{name}"));
        assert!(of_kind("left_out") > 0 && of_kind("borne") > 0);
    }

    #[test]
    fn a_misbehaviour_that_never_comes_about_fails_the_run() {
        let result = run("/ip4/0.0.0.0/udp/4150/quic-v1", "silent-connections");
        assert!(count(&result, "hostile.attempts") > 0);
        assert_eq!(count(&result, "hostile.reached"), 0);
        let failures = crate::engine::failures(&result);
        assert!(
            failures[0].contains("hostile silent-connections never fired"),
            "{failures:?}"
        );
    }
}
