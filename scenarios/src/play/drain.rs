//! After the end: everybody pulls until there is nothing new, twice in a row.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures_timer::Delay;
use orrery_node::api::{Command, Reply};
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId};

use super::machine::Machines;

/// Empty rounds after which a machine has everything that it will get.
const EMPTY_ROUNDS: u32 = 2;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets every machine begin to drain when the workloads end.
pub fn schedule(machines: &Arc<Machines>) {
    if machines.scenario.drain_ns == 0 {
        return;
    }
    let end = SimTime::from_nanos(machines.scenario.duration_ns);
    for plan in &machines.world.hosts {
        let machine = plan.host;
        if !machines.exchanges_feeds(machine) {
            machines.state().drained.insert(machine);
            continue;
        }
        let drained = Arc::clone(machines);
        let begin = move || {
            let testbed = Arc::clone(&drained.testbed);
            testbed.spawn(machine, async move { drained.drain(machine).await }.boxed());
        };
        machines
            .testbed
            .call_at(end, Class::Workload, HostId(machine), Box::new(begin));
    }
}

impl Machines {
    async fn drain(&self, machine: u32) {
        let mut empty = 0;
        while empty < EMPTY_ROUNDS {
            // A machine whose power returned with the end is still starting.
            if let Some(node) = self.node(machine) {
                let reply = node.command(Command::Pull { from: None }).await;
                empty = if self.is_empty_round(machine, reply.ok().as_ref()) {
                    empty + 1
                } else {
                    0
                };
            }
            Delay::new(PAUSE).await;
        }
        self.state().drained.insert(machine);
    }

    /// Whether a pull brought nothing new, and failed only where it must: at a
    /// friend that has blocked this machine, or is blocked by it.
    fn is_empty_round(&self, machine: u32, reply: Option<&Reply>) -> bool {
        let Some(Reply::Pulled { items: 0, failed }) = reply else {
            return false;
        };
        let state = self.state();
        failed.iter().all(|(identity, _)| {
            state.host_of(identity).is_some_and(|friend| {
                state.ledger.has_blocked(friend, machine)
                    || state.ledger.has_blocked(machine, friend)
            })
        })
    }
}
