//! Further interfaces of a group's hosts, beside the one that the group's own fields describe.
//!
//! Owns their names and what is read of each; what it leads to is the same as with a group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{self, AccessText};
use super::group::{Group, Regions, is_name};
use super::lan::{self, Lan, LanText};
use super::nat::{self, Homes, NatText};
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::{Reader, fields_of};
use crate::format::reading::source::Span;
use crate::format::reading::tree::Table;
use crate::profiles::{AccessProfile, Profiles};

/// The name of the interface that the group's own fields describe.
pub const PRIMARY: &str = "primary";

/// Interfaces beside that one.
const FURTHER_MAX: usize = orrery_sim::net::multihomed::INTERFACES_MAX - 1;

/// An interface that each host of a group has beside its own, such as a mobile network beside
/// Wi-Fi.
#[derive(JsonSchema)]
pub struct InterfaceFields {
    /// Its name, by which faults call it: letters, digits, `-` and `_`, and not `primary`, which is
    /// the interface that the group's own fields describe.
    pub name: String,
    /// Its access link, as the group's `access`; `ideal` if absent.
    pub access: Option<AccessText>,
    /// What it stands behind, as the group's `nat`: not what the group's own interface stands
    /// behind. Nothing if absent or `public`.
    pub nat: Option<NatText>,
    /// The local network on which it is, by name, or a table as the group's `lan`; none if absent.
    /// It stands behind the NAT of the groups that name this network.
    pub lan: Option<LanText>,
    /// Since when it is up, such as `20s`; from the beginning if absent.
    pub up_at: Option<String>,
    /// When it goes down for good; never if absent. For times in between there is the fault
    /// `interface`.
    pub down_at: Option<String>,
}

/// An interface that each host of a group has beside its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The access link.
    pub access: AccessProfile,
    /// What it stands behind, unless it is on a local network that stands behind something.
    pub nat: Option<Homes>,
    /// The local network on which it is; it has a name.
    pub lan: Option<Lan>,
    /// When it comes up, in nanoseconds.
    pub up_at_ns: u64,
    /// When it goes down for good, in nanoseconds.
    pub down_at_ns: Option<u64>,
}

impl Interface {
    /// The name of its local network.
    pub fn lan_name(&self) -> Option<&str> {
        self.lan.as_ref()?.name.as_deref()
    }

    /// Reads the interfaces of a group of `count` hosts in `regions`.
    pub fn read_all(
        group: &Reader<'_>,
        (count, regions): (u32, &Regions),
        duration_ns: u64,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Vec<Self> {
        let mut interfaces: Vec<Self> = Vec::new();
        for table in group.tables("interfaces", FURTHER_MAX, problems) {
            let fields = fields_of::<InterfaceFields>();
            let reader = Reader::new(table, "an interface", &fields, problems);
            let name = reader.text("name", problems).unwrap_or_default();
            let is_taken = interfaces.iter().any(|other| other.name == name);
            if reader.value("name").is_some() && (!is_name(name) || name == PRIMARY || is_taken) {
                let message = format!(
                    "{} cannot name a further interface: expected letters, digits, - and _, \
                     another name than \"{PRIMARY}\" and those of its others",
                    quoted(name)
                );
                problems.push(reader.span("name"), message);
            }
            let interface = Self {
                name: name.to_owned(),
                ..read_one(&reader, (count, regions), duration_ns, profiles, problems)
            };
            interfaces.push(interface);
        }
        interfaces
    }
}

fn read_one(
    reader: &Reader<'_>,
    (count, regions): (u32, &Regions),
    duration_ns: u64,
    profiles: &Profiles<'_>,
    problems: &mut Problems,
) -> Interface {
    let homes = nat::read(reader, (count, regions), profiles, problems);
    // A network of each home needs a name here: the group's homes have one already.
    let lan = Lan::read(reader, None, profiles, problems).filter(|lan| lan.name.is_some());
    if homes.nat.is_some() && lan.is_some() {
        let message = "\"nat\": the interface stands behind the NAT of the groups that name its \
                       \"lan\": give it to one of them";
        problems.push(reader.span("nat"), message);
    }
    let mut time = |key: &str| {
        let ns = reader.quantity(key, time_ns, problems)?;
        if ns < 0 || ns as u64 > duration_ns {
            let message = format!("\"{key}\": expected a time within the run");
            problems.push(reader.span(key), message);
        }
        Some(ns.max(0) as u64)
    };
    let (up_at_ns, down_at_ns) = (time("up_at").unwrap_or(0), time("down_at"));
    if down_at_ns.is_some_and(|down_at_ns| down_at_ns <= up_at_ns) {
        let message = "\"down_at\": expected a time after \"up_at\"";
        problems.push(reader.span("down_at"), message);
    }
    Interface {
        name: String::new(),
        access: access::read(reader, profiles, problems),
        nat: homes.nat,
        lan,
        up_at_ns,
        down_at_ns,
    }
}

impl Group {
    /// The place of an interface among those of each host of the group, 0 for its own.
    pub fn interface(&self, name: &str) -> Option<usize> {
        if name == PRIMARY {
            return Some(0);
        }
        let mut further = self.interfaces.iter();
        further
            .position(|interface| interface.name == name)
            .map(|place| place + 1)
    }

    /// The access link of an interface of its hosts.
    pub fn access_of(&self, interface: usize) -> &AccessProfile {
        let further = interface.checked_sub(1);
        let further = further.and_then(|place| self.interfaces.get(place));
        further.map_or(&self.access, |interface| &interface.access)
    }
}

/// Notes hosts that have no interface of that name.
pub fn note_missing(
    name: &str,
    hosts: impl Iterator<Item = u32>,
    groups: &[Group],
    span: Span,
    problems: &mut Problems,
) {
    for host in hosts {
        let group = groups.iter().find(|group| group.hosts().contains(&host));
        if let Some(group) = group.filter(|group| group.interface(name).is_none()) {
            let further = group.interfaces.iter();
            let names = further.map(|interface| interface.name.as_str());
            let message = format!(
                "hosts of group {} have no interface {}",
                quoted(&group.name),
                quoted(name)
            );
            let help = suggestion(name, names.chain([PRIMARY]));
            problems.push_with_help(span, message, Some(help));
            return;
        }
    }
}

/// Notes interfaces on the local network of their hosts, which would be there twice, and on local
/// networks elsewhere.
pub fn note_misplaced(table: &Table, group: &Group, groups: &[Group], problems: &mut Problems) {
    let span = table
        .value("interfaces")
        .map_or(table.span, |value| value.span);
    let own = group.lan.as_ref().and_then(|lan| lan.name.as_deref());
    let mut taken: Vec<&str> = own.into_iter().collect();
    for interface in &group.interfaces {
        let Some(name) = interface.lan_name() else {
            continue;
        };
        if taken.contains(&name) {
            let message = format!(
                "interface {} is on the local network {}, on which its host is already",
                quoted(&interface.name),
                quoted(name)
            );
            problems.push(span, message);
        }
        taken.push(name);
        let on_it = |other: &&Group| {
            let lan = other.lan.as_ref();
            lan.is_some_and(|lan| lan.name.as_deref() == Some(name))
        };
        let is_elsewhere = |other: &Group| {
            other.nat.is_some() && lan::region(&other.regions) != lan::region(&group.regions)
        };
        if groups.iter().find(on_it).is_some_and(is_elsewhere) {
            let message = format!(
                "interface {}: the local network {} stands behind one NAT, so its hosts stand in \
                 one region",
                quoted(&interface.name),
                quoted(name)
            );
            problems.push(span, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn text(interfaces: &str, fault: &str) -> String {
        format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=4\nprogram='none'\nlan='home'\nnat='eim-apdf'\n\
             interfaces={interfaces}\n\
             [[group]]\nname='s'\ncount=1\nprogram='none'\n{fault}\n"
        )
    }

    #[test]
    fn interfaces_are_read_with_the_words_of_their_group() {
        let text = text(
            "[{ name='mobile', access='4g', nat={ profile='public', behind='carrier' }, \
             up_at='20s', down_at='50s' }, { name='office', lan={ name='office', loss='1%' } }]",
            "",
        );
        let plan = read("t", &text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let group = &plan.cases[0].scenario.groups[0];
        let [mobile, office] = &group.interfaces[..] else {
            panic!("{group:?}");
        };
        assert_eq!(mobile.access.name, "4g");
        assert!(mobile.nat.as_ref().is_some_and(Homes::has_any) && mobile.lan.is_none());
        assert_eq!(
            (mobile.up_at_ns, mobile.down_at_ns),
            (20_000_000_000, Some(50_000_000_000))
        );
        assert_eq!((office.lan_name(), office.up_at_ns), (Some("office"), 0));
        assert_eq!(
            office.lan.as_ref().map(|lan| lan.port.up.loss_ppm),
            Some(10_000)
        );
        let places = ["primary", "mobile", "office", "usb"].map(|name| group.interface(name));
        assert_eq!(places, [Some(0), Some(1), Some(2), None]);
        assert_eq!(group.access_of(1).name, "4g");
    }

    #[test]
    fn wrong_interfaces_are_pointed_at() {
        let check = |interfaces: &str, fault: &str, expected: &str| {
            let problems = read("t.toml", &text(interfaces, fault), None, &[]);
            let told = problems.expect_err(expected).to_string();
            assert!(told.contains(expected), "{interfaces} {fault}: {told}");
        };
        check("3", "", "expected [[interfaces]]");
        check("[{ access='4g' }]", "", "lacks the field \"name\"");
        check(
            "[{ name='primary' }]",
            "",
            "cannot name a further interface",
        );
        check(
            "[{ name='a' }, { name='a' }]",
            "",
            "cannot name a further interface",
        );
        check("[{ name='a', acess='4g' }]", "", "did you mean \"access\"?");
        check(
            "[{ name='a', nat='carier' }]",
            "",
            "did you mean \"carrier\"?",
        );
        check(
            "[{ name='a', lan='b', nat='sym' }]",
            "",
            "of the groups that name its \"lan\"",
        );
        check(
            "[{ name='a', lan='home' }]",
            "",
            "on which its host is already",
        );
        check(
            "[{ name='a', up_at='2m' }]",
            "",
            "expected a time within the run",
        );
        check(
            "[{ name='a', up_at='20s', down_at='20s' }]",
            "",
            "expected a time after \"up_at\"",
        );
        let eight: Vec<String> = (0..8)
            .map(|number| format!("{{ name='i{number}' }}"))
            .collect();
        check(&format!("[{}]", eight.join(", ")), "", "at most 7");
        check(
            "[{ name='mobile' }]",
            "[[fault]]\nkind='interface'\nhosts=['g', 's']\nat='9s'\nname='mobile'",
            "hosts of group \"s\" have no interface \"mobile\"",
        );
        check(
            "[{ name='mobile' }]",
            "[[fault]]\nkind='interface'\nhosts='g'\nat='9s'\nname='mobil'",
            "did you mean \"mobile\"?",
        );
    }
}
