//! What a scenario asks for and a testbed lacks, refused by name where the scenario asks for it.
//!
//! The structs of a scenario are taken apart field by field, so that a new field does not
//! compile until it is decided here which capability it asks for, if any. What testbeds have is theirs
//! to say ([`Capabilities`]); no testbed is named here.

use orrery_reports::key::Key;

use super::{Capabilities, Capability, capabilities};
use crate::format::Scenario;
use crate::format::reading::amount::Draw;
use crate::format::reading::problem::Problems;
use crate::format::reading::source::Span;
use crate::format::reading::tree::{Kind, Table};
use crate::format::scenario::clock::Clock;
use crate::format::scenario::expectation;
use crate::format::scenario::group::Group;
use crate::format::scenario::network::{Fidelity, Network};
use crate::format::scenario::tcp_settings::TcpSettings;
use crate::job::Engine;
use crate::profiles::{AccessProfile, Direction};

/// A check of a scenario: notes everything in it, as read from its table, that the testbed of an
/// engine lacks.
pub fn lacking(engine: Engine) -> impl Fn(&Table, &Scenario, &mut Problems) {
    let testbed = capabilities(engine);
    move |root, scenario, problems| refuse(testbed, root, scenario, problems)
}

fn refuse(testbed: &Capabilities, root: &Table, scenario: &Scenario, problems: &mut Problems) {
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
    let mut refusing = Refusing { testbed, problems };
    refusing.of_network(root, network);
    for (table, workload) in tables(root, "workload").zip(workloads) {
        let what = format!("workload \"{}\"", workload.action.kind());
        refusing.unless_it_has(workload.action.needs(), &what, span(table, "kind"));
    }
    for (table, group) in tables(root, "group").zip(groups) {
        refusing.of_group(table, group);
    }
    refusing.of_too_many(root, scenario.hosts());
    for (table, fault) in tables(root, "fault").zip(faults) {
        let what = format!("fault \"{}\"", fault.kind());
        refusing.unless_it_has(&fault.acts().needs(), &what, span(table, "kind"));
    }
    refusing.of_expectations(root);
}

/// Refuses what a testbed lacks.
struct Refusing<'a> {
    testbed: &'a Capabilities,
    problems: &'a mut Problems,
}

impl Refusing<'_> {
    fn of_network(&mut self, root: &Table, network: &Network) {
        let Network {
            // All testbeds have delays between regions.
            delays: _,
            paths,
            fidelity,
            tcp,
        } = network;
        let table = root.value("network").and_then(|value| value.as_table());
        let at = |key: &str| {
            let value = table.and_then(|table| table.value(key));
            value.map_or(root.span, |value| value.span)
        };
        let fidelity = match fidelity {
            Fidelity::Wire => None,
            Fidelity::Flow => Some(Capability::PlainFidelity),
        };
        self.unless_it_has_any(fidelity, at("fidelity"));
        let paths = (!paths.is_empty()).then_some(Capability::RegionPaths);
        self.unless_it_has_any(paths, at("path"));
        self.unless_it_has_any(tcp_of(tcp), at("tcp"));
    }

    fn of_group(&mut self, table: &Table, group: &Group) {
        let Group {
            // People, their friends and their cards are the same everywhere.
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
            outdated_cards_ppm: _,
            access,
            nat,
            lan,
            interfaces,
            clock,
            tcp,
            program,
            node,
            // It follows from `node`.
            gossip: _,
        } = group;
        let listening = node.get("listen.addresses");
        let quic = listening.is_some_and(|addresses| addresses.to_string().contains("/udp/"));
        for (needs, key) in [
            (
                (*clock != Clock::TRUE).then_some(Capability::Clocks),
                "clock",
            ),
            (nat.as_ref().map(|_| Capability::Gateways), "nat"),
            (lan.as_ref().map(|_| Capability::Lans), "lan"),
            (
                (!interfaces.is_empty()).then_some(Capability::Interfaces),
                "interfaces",
            ),
            (tcp_of(tcp), "tcp"),
            // Other settings of the node are the same everywhere.
            (quic.then_some(Capability::Quic), "node"),
        ] {
            self.unless_it_has_any(needs, span(table, key));
        }
        for &need in program.needs() {
            self.unless_it_has_any(Some(need), span(table, "program"));
        }
        self.of_access(access, span(table, "access"));
    }

    fn of_access(&mut self, access: &AccessProfile, at: Span) {
        let AccessProfile {
            name,
            summary: _,
            source: _,
            up,
            down,
            // Without rates and queues it makes no difference how bytes are cut into packets.
            mtu_bytes: _,
        } = access;
        let mut needs: Vec<Capability> = Vec::new();
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
            let asked = [
                (
                    rate_bps.is_some() || rate_trace.is_some(),
                    Capability::Rates,
                ),
                (jitter_ns.draw != Draw::Constant(0), Capability::Jitter),
                (
                    *loss_ppm > 0 || loss_bursts.is_some() || *corrupt_ppm > 0,
                    Capability::Losses,
                ),
                (*duplicate_ppm > 0, Capability::Duplicates),
                (reorder.is_some(), Capability::Reordering),
                (police.is_some(), Capability::Policing),
            ];
            needs.extend(asked.iter().filter(|(is, _)| *is).map(|(_, what)| *what));
        }
        if up.delay_ns != down.delay_ns {
            needs.push(Capability::DelaysByDirection);
        }
        needs.retain(|need| !self.testbed.has(*need));
        let mut lacking: Vec<&str> = needs.iter().map(|need| need.what()).collect();
        lacking.sort_unstable();
        lacking.dedup();
        if !lacking.is_empty() {
            let message = format!(
                "access \"{name}\" asks for what {} has not: {}",
                self.testbed.name,
                lacking.join(", ")
            );
            self.refuse(at, message);
        }
    }

    fn of_too_many(&mut self, root: &Table, hosts: u32) {
        let Some(most) = self.testbed.hosts_max.filter(|&most| hosts > most) else {
            return;
        };
        let at = tables(root, "group")
            .next()
            .map_or(root.span, |table| span(table, "count"));
        let name = self.testbed.name;
        let message =
            format!("{name} plays at most {most} hosts here, and the scenario has {hosts}");
        self.refuse(at, message);
    }

    /// Expectations about what the wires carried, from a testbed that does not tell it.
    fn of_expectations(&mut self, root: &Table) {
        let expected = root.value("expect").and_then(|value| value.as_table());
        for entry in expected.into_iter().flat_map(|table| &table.entries) {
            let (_, metric) = expectation::subject(entry);
            if Key::read(metric).area() == "net" {
                let what = format!("metric \"{metric}\"");
                self.unless_it_has(&[Capability::WireCounts], &what, entry.key_span);
            }
        }
    }

    /// Refuses what needs a capability that the testbed lacks, by the capability's own name.
    fn unless_it_has_any(&mut self, needs: Option<Capability>, at: Span) {
        if let Some(need) = needs {
            self.unless_it_has(&[need], need.what(), at);
        }
    }

    /// Refuses `what` if the testbed lacks something of what it needs.
    fn unless_it_has(&mut self, needs: &[Capability], what: &str, at: Span) {
        if let Some(message) = self.testbed.refusal(what, needs) {
            self.refuse(at, message);
        }
    }

    fn refuse(&mut self, at: Span, message: String) {
        let help = "leave it out, by --set for one run, or play it with --engine sim".to_owned();
        self.problems.push_with_help(at, message, Some(help));
    }
}

/// What settings of TCP ask for.
fn tcp_of(settings: &TcpSettings) -> Option<Capability> {
    (*settings != TcpSettings::default()).then_some(Capability::TcpSettings)
}

/// Where a field of a table stands, or the table without it.
fn span(table: &Table, key: &str) -> Span {
    table.value(key).map_or(table.span, |value| value.span)
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
        let check = lacking(Engine::Turmoil);
        match read_checked("t.toml", text, profiles, &settings, &check) {
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
            "t.toml:9:10: access \"fixed\" asks for what turmoil has not: jitter, losses, rates",
        );
        check(
            "[[workload]]",
            "clock = { offset = '1s' }\n[[workload]]",
            "t.toml:10:9: no offset or drift of clocks on turmoil: its clocks are all true",
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
            "t.toml:5:12: no fidelity \"flow\" on turmoil: it carries real Noise and Yamux",
        );
        check(
            "'feed.missed_forever' = '== 0'",
            "'net.bytes' = '> 0'",
            "t.toml:15:1: no metric \"net.bytes\" on turmoil: it does not tell what its wires",
        );
        check(
            "kind = 'post'\nfrom = 'home'\nrate = '6/min'",
            "kind = 'punch'\nfrom = 'home[0]'\nto = 'home[1]'\nvia = 'home[2]'\nat = '1s'",
            "no workload \"punch\" on turmoil: all of its hosts reach each other",
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
