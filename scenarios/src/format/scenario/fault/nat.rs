//! What goes wrong with NATs and firewalls, and hosts that move to other networks.

use std::time::Duration;

use orrery_sim::net::nat::Lifetimes;
use serde::{Deserialize, Serialize};

use super::{Harm, Source};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::Reader;
use crate::format::scenario::access;
use crate::format::scenario::group::Group;
use crate::format::scenario::nat::{self, Homes, note_public};
use crate::format::scenario::selector::{self, Hosts};
use crate::profiles::{AccessProfile, NatProfile};

/// What changes of how long sessions are remembered; the rest stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifetimeChange {
    /// UDP, in nanoseconds.
    pub udp_ns: Option<u64>,
    /// TCP connections that are partly open, closed or reset, in nanoseconds.
    pub tcp_transitory_ns: Option<u64>,
    /// Established TCP connections, in nanoseconds.
    pub tcp_established_ns: Option<u64>,
}

/// Another network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// What each host stands behind there; `None` for nothing.
    pub nat: Option<NatProfile>,
    /// Their access link there; as before if absent.
    pub access: Option<AccessProfile>,
}

impl LifetimeChange {
    /// The shortest of each lifetime that several changes name.
    fn sum<'a>(changes: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let shortest = |ns: fn(&Self) -> Option<u64>| changes.clone().filter_map(ns).min();
        Self {
            udp_ns: shortest(|change| change.udp_ns),
            tcp_transitory_ns: shortest(|change| change.tcp_transitory_ns),
            tcp_established_ns: changes.filter_map(|change| change.tcp_established_ns).min(),
        }
    }

    /// Lifetimes with the change.
    pub fn over(&self, usual: Lifetimes) -> Lifetimes {
        let changed = |ns: Option<u64>, usual| ns.map_or(usual, Duration::from_nanos);
        Lifetimes {
            udp: changed(self.udp_ns, usual.udp),
            tcp_transitory: changed(self.tcp_transitory_ns, usual.tcp_transitory),
            tcp_established: changed(self.tcp_established_ns, usual.tcp_established),
        }
    }

    /// Lifetimes with several changes together, in any order. Each of these makes sense alone;
    /// together they may leave established connections less than others, which get no more then.
    pub fn sum_over<'a>(
        changes: impl Iterator<Item = &'a Self> + Clone,
        usual: Lifetimes,
    ) -> Lifetimes {
        let mut lifetimes = Self::sum(changes).over(usual);
        lifetimes.tcp_transitory = lifetimes.tcp_transitory.min(lifetimes.tcp_established);
        lifetimes
    }
}

/// Reads whose NATs or firewalls are concerned: everybody has to have one.
fn read_hosts(reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) -> Option<Hosts> {
    let hosts = selector::read(reader, "hosts", groups, problems)?;
    note_public(hosts.iter(), groups, reader.span("hosts"), problems);
    Some(hosts)
}

/// Reads `nat-restart`.
pub(super) fn read_restart(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let Source { reader, groups, .. } = source;
    let addresses = [("kept", false), ("changed", true)];
    let readdresses = reader.choice("address", &addresses, problems);
    Some(Harm::NatRestart {
        hosts: read_hosts(reader, groups, problems)?,
        readdresses: readdresses.unwrap_or(false),
    })
}

/// Reads `nat-address`.
pub(super) fn read_address(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let Source { reader, groups, .. } = source;
    let hosts = read_hosts(reader, groups, problems)?;
    Some(Harm::NatAddress { hosts })
}

/// Reads `nat-lifetime`.
pub(super) fn read_lifetime(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let Source { reader, groups, .. } = source;
    let before = problems.len();
    let hosts = read_hosts(reader, groups, problems)?;
    let mut time = |key: &str| {
        let ns = reader.quantity(key, time_ns, problems)?;
        if ns <= 0 {
            problems.push(
                reader.span(key),
                format!("\"{key}\": expected a time above 0s"),
            );
        }
        Some(ns.max(1) as u64)
    };
    let change = LifetimeChange {
        udp_ns: time("udp"),
        tcp_transitory_ns: time("tcp_transitory"),
        tcp_established_ns: time("tcp_established"),
    };
    if problems.len() > before {
        return None;
    }
    if change == LifetimeChange::default() {
        let message = "the fault changes nothing: give \"udp\", \"tcp_transitory\" or \
                       \"tcp_established\"";
        problems.push(reader.table.span, message);
        return None;
    }
    for group in *groups {
        let hit = hosts.iter().any(|host| group.hosts().contains(&host));
        let homes = group.nat.as_ref().filter(|_| hit);
        for profile in homes.into_iter().flat_map(Homes::nearest) {
            note_contradiction(&change, profile, reader, problems);
        }
    }
    Some(Harm::NatLifetime { hosts, change })
}

/// A NAT that could not be made with these lifetimes cannot get them either.
fn note_contradiction(
    change: &LifetimeChange,
    profile: &NatProfile,
    reader: &Reader<'_>,
    problems: &mut Problems,
) {
    let nat = profile.nat.clone().map_or(Ok(()), |mut nat| {
        nat.lifetimes = change.over(nat.lifetimes);
        nat.check()
    });
    let firewall = profile.firewall.clone().map_or(Ok(()), |mut firewall| {
        firewall.lifetimes = change.over(firewall.lifetimes);
        firewall.check()
    });
    if let Err(error) = nat.and(firewall) {
        let message = format!("profile \"{}\" with the change: {error}", profile.name);
        problems.push(reader.table.span, message);
    }
}

/// Reads `move`.
pub(super) fn read_move(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let Source {
        reader,
        groups,
        profiles,
    } = source;
    let hosts = selector::read(reader, "hosts", groups, problems)?;
    let name = reader.text("to", problems)?;
    let nat = nat::profile(name, reader.span("to"), profiles, problems)?;
    let has_link = reader.value("access").is_some();
    let access = has_link.then(|| access::read(reader, profiles, problems));
    let to = Box::new(Elsewhere { nat, access });
    Some(Harm::Move { hosts, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn faults(fault: &str) -> Result<Vec<Harm>, String> {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=4\nprogram='none'\nnat='sym'\n\
             [[group]]\nname='s'\ncount=1\nprogram='none'\n\
             [[fault]]\nat='9s'\n{fault}\n"
        );
        let plan = read("t.toml", &text, None, &[]).map_err(|problems| problems.to_string())?;
        let faults = &plan.cases[0].scenario.faults;
        Ok(faults.iter().map(|fault| fault.harm.clone()).collect())
    }

    #[test]
    fn a_change_leaves_the_lifetimes_that_it_does_not_name() {
        let found = faults("kind='nat-lifetime'\nhosts='g'\nudp='7s'\nfor='3s'");
        let Ok([Harm::NatLifetime { change, .. }]) = found.as_deref() else {
            panic!("{found:?}");
        };
        let usual = Lifetimes::default();
        let expected = Lifetimes {
            udp: Duration::from_secs(7),
            ..usual
        };
        assert_eq!(change.over(usual), expected);
    }

    #[test]
    fn faults_of_nats_are_read() {
        let check = |fault: &str, expected: &str| {
            let found = format!("{:?}", faults(fault));
            assert!(found.contains(expected), "{fault}: {found}");
        };
        check("kind='nat-restart'\nhosts='g[1]'", "readdresses: false");
        check(
            "kind='nat-restart'\nhosts='g'\naddress='changed'",
            "readdresses: true",
        );
        check("kind='nat-address'\nhosts='g'", "NatAddress");
        check(
            "kind='move'\nhosts='s'\nto='carrier'\naccess='4g'",
            "\"4g\"",
        );
        check(
            "kind='move'\nhosts='g'\nto='public'",
            "nat: None, access: None",
        );
    }

    #[test]
    fn faults_that_cannot_be_are_pointed_at() {
        let check = |fault: &str, expected: &str| {
            let told = faults(fault).expect_err(fault);
            assert!(told.contains(expected), "{fault}: {told}");
        };
        for kind in ["nat-restart", "nat-address", "nat-lifetime"] {
            check(
                &format!("kind='{kind}'\nhosts=['g', 's']\n"),
                "t.toml:17:7: hosts of group \"s\" stand behind no NAT or firewall",
            );
        }
        check(
            "kind='nat-restart'\nhosts='g'\naddress='new'",
            "unknown address \"new\"",
        );
        check(
            "kind='nat-lifetime'\nhosts='g'",
            "the fault changes nothing",
        );
        check(
            "kind='nat-lifetime'\nhosts='g'\nudp='0s'",
            "expected a time above 0s",
        );
        check(
            "kind='nat-lifetime'\nhosts='g'\ntcp_established='5s'",
            "profile \"sym\" with the change: the lifetime of established TCP connections is below",
        );
        check(
            "kind='move'\nhosts='g'\nto='carier'",
            "did you mean \"carrier\"?",
        );
        check("kind='move'\nhosts='g'", "lacks the field \"to\"");
        check(
            "kind='move'\nhosts='g'\nto='sym'\naccess='4gg'",
            "unknown access profile \"4gg\"",
        );
    }
}
