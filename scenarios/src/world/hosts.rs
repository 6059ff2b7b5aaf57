//! Where hosts stand and how their clocks go.

use std::time::Duration;

use orrery_sim::random::Stream;

use super::draw;
use crate::format::Scenario;
use crate::format::scenario::boot::Boot;
use crate::format::scenario::group::{Group, Regions};

/// What the world decides about a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// Its number.
    pub host: u32,
    /// Its name, `home[3]`.
    pub name: String,
    /// Place of its group in the scenario.
    pub group: usize,
    /// Place of its region in the delay profile.
    pub region: usize,
    /// Whether its person has moved since the friends got a card.
    pub card_outdated: bool,
    /// When its node starts, in nanoseconds.
    pub boot_ns: u64,
    /// How far its wall clock is ahead of true time at the start, in nanoseconds.
    pub clock_offset_ns: i64,
    /// How fast its wall clock runs too fast, in parts per billion.
    pub clock_drift_ppb: i64,
}

/// All hosts of a scenario, by number.
pub fn build(scenario: &Scenario, seed: u64) -> Vec<HostPlan> {
    let mut hosts = Vec::new();
    for (place, group) in scenario.groups.iter().enumerate() {
        let regions = regions(group, seed);
        let outdated = outdated_cards(group, seed);
        for ((host, region), card_outdated) in group.hosts().zip(regions).zip(outdated) {
            let mut offset = Stream::new(seed, "clock offset", host);
            let mut drift = Stream::new(seed, "clock drift", host);
            hosts.push(HostPlan {
                host,
                name: scenario.host_name(host),
                group: place,
                region,
                card_outdated,
                boot_ns: boot_ns(scenario, group, host, seed),
                clock_offset_ns: draw::amount(group.clock.offset_ns, &mut offset),
                clock_drift_ppb: draw::amount(group.clock.drift_ppb, &mut drift),
            });
        }
    }
    hosts
}

/// The region of each host of a group.
fn regions(group: &Group, seed: u64) -> Vec<usize> {
    let counts = match &group.regions {
        Regions::Counts(counts) => counts,
        Regions::RoundRobin(number) => {
            return group.hosts().map(|host| (host % number) as usize).collect();
        }
    };
    let mut regions: Vec<usize> = counts
        .iter()
        .enumerate()
        .flat_map(|(region, &count)| std::iter::repeat_n(region, count as usize))
        .collect();
    shuffle(
        &mut regions,
        &mut Stream::new(seed, &format!("regions {}", group.name), 0),
    );
    regions
}

/// Whether the card of each host of a group leads nowhere.
fn outdated_cards(group: &Group, seed: u64) -> Vec<bool> {
    let count = u64::from(group.count) * u64::from(group.outdated_cards_ppm);
    let count = (count + 500_000) / 1_000_000;
    let mut outdated: Vec<usize> = (0..u64::from(group.count))
        .map(|host| usize::from(host < count))
        .collect();
    let purpose = format!("outdated cards {}", group.name);
    shuffle(&mut outdated, &mut Stream::new(seed, &purpose, 0));
    outdated.into_iter().map(|outdated| outdated == 1).collect()
}

/// Without a boot time, nodes start within this time or a quarter of the warm-up; hosts without
/// nodes are up from the beginning.
const BOOT_SPAN_MAX: Duration = Duration::from_secs(10);

fn boot_ns(scenario: &Scenario, group: &Group, host: u32, seed: u64) -> u64 {
    if let Some(fixed_ns) = group.boot.fixed_ns(host - group.first_host, group.count) {
        return fixed_ns;
    }
    if let Boot::After { from_ns, law } = &group.boot {
        let mut stream = Stream::new(seed, "boot", host);
        let after = law.build().map(|law| law.draw(&mut stream));
        let after_ns = after.map_or(0, |after| {
            u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
        });
        return from_ns
            .saturating_add(after_ns)
            .min(scenario.duration_ns - 1);
    }
    let Boot::Drawn(amount) = group.boot else {
        // What starts there does nothing by itself, so that there is nothing to be spread in time.
        if !group.has_node() {
            return 0;
        }
        let span = Duration::from_nanos(scenario.warmup_ns / 4).min(BOOT_SPAN_MAX);
        let at = Stream::new(seed, "boot", host).uniform(Duration::ZERO, span);
        return at.as_nanos() as u64;
    };
    // All hosts of the group share one draw unless each makes its own.
    let whose = if amount.each { host } else { group.first_host };
    draw::positive(amount, &mut Stream::new(seed, "boot", whose))
}

/// Fisher and Yates.
pub(super) fn shuffle<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    #[test]
    fn hosts_without_nodes_are_up_from_the_beginning_unless_told() {
        let boot = |fields: &str, seed| {
            let text = format!(
                "name='t'\nduration='1m'\nwarmup='20s'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='g'\ncount=1\n{fields}\n"
            );
            let plan = read("t", &text, None, &[]).expect("it is sound");
            build(&plan.cases[0].scenario, seed)[0].boot_ns
        };
        for seed in 1..6 {
            assert_eq!(boot("program='none'", seed), 0);
            assert_eq!(boot("program='none'\nboot='3s'", seed), 3_000_000_000);
            assert!(boot("", seed) > 0);
        }
    }

    #[test]
    fn a_share_of_the_cards_is_outdated_and_the_seed_draws_whose() {
        let outdated = |share: &str, seed| -> Vec<u32> {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='g'\ncount=10\noutdated_cards='{share}'\n"
            );
            let plan = read("t", &text, None, &[]).expect("it is sound");
            let hosts = build(&plan.cases[0].scenario, seed);
            let outdated = hosts.iter().filter(|plan| plan.card_outdated);
            outdated.map(|plan| plan.host).collect()
        };
        assert_eq!(outdated("0%", 1), Vec::<u32>::new());
        assert_eq!(outdated("100%", 1), (0..10).collect::<Vec<_>>());
        assert_eq!(outdated("30%", 1).len(), 3);
        assert_ne!(outdated("30%", 1), outdated("30%", 2));
    }
}
