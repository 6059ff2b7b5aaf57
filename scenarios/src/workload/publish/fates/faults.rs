//! What the faults of a run did to hosts and to the ways between them, and when.
//!
//! Read from the world's plan: what is there for one host, or between two, and nothing else. Which
//! of it explains a loss is for [`super::cut`] to say. Times are simulated nanoseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::fault::{Acts, Losses};
use crate::format::scenario::selector::Hosts;
use crate::play::overlay::{OPEN, Span};
use crate::play::run::Run;
use crate::world::{Change, Phase, Step, Target};

/// From this share on, in parts per million, a link is said to lose everything.
const SILENT_PPM: u32 = 1_000_000;

/// Two sets of hosts between which nothing passes.
#[derive(Debug)]
struct Parted {
    span: Span,
    a: BTreeSet<u32>,
    b: BTreeSet<u32>,
}

/// An access link that is not as its profile says.
#[derive(Debug, Clone, Copy)]
struct Linked {
    span: Span,
    loss_ppm: u32,
}

/// What faults did.
#[derive(Debug, Default)]
pub struct Faults {
    parted: Vec<Parted>,
    /// When hosts were in another network.
    away: BTreeMap<u32, Vec<Span>>,
    links: BTreeMap<u32, Vec<Linked>>,
    /// When a NAT before a host forgot its sessions, or got another address.
    nats: BTreeMap<u32, Vec<u64>>,
    /// When an interface of a host was down.
    interfaces: BTreeMap<u32, Vec<Span>>,
    /// When a fault was in force at a host that explains losses by itself.
    hindered: BTreeMap<u32, Vec<(Span, Losses)>>,
    /// By host, the share that its access link loses by its profile, in parts per million.
    loss_ppm: Vec<u32>,
    /// By host, the slower of the rates of its access link, in bits per second.
    rate_bps: Vec<Option<u64>>,
}

impl Faults {
    /// What the world of a run has planned.
    pub fn of(run: &Run) -> Self {
        let world = &run.world;
        let links = world.hosts.iter().map(|plan| {
            let access = &run.scenario.groups[plan.group].access;
            let rates = [access.up.rate_bps, access.down.rate_bps];
            let loss_ppm = access.up.loss_ppm.max(access.down.loss_ppm);
            (loss_ppm, rates.into_iter().flatten().min())
        });
        let (loss_ppm, rate_bps) = links.unzip();
        let mut faults = Self {
            interfaces: absences(run),
            loss_ppm,
            rate_bps,
            ..Self::default()
        };
        for (at_ns, step) in &world.steps {
            if let Step::Fault { fault, change } = step {
                faults.take(run, *at_ns, *fault, change);
            }
        }
        faults
    }

    fn take(&mut self, run: &Run, at_ns: u64, fault: usize, change: &Change) {
        let until = || until(run, fault, change, at_ns);
        match (
            run.scenario.faults[fault].acts(),
            change.target,
            change.phase,
        ) {
            (Acts::Parts(sides), _, Phase::Begins) => {
                let side = |hosts: &Hosts| with_neighbours(run, hosts.iter());
                self.parted.push(Parted {
                    span: until(),
                    a: side(sides.a),
                    b: side(sides.b),
                });
            }
            (Acts::OnHosts(_, adds), Target::Host(host), Phase::Begins) => {
                if let Some(change) = adds.access.or(adds.lan) {
                    let linked = Linked {
                        span: until(),
                        loss_ppm: change.loss_ppm.unwrap_or(0),
                    };
                    self.links.entry(host).or_default().push(linked);
                }
                if adds.away.is_some() {
                    self.away.entry(host).or_default().push(until());
                }
                if adds.interface.is_some() {
                    self.interfaces.entry(host).or_default().push(until());
                }
                if let Some(losses) = run.scenario.faults[fault].what.losses() {
                    let hindered = self.hindered.entry(host).or_default();
                    hindered.push((until(), losses));
                }
            }
            (Acts::StrikesGateways(..), Target::Gateway(gateway), _) => {
                for host in behind(run, gateway) {
                    self.nats.entry(host).or_default().push(at_ns);
                }
            }
            // What ends hosts is told by the overlay; clocks and lifetimes end no connection that
            // is in use. Ends are told by the spans.
            (
                Acts::Parts(_)
                | Acts::OnHosts(..)
                | Acts::OnGateways(..)
                | Acts::StrikesHosts(..)
                | Acts::StrikesGateways(..),
                _,
                _,
            ) => {}
        }
    }

    /// Whether nothing passes between two hosts in some of `window_ns`.
    pub fn parts(&self, (one, other): (u32, u32), window_ns: &Range<u64>) -> bool {
        self.parted.iter().any(|parted| {
            let between = |a: u32, b: u32| parted.a.contains(&a) && parted.b.contains(&b);
            parted.span.meets(window_ns) && (between(one, other) || between(other, one))
        })
    }

    /// Whether a host came into another network, or back, within `window_ns`.
    pub fn moved(&self, host: u32, window_ns: &Range<u64>) -> bool {
        let mut spans = self.away.get(&host).into_iter().flatten();
        spans.any(|span| window_ns.contains(&span.from_ns) || window_ns.contains(&span.to_ns))
    }

    /// Since when a host is in another network that is so in some of `window_ns`.
    pub fn away_since(&self, host: u32, window_ns: &Range<u64>) -> Option<u64> {
        let spans = self.away.get(&host).into_iter().flatten();
        let meets = spans.filter(|span| span.meets(window_ns));
        meets.map(|span| span.from_ns).max()
    }

    /// What a fault explains that was in force at a host in some of `window_ns`.
    pub fn hinders(&self, host: u32, window_ns: &Range<u64>) -> Option<Losses> {
        let mut spans = self.hindered.get(&host).into_iter().flatten();
        let found = spans.find(|(span, _)| span.meets(window_ns));
        found.map(|(_, losses)| *losses)
    }

    /// Whether a NAT before a host forgot its sessions within `window_ns`.
    pub fn nat_restarted(&self, host: u32, window_ns: &Range<u64>) -> bool {
        let mut times = self.nats.get(&host).into_iter().flatten();
        times.any(|at_ns| window_ns.contains(at_ns))
    }

    /// Whether an interface of a host went down within `recent_ns`, or was down in some of
    /// `window_ns`.
    pub fn lost_interface(
        &self,
        host: u32,
        recent_ns: &Range<u64>,
        window_ns: &Range<u64>,
    ) -> bool {
        let mut spans = self.interfaces.get(&host).into_iter().flatten();
        spans.any(|span| recent_ns.contains(&span.from_ns) || span.meets(window_ns))
    }

    /// Whether a fault lets a host's access link lose everything in some of `window_ns`.
    pub fn is_silent(&self, host: u32, window_ns: &Range<u64>) -> bool {
        self.faults_of_link(host, window_ns)
            .any(|linked| linked.loss_ppm >= SILENT_PPM)
    }

    /// Whether a host's access link loses packets in some of `window_ns`, by profile or fault.
    pub fn loses(&self, host: u32, window_ns: &Range<u64>) -> bool {
        self.loss_ppm[host as usize] > 0 || self.loses_more(host, window_ns)
    }

    /// Whether a fault lets a host's access link lose packets in some of `window_ns`.
    pub fn loses_more(&self, host: u32, window_ns: &Range<u64>) -> bool {
        self.faults_of_link(host, window_ns)
            .any(|linked| linked.loss_ppm > 0)
    }

    /// Whether a fault changes a host's access link in some of `window_ns`.
    pub fn is_changed(&self, host: u32, window_ns: &Range<u64>) -> bool {
        self.faults_of_link(host, window_ns).next().is_some()
    }

    /// The slower of the rates of the access links of two hosts, in bits per second.
    pub fn rate_bps(&self, (one, other): (u32, u32)) -> Option<u64> {
        let rates = [one, other].map(|host| self.rate_bps[host as usize]);
        rates.into_iter().flatten().min()
    }

    fn faults_of_link<'a>(
        &'a self,
        host: u32,
        window_ns: &'a Range<u64>,
    ) -> impl Iterator<Item = &'a Linked> {
        let of_host = self.links.get(&host).into_iter().flatten();
        of_host.filter(|linked| linked.span.meets(window_ns))
    }
}

/// When interfaces had not come up yet, or were down for good, as their groups say.
fn absences(run: &Run) -> BTreeMap<u32, Vec<Span>> {
    let mut absences: BTreeMap<u32, Vec<Span>> = BTreeMap::new();
    for group in &run.scenario.groups {
        for interface in &group.interfaces {
            let before = (interface.up_at_ns > 0).then_some((0, interface.up_at_ns));
            let after = interface.down_at_ns.map(|down_ns| (down_ns, OPEN));
            for (from_ns, to_ns) in before.into_iter().chain(after) {
                for host in group.hosts() {
                    let spans = absences.entry(host).or_default();
                    spans.push(Span { from_ns, to_ns });
                }
            }
        }
    }
    absences
}

/// From a change's beginning to its end, which is the next step of the same fault there.
fn until(run: &Run, fault: usize, change: &Change, from_ns: u64) -> Span {
    let ends = |other: &Change| other.target == change.target && other.phase == Phase::Ends;
    let end = run.world.steps.iter().find(|(at_ns, step)| {
        *at_ns >= from_ns
            && matches!(step, Step::Fault { fault: of, change } if *of == fault && ends(change))
    });
    Span {
        from_ns,
        to_ns: end.map_or(OPEN, |(at_ns, _)| *at_ns),
    }
}

/// A host and those behind the same outermost gateway: a partition cuts gateways from one
/// another, with all that is behind them.
fn with_neighbours(run: &Run, hosts: impl Iterator<Item = u32>) -> BTreeSet<u32> {
    let mut side = BTreeSet::new();
    let gateways = &run.world.gateways;
    for host in hosts {
        side.insert(host);
        if let Some(outermost) = outermost(run, gateways.at_home[host as usize]) {
            side.extend(behind(run, outermost));
        }
    }
    side
}

/// The hosts at home behind a gateway, directly or through others.
fn behind(run: &Run, gateway: usize) -> Vec<u32> {
    let gateways = &run.world.gateways;
    let leads = |at: &Option<usize>| {
        std::iter::successors(*at, |at| gateways.all[*at].behind).any(|at| at == gateway)
    };
    let hosts = (0..).zip(&gateways.at_home);
    hosts
        .filter(|(_, at)| leads(at))
        .map(|(host, _)| host)
        .collect()
}

fn outermost(run: &Run, gateway: Option<usize>) -> Option<usize> {
    let gateways = &run.world.gateways;
    std::iter::successors(gateway, |at| gateways.all[*at].behind).last()
}
