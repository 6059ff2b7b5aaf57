//! What turmoil cannot express, refused by name where the scenario asks for it.
//!
//! The structs of a scenario are taken apart field by field, so that a new field does not
//! compile until somebody has decided here whether turmoil has it.

use orrery_reports::key::Key;

use crate::format::Scenario;
use crate::format::reading::amount::Draw;
use crate::format::reading::problem::Problems;
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Kind, Table};
use crate::format::scenario::clock::Clock;
use crate::format::scenario::expectation;
use crate::format::scenario::group::Group;
use crate::format::scenario::network::{Fidelity, Network};
use crate::format::scenario::program::Program;
use crate::format::scenario::tcp_settings::TcpSettings;
use crate::profiles::{AccessProfile, Direction};

/// turmoil looks at the link of every pair of hosts for every host in every tick: 100 idle hosts
/// cost 1.7 CPU seconds a simulated second, 400 cost 235 (turmoil 0.7.2).
const HOSTS_MAX: u32 = 100;

/// Why settings of TCP are refused.
const OWN_TCP: &str = "turmoil's TCP has no congestion control and no settings";

/// Notes everything in `scenario`, read from `root`, that turmoil cannot play.
pub fn refuse_what_it_lacks(root: &Table, scenario: &Scenario, problems: &mut Problems) {
    let Scenario {
        name: _,
        duration_ns: _,
        warmup_ns: _,
        drain_ns: _,
        network,
        groups,
        workloads,
        faults,
    } = scenario;
    let Network {
        // Delays between regions become the latencies of turmoil's links.
        delays: _,
        paths,
        fidelity,
        tcp,
    } = network;
    let in_network = |key: &str| {
        let table = root.value("network").and_then(|value| value.as_table());
        let value = table.and_then(|table| table.value(key));
        value.map_or(root.span, |value| value.span)
    };
    if *fidelity != Fidelity::Wire {
        let message = format!(
            "turmoil carries real Noise and Yamux: no fidelity \"{}\"",
            fidelity.name()
        );
        refuse(in_network("fidelity"), message, problems);
    }
    if !paths.is_empty() {
        let message = "no rates or losses between regions on turmoil: its TCP cannot repair any";
        refuse(in_network("path"), message, problems);
    }
    if *tcp != TcpSettings::default() {
        refuse(in_network("tcp"), OWN_TCP, problems);
    }
    // People and their nodes are the same everywhere.
    for (table, workload) in tables(root, "workload").zip(workloads) {
        let span = table.value("kind").map_or(table.span, |value| value.span);
        if let Some(message) = workload.action.turmoil_lacks() {
            refuse(span, message, problems);
        }
    }
    for (table, group) in tables(root, "group").zip(groups) {
        refuse_of_group(table, group, problems);
    }
    if scenario.hosts() > HOSTS_MAX {
        let span = tables(root, "group").next().map_or(root.span, |table| {
            table.value("count").map_or(table.span, |value| value.span)
        });
        let message = format!(
            "turmoil plays at most {HOSTS_MAX} hosts here, and the scenario has {}",
            scenario.hosts()
        );
        refuse(span, message, problems);
    }
    for (table, fault) in tables(root, "fault").zip(faults) {
        let span = table.value("kind").map_or(table.span, |value| value.span);
        refuse(span, fault.what.lacking_on_turmoil(), problems);
    }
    refuse_expectations(root, problems);
}

fn refuse_of_group(table: &Table, group: &Group, problems: &mut Problems) {
    let Group {
        name: _,
        first_host: _,
        count: _,
        friends: _,
        friends_with: _,
        regions: _,
        boot: _,
        bootstrap: _,
        follows: _,
        listed: _,
        access,
        nat,
        lan,
        interfaces,
        // People and their cards are the same everywhere.
        outdated_cards_ppm: _,
        clock,
        tcp,
        program,
        node,
    } = group;
    let span = |key: &str| table.value(key).map_or(table.span, |value| value.span);
    if *clock != Clock::TRUE {
        let message = "turmoil's clocks are all true: no offset, no drift";
        refuse(span("clock"), message, problems);
    }
    if nat.is_some() {
        let message = "no NATs and firewalls on turmoil: all of its hosts reach each other";
        refuse(span("nat"), message, problems);
    }
    if lan.is_some() {
        let message = "no local networks on turmoil: all hosts are equally far from each other";
        refuse(span("lan"), message, problems);
    }
    if !interfaces.is_empty() {
        let message = "no further interfaces on turmoil: its hosts have one address each";
        refuse(span("interfaces"), message, problems);
    }
    if *tcp != TcpSettings::default() {
        refuse(span("tcp"), OWN_TCP, problems);
    }
    // Other settings of the node are the same everywhere.
    let listening = node.get("listen.addresses");
    if listening.is_some_and(|addresses| addresses.to_string().contains("/udp/")) {
        let message = "nodes on turmoil have TCP only: no address of QUIC to listen on";
        refuse(span("node"), message, problems);
    }
    let idle = match program {
        Program::Node => None,
        Program::None => Some("a host without a node has nothing to do on turmoil"),
        Program::Hostile(_) => {
            Some("no hostile peers on turmoil: they need the sockets of our own hosts")
        }
    };
    if let Some(message) = idle {
        refuse(span("program"), message, problems);
    }
    refuse_of_access(access, span("access"), problems);
}

fn refuse_of_access(access: &AccessProfile, span: Span, problems: &mut Problems) {
    let AccessProfile {
        name,
        summary: _,
        source: _,
        up,
        down,
        // Without rates and queues it makes no difference how bytes are cut into packets.
        mtu_bytes: _,
    } = access;
    let mut lacking: Vec<&str> = Vec::new();
    for direction in [up, down] {
        let Direction {
            rate_bps,
            rate_trace,
            delay_ns: _,
            jitter_ns,
            loss_ppm,
            // A queue matters only before a rate.
            queue_bytes: _,
            codel: _,
            loss_bursts,
            corrupt_ppm,
            duplicate_ppm,
            reorder,
            police,
        } = direction;
        let wanted = [
            (rate_bps.is_some() || rate_trace.is_some(), "rates"),
            (jitter_ns.draw != Draw::Constant(0), "jitter that we know"),
            (
                *loss_ppm > 0 || loss_bursts.is_some() || *corrupt_ppm > 0,
                "losses that its TCP repairs",
            ),
            (*duplicate_ppm > 0, "duplicates"),
            (reorder.is_some(), "packets out of order"),
            (police.is_some(), "policing"),
        ];
        lacking.extend(wanted.iter().filter(|(is, _)| *is).map(|(_, what)| *what));
    }
    if up.delay_ns != down.delay_ns {
        lacking.push("delays that differ by direction");
    }
    lacking.sort_unstable();
    lacking.dedup();
    if !lacking.is_empty() {
        let message = format!(
            "access \"{name}\" asks for what turmoil has not: {}",
            lacking.join(", ")
        );
        refuse(span, message, problems);
    }
}

/// Expectations about what the wires carried, which turmoil does not tell.
fn refuse_expectations(root: &Table, problems: &mut Problems) {
    let expected = root.value("expect").and_then(|value| value.as_table());
    for entry in expected.into_iter().flat_map(|table| &table.entries) {
        let (_, metric) = expectation::subject(entry);
        if Key::read(metric).area() == "net" {
            let message = format!("turmoil does not tell what its wires carried: no \"{metric}\"");
            refuse(entry.key_span, message, problems);
        }
    }
}

fn refuse(span: Span, message: impl Into<String>, problems: &mut Problems) {
    let help = "leave it out, by --set for one run, or play it with --engine sim".to_owned();
    problems.push_with_help(span, message, Some(help));
}

/// The tables of an array, in the file's order.
fn tables<'a>(root: &'a Table, key: &str) -> impl Iterator<Item = &'a Table> {
    let items = match root.value(key).map(|value| &value.kind) {
        Some(Kind::Array(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter().filter_map(|item| item.as_table())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read_checked;
    use crate::profiles::Profiles;

    const SOUND: &str = "\
name = 't'
duration = '1m'
[network]
delays = 'aws-21'
[[group]]
name = 'home'
count = 4
friends = { graph = 'ring' }
access = 'ideal'
[[workload]]
kind = 'post'
from = 'home'
rate = '6/min'
[expect]
'feed.missed_forever' = '== 0'
";

    fn refusals(text: &str, settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.into()).collect();
        let profiles = Profiles::new(None);
        match read_checked("t.toml", text, profiles, &settings, &refuse_what_it_lacks) {
            Ok(_) => String::new(),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn what_turmoil_has_is_not_refused() {
        assert_eq!(refusals(SOUND, &[]), "");
    }

    #[test]
    fn each_lack_is_named_where_it_is_asked_for() {
        let check = |from: &str, to: &str, expected: &str| {
            let text = SOUND.replace(from, to);
            let told = refusals(&text, &[]);
            assert!(told.contains(expected), "{to}: {told}");
            assert!(told.contains("--engine sim"), "{to}: {told}");
        };
        check(
            "'ideal'",
            "'fixed'",
            "t.toml:9:10: access \"fixed\" asks for what turmoil has not: jitter that we know, \
             losses that its TCP repairs, rates",
        );
        check(
            "[[workload]]",
            "clock = { offset = '1s' }\n[[workload]]",
            "t.toml:10:9: turmoil's clocks are all true",
        );
        check(
            "[[workload]]",
            "nat = 'sym'\n[[workload]]",
            "t.toml:10:7: no NATs and firewalls on turmoil",
        );
        check(
            "[[workload]]",
            "[[group]]\nname = 'crowd'\ncount = 1\nprogram = 'hostile'\n\
             hostile = { does = ['garbage'], target = 'home' }\n[[workload]]",
            "t.toml:13:11: no hostile peers on turmoil",
        );
        check(
            "[[workload]]",
            "lan = 'home'\n[[workload]]",
            "t.toml:10:7: no local networks on turmoil",
        );
        check(
            "[[workload]]",
            "interfaces = [{ name = 'mobile' }]\n[[workload]]",
            "t.toml:10:14: no further interfaces on turmoil",
        );
        check("count = 4", "count = 400", "t.toml:7:9: turmoil plays at");
        check(
            "'aws-21'",
            "'aws-21'\nfidelity = 'flow'",
            "t.toml:5:12: turmoil carries real Noise and Yamux: no fidelity \"flow\"",
        );
        check(
            "'feed.missed_forever' = '== 0'",
            "'net.bytes' = '> 0'",
            "t.toml:15:1: turmoil does not tell what its wires carried",
        );
        check(
            "kind = 'post'\nfrom = 'home'\nrate = '6/min'",
            "kind = 'punch'\nfrom = 'home[0]'\nto = 'home[1]'\nvia = 'home[2]'\nat = '1s'",
            "no workload \"punch\" on turmoil: it has no NATs",
        );
        for (fault, expected) in [
            (
                "kind = 'partition'\nat = '5s'\nfor = '5s'\nbetween = ['home[0]', 'home[1]']",
                "connections that meet a partition never recover",
            ),
            (
                "kind = 'power-cut'\nhosts = 'home'\nat = '5s'\nfor = '5s'",
                "no fault \"power-cut\"",
            ),
            (
                "kind = 'clock-step'\nhosts = 'home'\nat = '5s'\nby = '5s'",
                "no fault \"clock-step\"",
            ),
            (
                "kind = 'link'\nhosts = 'home'\nat = '5s'\nloss = '1%'",
                "no fault \"link\"",
            ),
        ] {
            let fault = format!("[[fault]]\n{fault}\n[expect]");
            check("[expect]", &fault, expected);
        }
    }

    #[test]
    fn a_setting_of_the_command_line_is_pointed_at() {
        let told = refusals(SOUND, &["group.home.access=fibre"]);
        assert!(told.contains("--set 'group.home.access=fibre'"), "{told}");
    }
}
