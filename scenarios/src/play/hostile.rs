//! Hostile peers on machines, and what became of their acts.
//!
//! Owns when they run, on whom they act, and the counts of their acts by kind. What an act is, they
//! know themselves; whether nodes bear it well enough, the scenario's expectations say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::select;
use futures_timer::Delay;
use orrery_node_hostile::{Effect, Hostile, Kind, Plan, Target, Told, Wires, Witness};

use super::machine::Machines;
use crate::format::scenario::program::Program;

/// What became of the acts of one kind, on all machines together.
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

/// Notes what the hostile peer of a machine tells.
struct Noting {
    machines: Arc<Machines>,
    machine: u32,
}

impl Witness for Noting {
    fn told(&self, kind: Kind, what: Told) {
        let number = match what {
            Told::Begun => 0,
            Told::LeftOut => 1,
            Told::Reached => 2,
            Told::Ended(Effect::Refused) => 3,
            Told::Ended(Effect::Borne) => 4,
            Told::Ended(Effect::Unreached) => 5,
        };
        let told = [kind.name().as_bytes(), &[number]].concat();
        self.machines.testbed.report(self.machine, &told);
        let mut state = self.machines.state();
        let counts = state.hostile.entry(kind).or_default();
        match what {
            Told::Begun => counts.attempts += 1,
            Told::LeftOut => counts.left_out += 1,
            Told::Reached => counts.reached += 1,
            Told::Ended(Effect::Refused) => counts.refused += 1,
            Told::Ended(Effect::Borne) => counts.borne += 1,
            // Attempts that never came to their misbehaviour are those that are missing in the others.
            Told::Ended(Effect::Unreached) => {}
        }
    }
}

/// Starts the hostile peer of a machine, if it has one. It ends with the workloads.
pub fn start(machines: &Arc<Machines>, machine: u32) {
    let Program::Hostile(hostile) = &machines.scenario.group_of(machine).program else {
        return;
    };
    let kinds: Vec<Kind> = hostile.does.iter().filter_map(|n| Kind::named(n)).collect();
    // Those that never begin are to be seen, too.
    for &kind in &kinds {
        machines.state().hostile.entry(kind).or_default();
    }
    let now_ns = machines.now_ns();
    let left_ns = machines.scenario.duration_ns.saturating_sub(now_ns);
    let Some(wires) = machines.wires(machine).filter(|_| left_ns > 0) else {
        return;
    };
    let mut seed = [0; 32];
    let mut stream = machines.testbed.stream("hostile", machine);
    stream.fill_bytes(&mut seed);
    let targets = hostile.target.iter().filter(|&target| target != machine);
    let peer = Hostile {
        keys: machines.keys(machine).clone(),
        plan: Plan {
            does: kinds,
            every: Duration::from_nanos(hostile.every_ns),
            hold: Duration::from_nanos(hostile.hold_ns),
            at_once_max: hostile.at_once_max as usize,
            topics: hostile.topics.clone(),
        },
        targets: targets.map(|target| target_of(machines, target)).collect(),
        wires: Wires::new(wires),
        seed,
        witness: Arc::new(Noting {
            machines: Arc::clone(machines),
            machine,
        }),
    };
    let end = Delay::new(Duration::from_nanos(left_ns));
    let misbehave = async move {
        let acting = std::pin::pin!(peer.run());
        select(acting, end).await;
    };
    machines.testbed.spawn(machine, misbehave.boxed());
}

/// What a hostile peer knows of a machine's node: all that a card tells.
fn target_of(machines: &Machines, machine: u32) -> Target {
    let keys = machines.keys(machine);
    let addresses = machines.addresses(machine).to_vec();
    Target {
        peer: keys.peer(),
        card: keys
            .card_at(&addresses, 0)
            .expect("keys in memory always sign"),
        addresses,
    }
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
