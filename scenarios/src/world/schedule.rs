//! Expands workloads and faults into steps.
//!
//! Owns when each host acts. What it then does each kind of workload draws for itself.

mod faults;

use std::collections::BTreeMap;

use orrery_sim::random::Stream;

use super::churn;
use super::draw;
use super::friends::Friends;
use super::gateways::Gateways;
use super::hosts::HostPlan;
use super::step::Step;
use crate::fault::When;
use crate::format::Scenario;
use crate::format::scenario::pace::Pace;
use crate::format::scenario::workload::Workload;
use crate::workload::{Drawing, Plan, Turn};

/// All steps of a seed, ascending in time; steps of one moment keep the scenario's order.
///
/// With them, by the place of a workload, how often it was to act where it has no host to act on.
pub fn build(
    scenario: &Scenario,
    friends: &Friends,
    gateways: &Gateways,
    hosts: &[HostPlan],
    seed: u64,
) -> (Vec<(u64, Step)>, BTreeMap<usize, u64>) {
    let absences = absences(scenario, seed);
    let mut builder = Builder {
        seed,
        duration_ns: scenario.duration_ns,
        friends,
        gateways,
        hosts,
        away: away(&absences),
        absences,
        plan: Plan::default(),
    };
    for (place, workload) in scenario.workloads.iter().enumerate() {
        for (index, host) in (0..).zip(workload.from.iter()) {
            builder.workload(place, workload, host, index);
        }
    }
    for (place, fault) in scenario.faults.iter().enumerate() {
        builder.fault(place, fault);
    }
    let Plan {
        mut steps, in_vain, ..
    } = builder.plan;
    steps.sort_by_key(|(at, _)| *at);
    (steps, in_vain)
}

/// Times from and to nanoseconds, ascending.
type Windows = Vec<(u64, u64)>;

/// The absences that each fault of hosts that come and go makes, by the fault's place and host.
fn absences(scenario: &Scenario, seed: u64) -> BTreeMap<(usize, u32), Windows> {
    let mut absences = BTreeMap::new();
    for (place, fault) in scenario.faults.iter().enumerate() {
        if let When::Away(churn) = &fault.when {
            for host in fault.hosts() {
                let of_host = churn::absences(churn, seed, host, scenario.duration_ns);
                absences.insert((place, host), of_host);
            }
        }
    }
    absences
}

/// When hosts that come and go are away, whichever fault it is by.
fn away(absences: &BTreeMap<(usize, u32), Windows>) -> BTreeMap<u32, Windows> {
    let mut away: BTreeMap<u32, Windows> = BTreeMap::new();
    for ((_, host), of_host) in absences {
        away.entry(*host).or_default().extend(of_host);
    }
    for windows in away.values_mut() {
        windows.sort_unstable();
    }
    away
}

struct Builder<'a> {
    seed: u64,
    duration_ns: u64,
    friends: &'a Friends,
    gateways: &'a Gateways,
    hosts: &'a [HostPlan],
    /// The absences of hosts that come and go, by the place of the fault that makes them, and host.
    absences: BTreeMap<(usize, u32), Windows>,
    /// When these hosts are away, whichever fault it is by.
    away: BTreeMap<u32, Windows>,
    plan: Plan,
}

impl Builder<'_> {
    fn stream(&self, purpose: &str, place: usize, kind: &str, host: u32) -> Stream {
        Stream::new(self.seed, &format!("{purpose} {place} {kind}"), host)
    }

    fn push(&mut self, at_ns: u64, step: Step) {
        self.plan.steps.push((at_ns, step));
    }

    fn workload(&mut self, place: usize, workload: &Workload, host: u32, index: u64) {
        let kind = workload.action.kind();
        let times = self.times(workload.pace, place, kind, host, index);
        let mut stream = self.stream("workload details", place, kind, host);
        // Work that goes on at a rate begins where the host does, and is left out while a host that
        // comes and goes is away. What it would have done then is drawn all the same, so that what it
        // does later is not another.
        let (starts_ns, away) = match workload.pace {
            Pace::Poisson { .. } | Pace::Every { .. } => {
                let away = self.away.get(&host).cloned().unwrap_or_default();
                (self.hosts[host as usize].boot_ns, away)
            }
            Pace::At { .. } | Pace::Series { .. } => (0, Vec::new()),
        };
        let mut undone = Plan::default();
        for (number, at_ns) in (0..).zip(times) {
            let absence = away.partition_point(|(_, to_ns)| *to_ns <= at_ns);
            let is_away = away
                .get(absence)
                .is_some_and(|(from_ns, _)| *from_ns <= at_ns);
            let mut drawing = Drawing {
                stream,
                friends: self.friends,
                duration_ns: self.duration_ns,
                workload: place,
                plan: if at_ns < starts_ns || is_away {
                    &mut undone
                } else {
                    &mut self.plan
                },
            };
            let turn = Turn {
                at_ns,
                host,
                index,
                number,
            };
            workload.action.plan(&turn, &mut drawing);
            stream = drawing.stream;
        }
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

/// The stream's host where all hosts share one draw.
const SHARED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::format::{Plan, read};
    use crate::workload::Planned;
    use crate::workload::dial::Dial;
    use crate::workload::feed::late_grant::{self, LateGrant};
    use crate::workload::feed::post::{self, Post};
    use crate::workload::publish::Publish;
    use crate::world::{Change, Phase, Target, World};

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
set = { "group.home.node.sync.strategy" = "after_ts" }
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
        let is_new = |step: &Step| matches!(step, Step::Work { workload: 3, .. });
        longer.retain(|(_, step)| !is_new(step));
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
        let acts = |place: usize| {
            let is =
                |step: &Step| matches!(step, Step::Work { workload, .. } if *workload == place);
            world.steps.iter().filter(|(_, step)| is(step)).count()
        };
        assert!((60..140).contains(&acts(0)), "{}", acts(0));
        assert_eq!(acts(2), 4);
    }

    #[test]
    fn work_at_a_rate_begins_with_its_host_and_later_work_stays_as_it_was() {
        let late = TEXT.replacen("count = 10\n", "count = 10\nboot = \"5m\"\n", 1);
        let late = read("t.toml", &late, None, &[]).unwrap_or_else(|wrong| panic!("{wrong}"));
        let early = plan();
        let posts = |plan: &Plan| {
            let scenario = &plan.cases[0].scenario;
            let world = World::build(scenario, 1);
            let planned = Planned {
                scenario,
                world: &world,
            };
            let acts = planned.acts::<Post>();
            let acts: Vec<_> = acts.map(|(at, host, _, act)| (at, host, *act)).collect();
            acts
        };
        let (early, late) = (posts(&early), posts(&late));
        let five_minutes_ns = 300_000_000_000;
        let numbers: BTreeSet<u32> = late.iter().map(|(_, _, act)| act.ticket).collect();
        assert_eq!(numbers.len(), late.len());
        assert_eq!(
            numbers.last().map(|last| *last as usize + 1),
            Some(late.len())
        );
        let of = |acts: &[(u64, u32, post::Act)]| {
            let after = acts.iter().filter(|(at, ..)| *at >= five_minutes_ns);
            let parts = after.map(|(at, host, act)| (*at, *host, act.size_bytes));
            parts.collect::<Vec<_>>()
        };
        assert_eq!(of(&late), of(&early));
        assert_eq!(of(&late).len(), late.len(), "nothing before the start");
        assert!(early.len() > late.len());
    }

    #[test]
    fn a_grant_follows_its_post_and_goes_to_a_friend() {
        let plan = plan();
        let scenario = &plan.cases[0].scenario;
        let world = World::build(scenario, 3);
        let planned = Planned {
            scenario,
            world: &world,
        };
        let acts = || planned.acts::<LateGrant>();
        let mut granted = 0;
        for (at, host, _, act) in acts() {
            let late_grant::Act::Grant { reader, ticket } = act else {
                continue;
            };
            granted += 1;
            assert!(world.friends.of(host).contains(reader));
            let posts = acts().filter_map(|(posted, .., act)| match act {
                late_grant::Act::Post { post, except } => Some((posted, post.ticket, *except)),
                late_grant::Act::Grant { .. } => None,
            });
            let mut posts = posts.filter(|(_, number, _)| number == ticket);
            let (posted, _, except) = posts.next().expect("the post is there");
            assert_eq!(except, *reader);
            assert!(at - posted >= 60_000_000_000);
        }
        assert!(granted > 10);
    }

    /// Where a fault begins, and when, in nanoseconds: those of the scenario's last fault.
    fn strikes(fault: &str, seed: u64) -> (World, Vec<(u64, u32)>) {
        let text = format!("{TEXT}\n[[fault]]\n{fault}");
        let text = text.replace("[[variant]]\nname = \"a\"", "");
        let text = text.replace(
            "set = { \"group.home.node.sync.strategy\" = \"after_ts\" }",
            "",
        );
        let plan = read("t.toml", &text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let scenario = &plan.cases[0].scenario;
        let world = World::build(scenario, seed);
        let last = scenario.faults.len() - 1;
        let begins = world.steps.iter().filter_map(|(at_ns, step)| match step {
            Step::Fault {
                fault,
                change:
                    Change {
                        target: Target::Host(host),
                        phase: Phase::Begins,
                    },
            } if *fault == last => Some((*at_ns, *host)),
            _ => None,
        });
        let begins = begins.collect();
        (world, begins)
    }

    #[test]
    fn a_fault_meets_the_hosts_of_its_regions_and_the_share_that_the_seed_draws() {
        let fault = "kind='stop'\nhosts='home'\nat='5m'\nfor='1m'\n";
        let hosts = |more: &str, seed| {
            let (world, begins) = strikes(&format!("{fault}{more}"), seed);
            let hosts: Vec<u32> = begins.into_iter().map(|(_, host)| host).collect();
            (world, hosts)
        };
        let (world, dark) = hosts("regions='us-east-1'", 1);
        let region = world.hosts[dark[0] as usize].region;
        let there = world.hosts.iter().filter(|host| host.region == region);
        assert_eq!(dark, there.map(|host| host.host).collect::<Vec<u32>>());
        assert_eq!(dark.len(), 5);
        let (_, some) = hosts("share=0.3", 1);
        assert_eq!(some.len(), 3);
        assert_eq!(some, hosts("share=0.3", 1).1, "the same in the same world");
        assert!((2..9).any(|seed| hosts("share=0.3", seed).1 != some));
        assert_eq!(hosts("regions=['us-east-1']\nshare='40%'", 1).1.len(), 2);
    }

    #[test]
    fn a_fault_at_a_rate_comes_so_often_and_ends_before_it_comes_again() {
        let fault = "kind='stop'\nhosts='home'\nrate='60/h'\nfor='1m'\n";
        let mut all = 0;
        for seed in 1..=20 {
            let (_, begins) = strikes(fault, seed);
            let mut last = [0; 10];
            for (at_ns, host) in begins {
                let from = std::mem::replace(&mut last[host as usize], at_ns + 60_000_000_000);
                assert!(at_ns > from, "host {host} again before it has ended");
                all += 1;
            }
        }
        // 20 minutes, of which each turn takes two on average: some ten for each host and seed.
        assert!((1_850..2_250).contains(&all), "{all}");
    }

    #[test]
    fn work_at_a_rate_is_left_out_while_a_host_is_away() {
        let text = "name='t'\nduration='2h'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='g'\ncount=20\nfriends={graph='complete'}\n\
                    churn={online='exponential(5m)', offline='exponential(5m)'}\n\
                    [[workload]]\nkind='post'\nfrom='g'\nrate='60/h'\n";
        let plan = read("t.toml", text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let world = World::build(&plan.cases[0].scenario, 1);
        let mut is_away = [false; 20];
        let (mut posts, mut turns) = (0, 0);
        for (_, step) in &world.steps {
            match step {
                Step::Work { host, .. } => {
                    assert!(!is_away[*host as usize], "host {host} is away");
                    posts += 1;
                }
                Step::Fault { change, .. } => {
                    let Target::Host(host) = change.target else {
                        panic!("churn is of hosts");
                    };
                    is_away[host as usize] = change.phase == Phase::Begins;
                    turns += 1;
                }
            }
        }
        assert!((900..1_500).contains(&posts), "{posts} of 2,400");
        assert!(turns > 300, "{turns}");
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
        let planned = Planned {
            scenario,
            world: &world,
        };
        for (at_ns, host, _, act) in planned.acts::<Dial>() {
            assert_eq!(at_ns, 10_000_000_000 + u64::from(host) * 1_000_000);
            assert_eq!(act.peers.len(), 10);
            assert!(!act.peers.contains(&host));
            assert!(act.peers.windows(2).all(|pair| pair[0] < pair[1]));
        }
        for (at_ns, host, ..) in planned.acts::<Publish>() {
            let first_ns = 30_000_000_000 + u64::from(host) * 100_000_000;
            assert_eq!((at_ns - first_ns) % 1_000_000_000, 0);
        }
        let dials = planned.acts::<Dial>().count();
        let messages = planned.acts::<Publish>().count();
        assert_eq!((dials, messages), (100, 600));
        assert_ne!(world.steps, World::build(scenario, 2).steps);
    }
}
