//! After the end: all hosts pull until there is nothing new, twice in a row.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures_timer::Delay;
use orrery_node::api::{Command, Reply};
use orrery_node::identity::IdentityId;
use orrery_node::protocol::{PullError, Reason};
use orrery_sim::time::SimTime;
use orrery_sim::{Class, HostId};

use super::last_round::LastRound;
use super::run::Run;

/// Empty rounds after which a host has everything that it will get.
const EMPTY_ROUNDS: u32 = 2;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// A host to which nothing new has come for this share of the drain will get nothing in a longer
/// one either; unless that is shorter than [`STILL_MIN_NS`], which says nothing.
const STILL_PERCENT: u64 = 50;
const STILL_MIN_NS: u64 = 30_000_000_000;

/// Friends named in a failure's text for whom a pull keeps failing.
const FAILURES_NAMED_MAX: usize = 3;

/// Lets every host begin to drain when the workloads end.
pub fn schedule(run: &Arc<Run>) {
    if run.scenario.drain_ns == 0 {
        return;
    }
    let end = SimTime::from_nanos(run.scenario.duration_ns);
    for plan in &run.world.hosts {
        let host = plan.host;
        if !run.exchanges_feeds(host) {
            run.state().drained.insert(host);
            continue;
        }
        let drained = Arc::clone(run);
        let begin = move || {
            let testbed = Arc::clone(&drained.testbed);
            testbed.spawn(host, async move { drained.drain(host).await }.boxed());
        };
        run.testbed
            .call_at(end, Class::Workload, HostId(host), Box::new(begin));
    }
}

impl Run {
    async fn drain(&self, host: u32) {
        let mut empty = 0;
        while empty < EMPTY_ROUNDS {
            // A host whose power returned with the end is still starting.
            if let Some(node) = self.node(host) {
                let reply = node.command(Command::Pull { from: None }).await;
                empty = if self.is_empty_round(host, reply.ok().as_ref()) {
                    empty + 1
                } else {
                    0
                };
            }
            Delay::new(PAUSE).await;
        }
        self.state().drained.insert(host);
    }

    /// Whether a pull brought nothing new, and failed only where it must: at a
    /// friend that has blocked this host, or is blocked by it, or that is no node, or has other keys by
    /// now, or whose next post is larger than all that the relay between them carries.
    fn is_empty_round(&self, host: u32, reply: Option<&Reply>) -> bool {
        let Some(Reply::Pulled { items, failed }) = reply else {
            return false;
        };
        let mut state = self.state();
        let must_fail = |identity: &IdentityId, reason: &str| {
            let friend = state.host_of(identity);
            reason == too_large_for_relay()
                || friend.is_some_and(|friend| {
                    !self.scenario.group_of(friend).has_node()
                        || self.identity(friend) != *identity
                        || state.ledger.has_blocked(friend, host)
                        || state.ledger.has_blocked(host, friend)
                })
        };
        let failures: Vec<(u32, String)> = failed
            .iter()
            .filter(|(identity, reason)| !must_fail(identity, reason))
            .filter_map(|(identity, reason)| Some((state.host_of(identity)?, reason.clone())))
            .collect();
        let empty = *items == 0 && failures.is_empty();
        state.last_rounds.insert(host, LastRound { failures });
        empty
    }

    /// What can be done about `undrained` hosts: a longer drain, if something new has come to
    /// one of them lately; or else nothing but to see what kept it from them.
    pub fn outlook(&self, undrained: &[u32]) -> String {
        let (duration_ns, drain_ns) = (self.scenario.duration_ns, self.scenario.drain_ns);
        let state = self.state();
        let of_them = state.last_received_ns.iter();
        let newest_ns = of_them
            .filter(|(host, _)| undrained.contains(host))
            .map(|(_, at_ns)| *at_ns)
            .max();
        let still_ns =
            (duration_ns + drain_ns).saturating_sub(newest_ns.unwrap_or(0).max(duration_ns));
        if still_ns < STILL_MIN_NS || still_ns < drain_ns / 100 * STILL_PERCENT {
            return "see their logs with --log info, or give a longer drain".to_owned();
        }
        let name = |host: u32| self.world.hosts[host as usize].name.as_str();
        let rounds = undrained
            .iter()
            .filter_map(|host| Some((host, state.last_rounds.get(host)?)));
        let failures: Vec<String> = rounds
            .flat_map(|(host, round)| {
                let failures = round.failures.iter();
                failures.map(|(friend, reason)| {
                    format!("{} pulls from {}: {reason}", name(*host), name(*friend))
                })
            })
            .take(FAILURES_NAMED_MAX)
            .collect();
        let why = if failures.is_empty() {
            "see their logs with --log info".to_owned()
        } else {
            failures.join("; ")
        };
        format!(
            "nothing new has come to them in the last {} s, so that a longer drain would bring \
             nothing: {why}",
            still_ns / 1_000_000_000
        )
    }
}

/// What a node says of a pull that no circuit of the relay in between can carry.
fn too_large_for_relay() -> String {
    PullError::Refused(Reason::TooLargeForRelay).to_string()
}
