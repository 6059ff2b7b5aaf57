//! What faults have done, counted where it happens.
//!
//! A fault that changes nothing for any packet, session or program has no effect, and its run
//! fails. What several do together counts for each that would have done it alone.

use orrery_sim::net::nat::Renewed;
use orrery_sim::net::stage::LinkCounts;

use super::hosts::{access_of, port_of};
use super::sum::OfHost;
use super::{gateways, on_gateway, on_host};
use crate::fault::{Adds, LifetimeChange, LinkChange};
use crate::play::run::Run;
use crate::profiles::{AccessProfile, Direction};

/// Counts faults that keep a host's programs from running, and the one in whose network it now is,
/// after its condition changed.
pub(super) fn count_of_host(run: &Run, host: u32, before: &OfHost, now: &OfHost) {
    let faults = &run.scenario.faults;
    let mut credited: Vec<usize> = Vec::new();
    let mut state = run.state();
    let is_due = state.conditions.lives[host as usize].is_due;
    let Some(of_host) = state.conditions.hosts.get(&host) else {
        return;
    };
    if is_due {
        credited.extend(keeping(on_host(faults, &of_host.in_force)));
    }
    credited.extend(now.away.filter(|_| now.away != before.away));
    credit(&mut state, host, &credited);
}

/// Counts the faults that keep a host from starting at its time.
pub(super) fn count_of_boot(run: &Run, host: u32) {
    let mut state = run.state();
    let Some(of_host) = state.conditions.hosts.get(&host) else {
        return;
    };
    let faults = on_host(&run.scenario.faults, &of_host.in_force);
    let credited: Vec<usize> = keeping(faults).collect();
    credit(&mut state, host, &credited);
}

/// The faults that keep a host's programs from running.
fn keeping<'a>(faults: impl Iterator<Item = (usize, Adds<'a>)>) -> impl Iterator<Item = usize> {
    faults
        .filter(|(_, adds)| adds.keeps_programs())
        .map(|(fault, _)| fault)
}

/// Counts faults at a host, each once in a turn.
fn credit(state: &mut crate::play::run::State, host: u32, credited: &[usize]) {
    for &fault in credited {
        let of_host = state.conditions.hosts.get_mut(&host);
        if of_host.is_some_and(|of_host| of_host.in_force.is_news(fault)) {
            state.fired[fault] += 1;
        }
    }
}

/// Counts packets that have met a host's links as faults changed them, until now.
pub(super) fn count_of_links(run: &Run, host: u32) {
    let links = run.testbed.links();
    let (of_access, of_lan) = (links.access_counts(host), links.port_counts(host));
    let profile = access_of(run, host);
    let port = port_of(run, host);
    let mut state = run.state();
    let of_host = state.conditions.hosts.entry(host).or_default();
    let seen = std::mem::replace(&mut of_host.seen, of_access);
    let seen_on_lan = std::mem::replace(&mut of_host.seen_on_lan, of_lan);
    let credited = {
        let faults = on_host(&run.scenario.faults, &of_host.in_force);
        let changes = |of: fn(Adds<'_>) -> Option<&LinkChange>| -> Vec<(usize, LinkChange)> {
            let of_link = |(fault, adds)| Some((fault, *of(adds)?));
            faults.clone().filter_map(of_link).collect()
        };
        let on_access = changes(|adds| adds.access);
        let mut credited = affected_by(&on_access, profile, &of_access, &seen);
        if let Some(port) = port {
            let on_lan = changes(|adds| adds.lan);
            let on_lan = affected_by(&on_lan, port, &of_lan, &seen_on_lan);
            credited.extend(on_lan);
        }
        credited
    };
    for (fault, met) in credited {
        state.fired[fault] += met;
    }
}

/// Counts what a host's interfaces have stopped while faults held them down, until now.
pub(super) fn count_of_interfaces(run: &Run, host: u32) {
    let stopped = run.testbed.interfaces().stopped(host);
    let group = run.scenario.group_of(host);
    let mut state = run.state();
    let of_host = state.conditions.hosts.entry(host).or_default();
    let seen = std::mem::replace(&mut of_host.seen_stopped, stopped.clone());
    let faults = on_host(&run.scenario.faults, &of_host.in_force);
    let credited: Vec<(usize, u64)> = faults
        .filter_map(|(fault, adds)| {
            let place = group.interface(adds.interface?)?;
            let before = seen.get(place).copied().unwrap_or(0);
            Some((fault, stopped[place] - before))
        })
        .collect();
    for (fault, stopped) in credited {
        state.fired[fault] += stopped;
    }
}

/// Counts what conditions have met at a host that one kind of fault makes, until now.
pub(super) fn count_of_own(run: &Run, host: u32) {
    let mut state = run.state();
    let Some(of_host) = state.conditions.hosts.get_mut(&host) else {
        return;
    };
    let faults = on_host(&run.scenario.faults, &of_host.in_force);
    let met: Vec<(usize, u64)> = faults
        .filter_map(|(fault, adds)| Some((fault, (adds.own?.met)(&*run.testbed, host))))
        .collect();
    for (fault, met) in met {
        let of_host = state.conditions.hosts.get_mut(&host);
        let seen = of_host.and_then(|of_host| of_host.seen_own.insert(fault, met));
        state.fired[fault] += met - seen.unwrap_or(met);
    }
}

/// What each of the changes of a link has done to the packets that it has met since `seen`.
fn affected_by(
    changes: &[(usize, LinkChange)],
    profile: &AccessProfile,
    counts: &[LinkCounts; 2],
    seen: &[LinkCounts; 2],
) -> Vec<(usize, u64)> {
    let with = LinkChange::sum(changes.iter().map(|(_, change)| change));
    let of_fault = |(fault, own): &(usize, LinkChange)| {
        let others = changes.iter().filter(|(other, _)| other != fault);
        let without = LinkChange::sum(others.map(|(_, change)| change));
        let sides = [Side::Up, Side::Down]
            .into_iter()
            .zip(counts.iter().zip(seen));
        let met: u64 = sides
            .map(|(side, (now, before))| {
                let [with, without] =
                    [&with, &without].map(|change| Effective::of(profile, change, side));
                let met = LinkCounts {
                    met: now.met.saturating_sub(before.met),
                    lost: now.lost.saturating_sub(before.lost),
                };
                affected(&with, &without, own.loss_ppm, met)
            })
            .sum();
        (*fault, met)
    };
    changes.iter().map(of_fault).collect()
}

/// A host has other links now, which may count their losses anew.
pub(super) fn link_was_set(run: &Run, host: u32) {
    let links = run.testbed.links();
    let counts = [links.access_counts(host), links.port_counts(host)];
    let mut state = run.state();
    let of_host = state.conditions.hosts.entry(host).or_default();
    let seen = [&mut of_host.seen, &mut of_host.seen_on_lan];
    for (seen, now) in seen.into_iter().flatten().zip(counts.iter().flatten()) {
        seen.lost = seen.lost.min(now.lost);
    }
}

/// One of the two links.
#[derive(Clone, Copy)]
enum Side {
    Up,
    Down,
}

/// What a fault can change of one direction of a link, as it is.
#[derive(PartialEq, Eq)]
struct Effective {
    rate_bps: Option<u64>,
    delay_ns: u64,
    loss_ppm: u32,
}

impl Effective {
    fn of(profile: &AccessProfile, change: &LinkChange, side: Side) -> Self {
        let (direction, rate_bps): (&Direction, _) = match side {
            Side::Up => (&profile.up, change.up_bps),
            Side::Down => (&profile.down, change.down_bps),
        };
        Self {
            rate_bps: rate_bps.or(direction.rate_bps),
            delay_ns: change.delay_ns.unwrap_or(direction.delay_ns),
            loss_ppm: change.loss_ppm.unwrap_or(direction.loss_ppm),
        }
    }
}

/// Of the packets that met a link, how many a fault with the loss `own_ppm` concerned, if the link
/// would have been `without` it: all whose rate or delay it changed, or that it kept from being
/// lost, and else its part of those lost.
fn affected(
    with: &Effective,
    without: &Effective,
    own_ppm: Option<u32>,
    counts: LinkCounts,
) -> u64 {
    let paced = with.rate_bps != without.rate_bps || with.delay_ns != without.delay_ns;
    if paced || with.loss_ppm < without.loss_ppm {
        return counts.met;
    }
    let own_ppm = u128::from(own_ppm.unwrap_or(0));
    let all_ppm = u128::from(with.loss_ppm);
    if all_ppm == 0 || *with == *without {
        return 0;
    }
    // Of independent losses, each takes this part of what they take together.
    ((u128::from(counts.lost) * own_ppm + all_ppm / 2) / all_ppm) as u64
}

/// Counts sessions that began or were renewed with lifetimes that faults changed, until now.
pub(super) fn count_of_sessions(run: &Run, gateway: usize) {
    let renewed = run.testbed.gateways().renewed(gateway);
    let (of_nat, of_firewall) = gateways::usual(run, gateway);
    let mut state = run.state();
    let of_gateway = state.conditions.gateways.entry(gateway).or_default();
    let seen = std::mem::replace(&mut of_gateway.seen, renewed);
    let faults = on_gateway(&run.scenario.faults, &of_gateway.in_force);
    let changes: Vec<(usize, LifetimeChange)> =
        faults.map(|(fault, change)| (fault, *change)).collect();
    for (fault, _) in &changes {
        let all = changes.iter().map(|(_, change)| change);
        let others = changes.iter().filter(|(other, _)| other != fault);
        let others = others.map(|(_, change)| change);
        let differs = |usual| {
            let with = LifetimeChange::sum_over(all.clone(), usual);
            let without = LifetimeChange::sum_over(others.clone(), usual);
            [
                with.udp != without.udp,
                with.tcp_transitory != without.tcp_transitory,
                with.tcp_established != without.tcp_established,
            ]
        };
        let differs: Vec<bool> = differs(of_nat)
            .into_iter()
            .zip(differs(of_firewall))
            .map(|(nat, firewall)| nat || firewall)
            .collect();
        let met = since(renewed, seen).into_iter().zip(differs);
        let met: u64 = met
            .filter(|(_, differs)| *differs)
            .map(|(met, _)| met)
            .sum();
        state.fired[*fault] += met;
    }
}

/// Sessions counted since, in the order of lifetimes.
fn since(now: Renewed, before: Renewed) -> [u64; 3] {
    [
        now.udp.saturating_sub(before.udp),
        now.tcp_transitory.saturating_sub(before.tcp_transitory),
        now.tcp_established.saturating_sub(before.tcp_established),
    ]
}

#[cfg(test)]
mod tests {
    use crate::play;

    /// Effects of the faults in `rest`, on a host that sends from 5 s to 50 s and a silent one
    /// that boots at 20 s.
    #[track_caller]
    fn check(faults: &[&str], expected: &[Option<u64>]) {
        let mut text = "name = 't'\nduration = '60s'\nwarmup = '1s'\ndrain = '1s'\n\
             [network]\ndelays = 'ibm-10'\n\
             [[group]]\nname = 'busy'\ncount = 1\nprogram = 'none'\nboot = '0s'\nnat = 'sym'\n\
             access = { up = { rate = '500kbit/s' } }\n\
             [[group]]\nname = 'silent'\ncount = 1\nprogram = 'none'\nboot = '20s'\n\
             [[group]]\nname = 'server'\ncount = 1\nprogram = 'none'\nboot = '0s'\n\
             [[workload]]\nkind = 'flow'\nfrom = 'busy'\nto = 'server'\nat = '5s'\nfor = '45s'\n"
            .to_owned();
        for fault in faults {
            text.push_str("[[fault]]\n");
            text.push_str(&fault.replace("; ", "\n"));
            text.push('\n');
        }
        let result = play::played(&text, None);
        let fired: Vec<u64> = result.faults.iter().map(|fault| fault.fired).collect();
        // Packets are too many to be told exactly.
        let told = fired.iter().zip(expected);
        let right = told
            .clone()
            .all(|(found, expected)| expected.map_or(*found > 9, |expected| *found == expected));
        assert!(
            right && fired.len() == expected.len(),
            "{faults:?}: {fired:?}, not {expected:?}"
        );
    }

    const LINK: &str = "kind = 'link'; hosts = 'busy'; at = '10s'; for = '20s'";
    const SILENT: &str = "kind = 'link'; hosts = 'silent'; at = '10s'; for = '20s'";

    #[test]
    fn links_count_packets_that_meet_what_changes() {
        let link = |fields: &str| format!("{LINK}; {fields}");
        check(&[&link("up = '200kbit/s'")], &[None]);
        check(&[&link("up = '500kbit/s'")], &[Some(0)]);
        check(&[&format!("{SILENT}; delay = '9ms'")], &[Some(0)]);
        check(&[&format!("{SILENT}; loss = '100%'")], &[Some(0)]);
        check(&[&link("loss = '10%'")], &[None]);
        // The lower rate and the larger delay count; losses do both.
        let (low, high) = (link("up = '200kbit/s'"), link("up = '300kbit/s'"));
        check(&[&high, &low], &[Some(0), None]);
        let (short, long) = (link("delay = '5ms'"), link("delay = '50ms'"));
        check(&[&long, &short], &[None, Some(0)]);
        let loss = link("loss = '20%'");
        check(&[&loss, &loss, &low], &[None, None, None]);
    }

    #[test]
    fn ports_on_local_networks_count_apart_from_access_links() {
        let check = |on: &str, to: &str, is_met: bool| {
            let text = format!(
                "name = 't'\nduration = '30s'\nwarmup = '1s'\n[network]\ndelays = 'ibm-10'\n\
                 [[group]]\nname = 'home'\ncount = 2\nprogram = 'none'\nboot = '0s'\nlan = 'l'\n\
                 [[group]]\nname = 'server'\ncount = 1\nprogram = 'none'\nboot = '0s'\n\
                 [[workload]]\nkind = 'flow'\nfrom = 'home[0]'\nto = '{to}'\nat = '5s'\n\
                 bytes = '90kB'\n\
                 [[fault]]\nkind = 'link'\nhosts = 'home[0]'\nat = '4s'\ndelay = '9ms'\n\
                 on = '{on}'\n"
            );
            let result = play::played(&text, None);
            assert_eq!(result.faults[0].fired > 0, is_met, "on {on}, to {to}");
        };
        for (on, neighbour, server) in [
            ("access", false, true),
            ("lan", true, false),
            ("all", true, true),
        ] {
            check(on, "home[1]", neighbour);
            check(on, "server", server);
        }
    }

    #[test]
    fn hosts_count_while_they_are_kept_from_running() {
        let fault = |kind: &str, host: &str, at: u64, length: u64| {
            format!("kind = '{kind}'; hosts = '{host}'; at = '{at}s'; for = '{length}s'")
        };
        for kind in ["power-cut", "stop"] {
            let early = fault(kind, "silent", 2, 9);
            let at_boot = fault(kind, "silent", 2, 30);
            check(&[&early, &at_boot], &[Some(0), Some(1)]);
            let outer = fault(kind, "silent", 25, 20);
            let inner = fault("power-cut", "silent", 30, 5);
            check(&[&outer, &inner], &[Some(1), Some(1)]);
            check(&[&format!("{inner}; every = '10s'")], &[Some(3)]);
        }
    }

    #[test]
    fn moves_count_once_they_say_where_a_host_is() {
        let moved = |at: u64, length: u64| {
            format!("kind = 'move'; hosts = 'silent'; at = '{at}s'; for = '{length}s'; to = 'sym'")
        };
        check(&[&moved(10, 9), &moved(10, 9)], &[Some(0), Some(1)]);
        check(&[&moved(10, 19), &moved(10, 9)], &[Some(1), Some(1)]);
        check(&[&moved(10, 9), &moved(15, 9)], &[Some(1), Some(1)]);
    }

    #[test]
    fn lifetimes_count_sessions_that_meet_them() {
        let lifetime = |field: &str| {
            format!("kind = 'nat-lifetime'; hosts = 'busy'; at = '10s'; for = '9s'; {field}")
        };
        let (long, short) = (
            lifetime("tcp_established = '9m'"),
            lifetime("tcp_established = '4m'"),
        );
        check(
            &[&long, &short, &lifetime("udp = '9s'")],
            &[Some(0), Some(1), Some(0)],
        );
    }
}
