//! When the hosts are there that come and go: their sessions, absences, and availability.
//!
//! Owns what is measured of it. The draws are `world/churn`'s, and what happens to a host that is
//! away is done by `conditions`.

use std::collections::BTreeMap;
use std::ops::Range;

use orrery_reports::stats::Recorder;

use super::verdict::metrics::Metrics;
use crate::fault::When;
use crate::format::Scenario;
use crate::metrics::host::{HOST_ABSENCE_TIME, HOST_AVAILABILITY, HOST_SESSION_TIME};

/// What has been seen of hosts that come and go.
#[derive(Debug)]
pub struct Presence {
    hosts: BTreeMap<u32, Host>,
    groups: BTreeMap<String, Group>,
    all: Group,
    measured: Range<u64>,
}

/// A host that comes and goes.
#[derive(Debug)]
struct Host {
    group: String,
    /// Its programs run.
    runs: bool,
    /// It is away by a fault that leaves its programs, such as a sleep.
    is_away: bool,
    /// Since when it is up, or away, in nanoseconds.
    since_ns: u64,
    /// Whether that began with the run: it is the rest of a session or of an absence.
    is_rest: bool,
    boot_ns: u64,
}

impl Host {
    /// Its programs run, and it is there.
    const fn is_up(&self) -> bool {
        self.runs && !self.is_away
    }
}

/// What has been seen of a group.
#[derive(Debug, Clone)]
struct Group {
    hosts: u64,
    /// Time of its hosts together within the measured time, in nanoseconds.
    up_ns: u64,
    sessions: Recorder,
    absences: Recorder,
}

impl Group {
    fn new(hosts: u64) -> Self {
        Self {
            hosts,
            up_ns: 0,
            sessions: Recorder::of_microseconds(),
            absences: Recorder::of_microseconds(),
        }
    }

    /// A session, or an absence if `is_up` now, has ended.
    fn note(&mut self, is_up: bool, (now_ns, since_ns): (u64, u64)) {
        let of_its_kind = if is_up {
            &mut self.absences
        } else {
            &mut self.sessions
        };
        of_its_kind.record(now_ns, (now_ns - since_ns) / 1_000);
    }
}

impl Presence {
    /// All hosts that come and go in `scenario` are away; `boots_ns` has when each host boots.
    pub fn new(scenario: &Scenario, boots_ns: &[u64]) -> Self {
        let churned = scenario
            .faults
            .iter()
            .filter_map(|fault| match &fault.when {
                When::Away(churn) => Some((&churn.group, fault)),
                When::Given(_) | When::Random(_) => None,
            });
        let hosts: BTreeMap<u32, Host> = churned
            .flat_map(|(group, fault)| fault.hosts().map(move |host| (host, group)))
            .map(|(host, group)| {
                let group = group.clone();
                let away = Host {
                    group,
                    runs: false,
                    is_away: false,
                    since_ns: 0,
                    is_rest: true,
                    boot_ns: boots_ns[host as usize],
                };
                (host, away)
            })
            .collect();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for host in hosts.values() {
            *counts.entry(&host.group).or_default() += 1;
        }
        let groups = counts
            .into_iter()
            .map(|(name, count)| (name.to_owned(), Group::new(count)))
            .collect();
        Self {
            groups,
            all: Group::new(hosts.len() as u64),
            hosts,
            measured: scenario.warmup_ns..scenario.duration_ns,
        }
    }

    /// The programs of `host` start.
    pub fn starts(&mut self, host: u32, now_ns: u64) {
        self.note(host, now_ns, |host| host.runs = true);
    }

    /// The programs of `host` end.
    pub fn ends(&mut self, host: u32, now_ns: u64) {
        self.note(host, now_ns, |host| host.runs = false);
    }

    /// `host` goes away, or comes back, by what leaves its programs.
    pub fn is_away(&mut self, host: u32, is_away: bool, now_ns: u64) {
        self.note(host, now_ns, |host| host.is_away = is_away);
    }

    fn note(&mut self, place: u32, now_ns: u64, change: impl FnOnce(&mut Host)) {
        let Some(host) = self.hosts.get_mut(&place) else {
            return;
        };
        let was_up = host.is_up();
        change(host);
        let is_up = host.is_up();
        if was_up == is_up {
            return;
        }
        let (since_ns, is_rest) = (host.since_ns, host.is_rest);
        // A host that starts when it boots was there before, and one that goes again at once was away.
        host.is_rest = if is_up {
            now_ns <= host.boot_ns
        } else {
            is_rest && since_ns == now_ns
        };
        host.since_ns = now_ns;
        // At the end of the measured time all come back, which ends absences before their time.
        let is_whole = !is_rest && now_ns < self.measured.end;
        let group = self.groups.get_mut(&host.group).expect("each has one");
        for group in [group, &mut self.all] {
            if !is_up {
                group.up_ns += overlap_ns(&self.measured, since_ns..now_ns);
            }
            if is_whole {
                group.note(is_up, (now_ns, since_ns));
            }
        }
    }

    /// Records what has been seen until `now_ns`.
    ///
    /// # Panics
    /// As [`Metrics::samples`].
    pub fn collect(&self, now_ns: u64, metrics: &mut Metrics) {
        if self.hosts.is_empty() {
            return;
        }
        let (mut groups, mut all) = (self.groups.clone(), self.all.clone());
        for host in self.hosts.values().filter(|host| host.is_up()) {
            let up_ns = overlap_ns(&self.measured, host.since_ns..now_ns);
            all.up_ns += up_ns;
            groups.get_mut(&host.group).expect("each has one").up_ns += up_ns;
        }
        let measured_ns = overlap_ns(&self.measured, 0..now_ns);
        let of_groups = groups.iter().map(|(name, group)| (Some(name), group));
        for (name, group) in [(None, &all)].into_iter().chain(of_groups) {
            let label = name.map(|name| ("group", name.as_str()));
            let labels = label.as_slice();
            if measured_ns > 0 {
                let share = group.up_ns as f64 / (group.hosts * measured_ns) as f64;
                metrics.value(&HOST_AVAILABILITY, labels, share);
            }
            metrics.samples(&HOST_SESSION_TIME, labels, &group.sessions);
            metrics.samples(&HOST_ABSENCE_TIME, labels, &group.absences);
        }
    }
}

/// How long both last.
fn overlap_ns(one: &Range<u64>, other: Range<u64>) -> u64 {
    let (from, to) = (one.start.max(other.start), one.end.min(other.end));
    to.saturating_sub(from)
}

#[cfg(test)]
mod tests {
    use orrery_reports::record::Metric;

    use super::*;

    const MINUTE_NS: u64 = 60_000_000_000;

    #[test]
    fn a_host_that_sleeps_is_away_while_its_programs_stay() {
        let text = "name='t'\nduration='10m'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='g'\ncount=1\nprogram='none'\n\
                    churn={ online='exponential(5m)', offline='exponential(5m)', leave='sleep' }\n";
        let plan = crate::format::read("t.toml", text, None, &[]).expect("it is sound");
        let mut presence = Presence::new(&plan.cases[0].scenario, &[MINUTE_NS]);
        presence.is_away(0, true, 0);
        presence.starts(0, MINUTE_NS);
        presence.is_away(0, false, 4 * MINUTE_NS);
        presence.is_away(0, true, 6 * MINUTE_NS);
        presence.is_away(0, false, 8 * MINUTE_NS);
        presence.is_away(0, true, 10 * MINUTE_NS);
        let mut metrics = Metrics::default();
        presence.collect(10 * MINUTE_NS, &mut metrics);
        assert_eq!(metrics.whole(&HOST_AVAILABILITY), Some(0.4));
    }

    #[test]
    fn sessions_absences_and_availability_are_those_of_the_measured_time() {
        let text = "name='t'\nduration='10m'\nwarmup='2m'\n[network]\ndelays='ibm-10'\n\
                    [[group]]\nname='g'\ncount=2\nprogram='none'\n\
                    churn={ online='exponential(5m)', offline='exponential(5m)' }\n\
                    [[group]]\nname='s'\ncount=1\nprogram='none'\n";
        let plan = crate::format::read("t.toml", text, None, &[]).expect("it is sound");
        let mut presence = Presence::new(&plan.cases[0].scenario, &[0; 3]);
        presence.starts(0, 0);
        presence.starts(1, 0);
        presence.starts(2, 0);
        presence.ends(1, 0);
        presence.ends(0, 3 * MINUTE_NS);
        presence.starts(0, 4 * MINUTE_NS);
        presence.ends(0, 6 * MINUTE_NS);
        presence.starts(1, 9 * MINUTE_NS);
        presence.ends(2, 6 * MINUTE_NS);
        presence.starts(0, 10 * MINUTE_NS);
        let mut metrics = Metrics::default();
        presence.collect(11 * MINUTE_NS, &mut metrics);
        let share = 4.0 / 16.0;
        assert_eq!(metrics.whole(&HOST_AVAILABILITY), Some(share));
        let distribution = |key: &str| match &metrics.all[key] {
            Metric::Distribution { count, max, .. } => (*count, *max),
            Metric::Value { .. } => panic!("{key} is a value"),
        };
        assert_eq!(distribution("host.session.time{group=g}"), (1, 120_000.0));
        assert_eq!(distribution("host.absence.time"), (1, 60_000.0));
    }
}
