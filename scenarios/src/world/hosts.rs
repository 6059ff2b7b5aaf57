//! Where hosts stand and how their clocks go.

use orrery_sim::random::Stream;

use super::draw;
use crate::format::Scenario;

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
    /// How far its wall clock is ahead of true time at the begin, in nanoseconds.
    pub clock_offset_ns: i64,
    /// How fast its wall clock runs too fast, in parts per billion.
    pub clock_drift_ppb: i64,
}

/// All hosts of a scenario, by number.
pub fn build(scenario: &Scenario, seed: u64) -> Vec<HostPlan> {
    let mut hosts = Vec::new();
    for (place, group) in scenario.groups.iter().enumerate() {
        let mut regions: Vec<usize> = group
            .region_counts
            .iter()
            .enumerate()
            .flat_map(|(region, &count)| std::iter::repeat_n(region, count as usize))
            .collect();
        shuffle(
            &mut regions,
            &mut Stream::new(seed, &format!("regions {}", group.name), 0),
        );
        for (host, region) in group.hosts().zip(regions) {
            let mut offset = Stream::new(seed, "clock offset", host);
            let mut drift = Stream::new(seed, "clock drift", host);
            hosts.push(HostPlan {
                host,
                name: scenario.host_name(host),
                group: place,
                region,
                clock_offset_ns: draw::amount(group.clock.offset_ns, &mut offset),
                clock_drift_ppb: draw::amount(group.clock.drift_ppb, &mut drift),
            });
        }
    }
    hosts
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], stream: &mut Stream) {
    for last in (1..items.len()).rev() {
        items.swap(last, stream.below(last as u64 + 1) as usize);
    }
}
