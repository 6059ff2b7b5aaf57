//! The local networks of a group's hosts: which hosts share one, and how good their ports are.
//!
//! Hosts that name the same network share it, whatever their groups; without a name each home
//! that has several hosts has a network of its own. What a network does to packets is the
//! simulator's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{self, AccessText};
use super::group::{Group, Regions, is_name};
use super::nat::Homes;
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::{bits_per_second, time_ns};
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::tree::{Kind, Table};
use crate::profiles::{AccessProfile, Profiles};

/// A local network by its name, or more about it.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum LanText {
    /// Its name: letters, digits, `-` and `_`.
    Name(String),
    /// Its name and how good the hosts' ports are.
    Lan(LanFields),
}

/// A local network, and the port of each of the group's hosts on it: a wire or Wi-Fi.
#[derive(JsonSchema)]
pub struct LanFields {
    /// Its name. All hosts of all groups that name it share it; if one of these groups has a
    /// `nat`, that one NAT stands before the whole network. Without a name, each home of
    /// `nat = { homes_of = … }` has a network of its own.
    pub name: Option<String>,
    /// Rate of each host's port, in each direction, such as `50Mbit/s`; unlimited if absent.
    pub rate: Option<String>,
    /// Delay of each host's port, in each direction: a packet to a neighbour passes two ports.
    /// `0s` if absent.
    pub delay: Option<String>,
    /// Share of packets that each host's port loses, in each direction, such as `2%`; none if
    /// absent.
    pub loss: Option<String>,
    /// Instead of these three, the port as an access profile by name, a file beside the
    /// scenario, or a table as such a file has it: `wifi-good`.
    pub access: Option<AccessText>,
}

/// The local network of each host of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lan {
    /// Its name among those of the scenario; `None` for a network of each home.
    pub name: Option<String>,
    /// Hosts on each, at least 1, where it has no name.
    pub hosts_each: u32,
    /// What packets meet between each host and the network.
    pub port: AccessProfile,
}

impl Lan {
    /// Whether some hosts of `count` have a neighbour, as far as the group itself tells.
    fn is_shared(&self) -> bool {
        self.name.is_some() || self.hosts_each > 1
    }

    /// Reads the field `lan` of a group whose homes have `homes_of` hosts each, if that is said.
    pub fn read(
        group: &Reader<'_>,
        homes_of: Option<u32>,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut lan = Self {
            name: None,
            hosts_each: homes_of.unwrap_or(1),
            port: profiles.access("ideal").unwrap_or_default(),
        };
        let Some(value) = group.value("lan") else {
            return Some(lan).filter(Self::is_shared);
        };
        match &value.kind {
            Kind::Text(_) => lan.name = read_name(group, "lan", problems),
            Kind::Table(table) => {
                let reader = Reader::new(table, "\"lan\"", &fields_of::<LanFields>(), problems);
                lan.name = read_name(&reader, "name", problems);
                if let Some(port) = read_port(&reader, profiles, problems) {
                    lan.port = port;
                }
                if reader.value("name").is_none() && homes_of.is_none() {
                    let message = "\"lan\" lacks the field \"name\": without one, the homes of \
                                   \"nat\" with \"homes_of\" have a network each, and there are \
                                   none";
                    problems.push(value.span, message);
                }
            }
            _ => wrong_type(value, "lan", "a name or a table", problems),
        }
        Some(lan).filter(Self::is_shared)
    }
}

/// Whether the group names its local network, which then is one home.
pub fn is_named(group: &Reader<'_>) -> bool {
    group.value("lan").is_some_and(|value| match &value.kind {
        Kind::Text(_) => true,
        Kind::Table(table) => table.value("name").is_some(),
        _ => false,
    })
}

fn read_name(reader: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<String> {
    let name = reader.text(key, problems)?;
    if !is_name(name) {
        let message = format!(
            "{} names no local network: expected letters, digits, - and _",
            quoted(name)
        );
        problems.push(reader.span(key), message);
    }
    Some(name.to_owned())
}

/// The port that the table describes; `None` if it says nothing of it.
fn read_port(
    lan: &Reader<'_>,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Option<AccessProfile> {
    let rate_bps = lan.quantity("rate", bits_per_second, problems);
    let delay_ns = lan.quantity("delay", time_ns, problems);
    if delay_ns.is_some_and(|delay_ns| delay_ns < 0) {
        let message = "\"delay\": expected a delay of at least 0";
        problems.push(lan.span("delay"), message);
    }
    let loss_ppm = lan.share("loss", problems);
    let own = ["rate", "delay", "loss"];
    let own = own.into_iter().find(|key| lan.value(key).is_some());
    if lan.value("access").is_some() {
        if let Some(own) = own {
            let message = format!("\"{own}\" is part of what \"access\" says: give one of them");
            problems.push(lan.span(own), message);
        }
        let port = access::read(lan, profiles, problems);
        // A segment takes packets as Ethernet has them, whatever the link of the profile does.
        return Some(AccessProfile {
            mtu_bytes: MTU_BYTES,
            ..port
        });
    }
    own?;
    let mut port = profiles.access("ideal").unwrap_or_default();
    for direction in [&mut port.up, &mut port.down] {
        direction.rate_bps = rate_bps;
        direction.delay_ns = delay_ns.unwrap_or(0).max(0) as u64;
        direction.loss_ppm = loss_ppm.unwrap_or(0);
    }
    "port".clone_into(&mut port.name);
    Some(port)
}

/// Largest packet of a local network.
const MTU_BYTES: u32 = 1_500;

/// Puts all hosts of a named network behind the one NAT that one of its groups names.
pub fn share_nats(tables: &[&Table], groups: &mut [Group], problems: &mut Problems) {
    let mut gates: BTreeMap<String, usize> = BTreeMap::new();
    for (place, group) in groups.iter().enumerate() {
        let Some(name) = group.lan.as_ref().and_then(|lan| lan.name.as_ref()) else {
            continue;
        };
        if group.nat.is_some()
            && let Some(first) = gates.insert(name.clone(), place)
        {
            let message = format!(
                "the local network {} stands behind the NAT of group {} already: give it one",
                quoted(name),
                quoted(&groups[first].name)
            );
            let span = tables[place].value("nat");
            let span = span.map_or(tables[place].span, |value| value.span);
            problems.push(span, message);
        }
    }
    for (name, gate) in gates {
        let (nat, region) = (groups[gate].nat.clone(), region(&groups[gate].regions));
        for (place, (table, group)) in tables.iter().zip(&mut *groups).enumerate() {
            let lan = group.lan.as_ref().and_then(|lan| lan.name.as_ref());
            if place == gate || lan != Some(&name) {
                continue;
            }
            if self::region(&group.regions) != region {
                let message = format!(
                    "the local network {} stands behind one NAT, so its hosts stand in one region",
                    quoted(&name)
                );
                let span = table.value("regions").or_else(|| table.value("lan"));
                problems.push(span.map_or(table.span, |value| value.span), message);
            }
            group.nat = nat.clone().map(|nat| Homes {
                hosts_each: group.count.max(1),
                ..nat
            });
        }
    }
}

/// The one region in which hosts stand, if it is one.
pub fn region(regions: &Regions) -> Option<usize> {
    match regions {
        Regions::Counts(counts) if regions.is_one() => counts.iter().position(|&count| count > 0),
        Regions::RoundRobin(1) => Some(0),
        Regions::Counts(_) | Regions::RoundRobin(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn text(groups: &[&str]) -> String {
        let group = |(number, fields): (usize, &&str)| {
            format!("[[group]]\nname='g{number}'\ncount=4\nprogram='none'\n{fields}\n")
        };
        let groups: String = groups.iter().enumerate().map(group).collect();
        format!("name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n{groups}")
    }

    fn groups(fields: &[&str]) -> Vec<Group> {
        let plan = read("t", &text(fields), None, &[]);
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        plan.cases[0].scenario.groups.clone()
    }

    #[test]
    fn homes_have_a_network_each_and_named_ones_are_shared() {
        let check = |fields: &str, expected: Option<(Option<&str>, u32)>| {
            let lan = groups(&[fields]).remove(0).lan;
            let found = lan
                .as_ref()
                .map(|lan| (lan.name.as_deref(), lan.hosts_each));
            assert_eq!(found, expected, "{fields}");
        };
        check("", None);
        check("nat='sym'", None);
        check("nat={ profile='sym', homes_of=1 }", None);
        check("nat={ profile='sym', homes_of=2 }", Some((None, 2)));
        check("nat={ profile='public', homes_of=3 }", Some((None, 3)));
        check("lan='office-2'", Some((Some("office-2"), 1)));
        check(
            "nat={ profile='sym', homes_of=2 }\nlan={ loss='2%' }",
            Some((None, 2)),
        );
    }

    #[test]
    fn a_port_is_a_wire_unless_said_otherwise() {
        let port = |fields: &str| groups(&[fields])[0].lan.clone().expect("it has one").port;
        assert_eq!(port("lan='a'").up, crate::profiles::Direction::default());
        let wifi = port("lan={ name='a', rate='50Mbit/s', delay='2ms', loss='3%' }");
        for direction in [&wifi.up, &wifi.down] {
            assert_eq!(direction.rate_bps, Some(50_000_000));
            assert_eq!(
                (direction.delay_ns, direction.loss_ppm),
                (2_000_000, 30_000)
            );
        }
        let named = port("lan={ name='a', access='wifi-congested' }");
        assert_eq!(
            (named.name.as_str(), named.mtu_bytes),
            ("wifi-congested", 1_500)
        );
    }

    #[test]
    fn one_nat_stands_before_a_named_network() {
        let found = groups(&["lan='flat'", "lan='flat'\nnat='sym'", ""]);
        assert_eq!(found[0].nat, found[1].nat);
        let homes = found[0].nat.as_ref().expect("they share it");
        assert_eq!(homes.kinds.len(), 1);
        assert_eq!((homes.kinds[0].1, homes.hosts_each), (1, 4));
        assert_eq!(found[2].nat, None);
    }

    #[test]
    fn wrong_networks_are_pointed_at() {
        let check = |fields: &[&str], expected: &str| {
            let problems = read("t.toml", &text(fields), None, &[]).expect_err(expected);
            let told = problems.to_string();
            assert!(told.contains(expected), "{fields:?}: {told}");
        };
        check(
            &["lan='the office'"],
            "t.toml:9:5: \"the office\" names no local network",
        );
        check(
            &["lan=3"],
            "t.toml:9:5: \"lan\": expected a name or a table",
        );
        check(&["lan={ loss='2%' }"], "\"lan\" lacks the field \"name\"");
        check(
            &["nat='sym'\nlan={ loss='2%' }"],
            "\"lan\" lacks the field \"name\"",
        );
        check(&["lan={ name='a', delay='-1s' }"], "at least 0");
        check(&["lan={ name='a', los='1%' }"], "did you mean \"loss\"?");
        check(
            &["lan={ name='a', access='wifi-good', loss='1%' }"],
            "\"loss\" is part of what \"access\" says",
        );
        check(
            &["lan='a'\nnat={ profile='sym', homes_of=2 }"],
            "a named local network is one home",
        );
        check(
            &["lan='a'\nnat='sym'", "lan='a'\nnat='eim-apdf'"],
            "stands behind the NAT of group \"g0\" already",
        );
        check(
            &["lan='a'\nnat='sym'", "lan='a'\nregions={ Sydney=1.0 }"],
            "so its hosts stand in one region",
        );
    }
}
