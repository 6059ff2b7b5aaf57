//! What faults make of hosts: power, the network that they are in, and their access link.

use std::sync::Arc;

use super::sum::OfHost;
use super::{effects, life, on_host, sum};
use crate::fault::{OwnCondition, When};
use crate::play::run::Run;
use crate::profiles::AccessProfile;
use crate::world::Phase;

/// A fault in force begins or ends at a host.
pub(super) fn enter(run: &Run, host: u32, fault: usize, phase: Phase) {
    effects::count_of_links(run, host);
    effects::count_of_interfaces(run, host);
    effects::count_of_own(run, host);
    let mut state = run.state();
    let of_host = state.conditions.hosts.entry(host).or_default();
    of_host.in_force.enter(fault, phase, run.now_ns());
    let declared = &run.scenario.faults[fault];
    let adds = declared.acts().on_host();
    if let Some(own) = adds.and_then(|adds| adds.own) {
        of_host
            .seen_own
            .insert(fault, (own.met)(&*run.testbed, host));
    }
    // What ends programs is told where they end.
    let leaves_programs = adds.is_some_and(|adds| !adds.keeps_programs());
    if let When::Away(_) = declared.when
        && leaves_programs
    {
        let now_ns = run.now_ns();
        state.presence.is_away(host, phase == Phase::Begins, now_ns);
    }
}

/// Makes of a host what the faults in force leave of it.
pub(super) fn apply(run: &Arc<Run>, host: u32) {
    let (before, now) = {
        let mut state = run.state();
        let Some(of_host) = state.conditions.hosts.get_mut(&host) else {
            return;
        };
        let faults = on_host(&run.scenario.faults, &of_host.in_force);
        let now = sum::of_host(run.scenario.group_of(host), &faults);
        (std::mem::replace(&mut of_host.applied, now), now)
    };
    if now.is_off && !before.is_off {
        life::power_goes(run, host);
    }
    if let Some(replaced) = now.disk
        && now.disk > before.disk
    {
        life::replace_disk(run, host, replaced);
    }
    if now.is_stopped && !now.is_off {
        life::stop(run, host);
    }
    if now.away != before.away {
        relocate(run, host, now.away);
    }
    if now.away != before.away || now.link != before.link {
        set_link(run, host, &now);
    }
    if now.port != before.port
        && let Some(profile) = port_of(run, host)
    {
        run.testbed.links().set_port(host, profile, &now.port);
        effects::link_was_set(run, host);
    }
    if now.down != before.down {
        set_interfaces(run, host);
    }
    set_own(run, host);
    if before.is_off && !now.is_off {
        run.testbed.power().restore(host);
    }
    effects::count_of_host(run, host, &before, &now);
    life::apply(run, host);
}

/// Lets those conditions hold at a host that faults in force there make, each of one kind alone.
fn set_own(run: &Run, host: u32) {
    let (before, now) = {
        let mut state = run.state();
        let of_host = state.conditions.hosts.entry(host).or_default();
        let mut now: Vec<&OwnCondition> = on_host(&run.scenario.faults, &of_host.in_force)
            .filter_map(|(_, adds)| adds.own)
            .collect();
        now.sort_unstable_by_key(|own| own.name);
        now.dedup_by_key(|own| own.name);
        (std::mem::replace(&mut of_host.own, now.clone()), now)
    };
    let changed = |from: &[&'static OwnCondition], to: &[&'static OwnCondition], holds: bool| {
        for own in from {
            if to.iter().all(|other| other.name != own.name) {
                (own.set)(&*run.testbed, host, holds);
            }
        }
    };
    changed(&before, &now, false);
    changed(&now, &before, true);
}

/// An interface of a host comes up first, or goes down for good.
pub(super) fn interface_turns(run: &Run, host: u32, place: usize, is_there: bool) {
    effects::count_of_interfaces(run, host);
    {
        let mut state = run.state();
        let of_host = state.conditions.hosts.entry(host).or_default();
        let bit = 1 << place;
        of_host.absent = of_host.absent & !bit | if is_there { 0 } else { bit };
    }
    set_interfaces(run, host);
}

/// Takes the interfaces of a host up or down, as its group and the faults in force have it.
fn set_interfaces(run: &Run, host: u32) {
    let down = {
        let mut state = run.state();
        let of_host = state.conditions.hosts.entry(host).or_default();
        of_host.absent | of_host.applied.down
    };
    let interfaces = run.testbed.interfaces();
    for place in 0..interfaces.count(host) {
        interfaces.set_up(host, place, down & 1 << place == 0);
    }
}

/// Takes a host to the network of a fault, or home.
fn relocate(run: &Run, host: u32, away: Option<usize>) {
    let is_new = {
        let mut state = run.state();
        let of_host = state.conditions.hosts.entry(host).or_default();
        !std::mem::replace(&mut of_host.has_home, true)
    };
    let links = run.testbed.links();
    if is_new {
        links.set_home(host);
    }
    match away {
        Some(fault) => {
            let gateway = run.world.gateways.away(fault, host);
            links.move_to(host, gateway);
        }
        None => links.return_home(host),
    }
}

/// Gives a host the access link of the network that it is in, as faults change it.
fn set_link(run: &Run, host: u32, now: &OfHost) {
    let profile = profile_of(run, host, now);
    let links = run.testbed.links();
    links.set_access(host, profile, &now.link);
    effects::link_was_set(run, host);
}

/// What a host's port on its local network is without faults; `None` without such a network.
pub(super) fn port_of(run: &Run, host: u32) -> Option<&AccessProfile> {
    let lan = run.scenario.group_of(host).lan.as_ref();
    lan.map(|lan| &lan.port)
}

/// The access link of a host where it is now, without what faults change of it.
pub(super) fn access_of(run: &Run, host: u32) -> &AccessProfile {
    let applied = {
        let state = run.state();
        let of_host = state.conditions.hosts.get(&host);
        of_host.map_or_else(OfHost::default, |of_host| of_host.applied)
    };
    profile_of(run, host, &applied)
}

fn profile_of<'a>(run: &'a Run, host: u32, now: &OfHost) -> &'a AccessProfile {
    let network = |fault: usize| run.scenario.faults[fault].acts().on_host()?.away;
    let elsewhere = now.away.and_then(network);
    let elsewhere = elsewhere.and_then(|network| network.access.as_ref());
    elsewhere.unwrap_or(&run.scenario.group_of(host).access)
}
