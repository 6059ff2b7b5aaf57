//! Expands workloads and faults into steps.

mod faults;

use std::collections::BTreeMap;

use orrery_sim::random::Stream;

use super::draw;
use super::friends::Friends;
use super::gateways::Gateways;
use super::step::Step;
use crate::format::Scenario;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::selector::Hosts;
use crate::format::scenario::workload::{Action, Readers, Workload};

/// All steps of a seed, ascending in time; steps of one moment keep the scenario's order.
///
/// With them, by the place of a workload, how often it was to act where it has nobody to act on.
pub fn build(
    scenario: &Scenario,
    friends: &Friends,
    gateways: &Gateways,
    seed: u64,
) -> (Vec<(u64, Step)>, BTreeMap<usize, u64>) {
    let mut builder = Builder {
        seed,
        duration_ns: scenario.duration_ns,
        friends,
        gateways,
        steps: Vec::new(),
        in_vain: BTreeMap::new(),
        tickets: 0,
        messages: 0,
        flows: 0,
        attempts: 0,
        punches: 0,
        lookups: 0,
    };
    for (place, workload) in scenario.workloads.iter().enumerate() {
        for (index, host) in (0..).zip(workload.from.iter()) {
            builder.workload(place, workload, host, index);
        }
    }
    for (place, fault) in scenario.faults.iter().enumerate() {
        builder.fault(place, fault);
    }
    builder.steps.sort_by_key(|(at, _)| *at);
    (builder.steps, builder.in_vain)
}

struct Builder<'a> {
    seed: u64,
    duration_ns: u64,
    friends: &'a Friends,
    gateways: &'a Gateways,
    steps: Vec<(u64, Step)>,
    in_vain: BTreeMap<usize, u64>,
    tickets: u32,
    messages: u32,
    flows: u32,
    attempts: u32,
    punches: u32,
    lookups: u32,
}

impl Builder<'_> {
    fn stream(&self, purpose: &str, place: usize, kind: &str, host: u32) -> Stream {
        Stream::new(self.seed, &format!("{purpose} {place} {kind}"), host)
    }

    fn push(&mut self, at_ns: u64, step: Step) {
        self.steps.push((at_ns, step));
    }

    /// A workload was to act once, and has nobody to act on.
    fn acts_in_vain(&mut self, place: usize) {
        *self.in_vain.entry(place).or_default() += 1;
    }

    fn workload(&mut self, place: usize, workload: &Workload, host: u32, index: u64) {
        let kind = workload.action.kind();
        let times = self.times(workload.pace, place, kind, host, index);
        let mut stream = self.stream("workload details", place, kind, host);
        for (turn, at_ns) in (0..).zip(times) {
            match &workload.action {
                Action::Post { to, size_bytes } => {
                    let size_bytes = draw::positive(*size_bytes, &mut stream) as u32;
                    self.post(at_ns, host, *to, None, size_bytes);
                }
                Action::LateGrant { age_ns, size_bytes } => {
                    let size_bytes = draw::positive(*size_bytes, &mut stream) as u32;
                    let age_ns = draw::positive(*age_ns, &mut stream);
                    if self.friends.of(host).is_empty() {
                        self.acts_in_vain(place);
                        continue;
                    }
                    self.late_grant(at_ns, age_ns, host, size_bytes, &mut stream);
                }
                Action::Dial { to, peers } => {
                    let peers = chosen(to, *peers, host, &mut stream);
                    self.push(at_ns, Step::Dial { host, peers });
                }
                Action::Connect(connect) => {
                    let Some(to) = connect.target(host, index, turn) else {
                        continue;
                    };
                    let attempt = self.attempts;
                    self.attempts += 1;
                    let step = Step::Connect {
                        host,
                        to,
                        workload: place,
                        attempt,
                    };
                    self.push(at_ns, step);
                }
                Action::Flow(flow) => {
                    let number = self.flows;
                    self.flows += 1;
                    let step = Step::Flow {
                        host,
                        to: flow.receiver(index as u32),
                        load: flow.load,
                        port: flow.port,
                        flow: number,
                    };
                    self.push(at_ns, step);
                }
                Action::Packets(packets) => {
                    let step = Step::Packets {
                        host,
                        to: packets.to.dealt(index as u32),
                        workload: place,
                    };
                    self.push(at_ns, step);
                }
                Action::Punch(how) => {
                    let step = Step::Punch {
                        host,
                        to: how.to.dealt(index as u32),
                        workload: place,
                        punch: self.punches,
                    };
                    self.punches += 1;
                    self.push(at_ns, step);
                }
                Action::Lookup(lookup) => {
                    let Some(&whom) = chosen(&lookup.to, Some(1), host, &mut stream).first() else {
                        continue;
                    };
                    let ticket = self.lookups;
                    self.lookups += 1;
                    let step = Step::Lookup {
                        host,
                        whom,
                        sought: lookup.sought,
                        ticket,
                    };
                    self.push(at_ns, step);
                }
                Action::Publish { size_bytes, .. } => {
                    let size_bytes = draw::positive(*size_bytes, &mut stream) as u32;
                    let ticket = self.messages;
                    self.messages += 1;
                    let step = Step::Publish {
                        host,
                        workload: place,
                        size_bytes,
                        ticket,
                    };
                    self.push(at_ns, step);
                }
                Action::Pull => self.push(at_ns, Step::Pull { host }),
                Action::Block { whom } => {
                    self.block(at_ns, place, host, whom);
                }
            }
        }
    }

    /// A host blocks those of `whom` who are its friends.
    fn block(&mut self, at_ns: u64, place: usize, host: u32, whom: &Hosts) {
        let friends = self.friends.of(host).iter().copied();
        let blocked: Vec<u32> = friends.filter(|&friend| whom.contains(friend)).collect();
        if blocked.is_empty() {
            self.acts_in_vain(place);
        }
        for whom in blocked {
            self.push(at_ns, Step::Block { host, whom });
        }
    }

    fn post(&mut self, at_ns: u64, host: u32, to: Readers, except: Option<u32>, size_bytes: u32) {
        let ticket = self.tickets;
        self.tickets += 1;
        self.push(
            at_ns,
            Step::Post {
                host,
                to,
                except,
                size_bytes,
                ticket,
            },
        );
    }

    fn late_grant(
        &mut self,
        at_ns: u64,
        age_ns: u64,
        host: u32,
        size_bytes: u32,
        stream: &mut Stream,
    ) {
        let circle = self.friends.of(host);
        let granted_ns = at_ns.saturating_add(age_ns.max(1));
        if granted_ns >= self.duration_ns {
            return;
        }
        let reader = circle[stream.below(circle.len() as u64) as usize];
        let ticket = self.tickets;
        self.post(at_ns, host, Readers::Friends, Some(reader), size_bytes);
        self.push(
            granted_ns,
            Step::Grant {
                host,
                reader,
                ticket,
            },
        );
    }

    /// Times within the run at which a host acts, ascending but for drawn ones.
    fn times(&self, pace: Pace, place: usize, kind: &str, host: u32, index: u64) -> Vec<u64> {
        let mut stream = self.stream("workload", place, kind, host);
        let mut times = Vec::new();
        match pace {
            Pace::Poisson { interval_ns } => {
                let mean = std::time::Duration::from_nanos(interval_ns);
                let mut gap = || (stream.exponential(mean).as_nanos() as u64).max(1);
                let mut at_ns = gap();
                while at_ns < self.duration_ns {
                    times.push(at_ns);
                    at_ns = at_ns.saturating_add(gap());
                }
            }
            Pace::Every { interval_ns } => {
                let mut at_ns = stream.below(interval_ns);
                while at_ns < self.duration_ns {
                    times.push(at_ns);
                    at_ns += interval_ns;
                }
            }
            Pace::At { at_ns, count } => {
                let mut shared = self.stream("workload", place, kind, SHARED);
                let stream = if at_ns.each { &mut stream } else { &mut shared };
                times.extend((0..count).map(|_| draw::positive(at_ns, stream)));
            }
            Pace::Series {
                at_ns,
                every_ns,
                count,
                stagger_ns,
            } => {
                let mut shared = self.stream("workload", place, kind, SHARED);
                let stream = if at_ns.each { &mut stream } else { &mut shared };
                let first_ns = draw::positive(at_ns, stream) + stagger_ns * index;
                times.extend((0..u64::from(count)).map(|turn| first_ns + every_ns * turn));
            }
        }
        times
    }
}

/// So many of `to` as are wanted, or all, `host` aside; ascending.
fn chosen(to: &Hosts, wanted: Option<u32>, host: u32, stream: &mut Stream) -> Vec<u32> {
    let mut others: Vec<u32> = to.iter().filter(|&other| other != host).collect();
    let wanted = wanted.map_or(others.len(), |wanted| others.len().min(wanted as usize));
    // The first steps of a shuffle by Fisher and Yates.
    for place in 0..wanted {
        let left = (others.len() - place) as u64;
        others.swap(place, place + stream.below(left) as usize);
    }
    others.truncate(wanted);
    others.sort_unstable();
    others
}

/// The stream's host where all hosts share one draw.
const SHARED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Plan, read};
    use crate::world::World;

    const TEXT: &str = r#"
name = "t"
duration = "20m"
seeds = 2
[network]
delays = "aws-21"
[[group]]
name = "home"
count = 10
friends = { graph = "random-regular", degree = 4 }
regions = { eu-central-1 = 0.5, us-east-1 = 0.5 }
clock = { offset = "normal(0s, 30s)", drift = "uniform(-50ppm, 50ppm)" }
[[workload]]
kind = "post"
from = "home"
rate = "30/h"
[[workload]]
kind = "late-grant"
from = "home"
rate = "30/h"
age = "uniform(1m, 3m)"
[[workload]]
kind = "block"
from = "home[0]"
whom = "home"
at = "5m"
[[fault]]
kind = "clock-step"
hosts = "home"
at = "each uniform(3m, 18m)"
by = "uniform(-120s, -30s)"
[[fault]]
kind = "partition"
at = "19m"
for = "2m"
between = ["home[0..5]", "home[5..10]"]
[[fault]]
kind = "power-cut"
hosts = "home[2..4]"
at = "7m"
for = "each uniform(1s, 30s)"
[[fault]]
kind = "link"
hosts = "home[9]"
at = "3m"
loss = "1%"
[[variant]]
name = "a"
set = { "group.home.node.sync.engine" = "after_ts" }
[[variant]]
name = "b"
"#;

    fn plan() -> Plan {
        read("t.toml", TEXT, None, &[]).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn variants_meet_the_same_world_and_seeds_do_not() {
        let plan = plan();
        let world = |case: usize, seed| World::build(&plan.cases[case].scenario, seed);
        assert_eq!(world(0, 1), world(1, 1));
        assert_ne!(world(0, 1).steps, world(0, 2).steps);
        assert_ne!(world(0, 1).hosts, world(0, 2).hosts);
    }

    #[test]
    fn another_workload_shifts_no_draws_of_the_others() {
        let with = plan();
        let extra = format!("{TEXT}[[workload]]\nkind = 'pull'\nfrom = 'home'\nrate = '60/h'\n");
        let more =
            read("t.toml", &extra, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let steps = |plan: &Plan| World::build(&plan.cases[0].scenario, 1).steps;
        let mut longer = steps(&more);
        longer.retain(|(_, step)| !matches!(step, Step::Pull { .. }));
        assert_eq!(longer, steps(&with));
    }

    #[test]
    fn steps_are_ordered_within_the_run_and_every_fault_acts() {
        let plan = plan();
        let scenario = &plan.cases[0].scenario;
        let world = World::build(scenario, 1);
        assert!(world.steps.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        assert!(
            world
                .steps
                .iter()
                .all(|(at, _)| *at <= scenario.duration_ns)
        );
        let effects = |wanted: usize| {
            let is = |step: &Step| matches!(step, Step::Fault { fault, change } if *fault == wanted && change.is_effect());
            world.steps.iter().filter(|(_, step)| is(step)).count()
        };
        assert_eq!(
            [effects(0), effects(1), effects(2), effects(3)],
            [10, 1, 2, 1]
        );
        let posts = world
            .steps
            .iter()
            .filter(|(_, step)| matches!(step, Step::Post { .. }))
            .count();
        assert!((120..280).contains(&posts), "{posts}");
        let blocked = world
            .steps
            .iter()
            .filter(|(_, step)| matches!(step, Step::Block { .. }))
            .count();
        assert_eq!(blocked, 4);
    }

    #[test]
    fn a_grant_follows_its_post_and_goes_to_a_friend() {
        let plan = plan();
        let world = World::build(&plan.cases[0].scenario, 3);
        let mut granted = 0;
        for (at, step) in &world.steps {
            let Step::Grant {
                host,
                reader,
                ticket,
            } = step
            else {
                continue;
            };
            granted += 1;
            assert!(world.friends.of(*host).contains(reader));
            let post = world
                .steps
                .iter()
                .find(|(_, step)| matches!(step, Step::Post { ticket: t, .. } if t == ticket));
            let (posted, Step::Post { except, .. }) = post.expect("the post is there") else {
                unreachable!("a post was searched for");
            };
            assert_eq!(*except, Some(*reader));
            assert!(at - posted >= 60_000_000_000);
        }
        assert!(granted > 10);
    }

    #[test]
    fn hosts_are_dealt_to_regions_by_their_counts() {
        let plan = plan();
        let world = World::build(&plan.cases[0].scenario, 1);
        let regions = &plan.cases[0].scenario.network.delays.regions;
        let count = |name: &str| {
            world
                .hosts
                .iter()
                .filter(|host| regions[host.region] == name)
                .count()
        };
        assert_eq!((count("eu-central-1"), count("us-east-1")), (5, 5));
        assert!(world.hosts.iter().any(|host| host.clock_offset_ns < 0));
    }

    #[test]
    fn the_gossip_work_boots_dials_and_publishes_as_it_says() {
        let text = include_str!("../../catalog/bench/gossip-100.toml");
        let plan = read("t.toml", text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let scenario = &plan.cases[0].scenario;
        let world = World::build(scenario, 1);
        for plan in &world.hosts {
            assert_eq!(plan.region, plan.host as usize % 3);
        }
        assert_eq!(world.hosts[0].boot_ns, 1_000_000_000);
        assert_eq!(world.hosts[1].boot_ns, 2_000_000_000);
        assert!(world.hosts[99].boot_ns < 7_000_000_000);
        assert!(scenario.group_of(5).bootstrap.contains(0));
        let (mut dials, mut messages) = (0, 0);
        for (at_ns, step) in &world.steps {
            match step {
                Step::Dial { host, peers } => {
                    dials += 1;
                    assert_eq!(*at_ns, 10_000_000_000 + u64::from(*host) * 1_000_000);
                    assert_eq!(peers.len(), 10);
                    assert!(!peers.contains(host));
                    assert!(peers.windows(2).all(|pair| pair[0] < pair[1]));
                }
                Step::Publish { host, .. } => {
                    messages += 1;
                    let first_ns = 30_000_000_000 + u64::from(*host) * 100_000_000;
                    assert_eq!((at_ns - first_ns) % 1_000_000_000, 0);
                }
                _ => {}
            }
        }
        assert_eq!((dials, messages), (100, 600));
        assert_ne!(world.steps, World::build(scenario, 2).steps);
    }
}
