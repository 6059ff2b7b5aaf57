//! Faults that change how long NATs and firewalls remember sessions: `nat-lifetime`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LifetimeChange;
use super::kind::{Acts, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::Reader;
use crate::format::scenario::nat::Homes;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::profiles::NatProfile;

/// NATs and firewalls remember sessions for longer or shorter, from the next packet that
/// renews them. Of several on a NAT, the shortest of each lifetime counts, and that of TCP
/// connections partly open is never above that of established ones. Its effects are the
/// sessions that begin or are renewed while it decides over their lifetime.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct NatLifetimeFields {
    /// The hosts whose NATs or firewalls are meant: what they are directly behind, each once.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each.
    at: Option<AmountText>,
    /// How long; to the end of the run if absent.
    #[serde(rename = "for")]
    length: Option<AmountText>,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
    /// New lifetime of UDP sessions.
    udp: Option<String>,
    /// New lifetime of TCP connections that are partly open, closed or reset.
    tcp_transitory: Option<String>,
    /// New lifetime of established TCP connections.
    tcp_established: Option<String>,
}

/// NATs and firewalls remember sessions for longer or shorter.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct NatLifetime {
    /// The hosts that are behind them.
    hosts: Hosts,
    /// What changes.
    change: LifetimeChange,
}

impl FaultKind for NatLifetime {
    type Fields = NatLifetimeFields;
    const NAME: &'static str = "nat-lifetime";
    const TIMING: Timing = Timing::OpenEnded;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let Source { reader, groups, .. } = source;
        let before = problems.len();
        let hosts = source.hosts_behind(problems)?;
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
        Some(Self { hosts, change })
    }

    fn acts(&self) -> Acts<'_> {
        Acts::OnGateways(&self.hosts, &self.change)
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use orrery_sim::net::nat::Lifetimes;

    use crate::fault::{check_refused, faults_of};

    #[test]
    fn a_change_leaves_the_lifetimes_that_it_does_not_name() {
        let found = faults_of("kind='nat-lifetime'\nhosts='g'\nudp='7s'\nfor='3s'");
        let found = found.expect("it is a fault").remove(0);
        let change = found.acts().on_gateway().expect("it concerns NATs");
        let usual = Lifetimes::default();
        let expected = Lifetimes {
            udp: Duration::from_secs(7),
            ..usual
        };
        assert_eq!(change.over(usual), expected);
    }

    #[test]
    fn lifetimes_that_cannot_be_are_pointed_at() {
        check_refused(
            "kind='nat-lifetime'\nhosts=['g', 's']\n",
            "t.toml:17:7: hosts of group \"s\" stand behind no NAT or firewall",
        );
        check_refused(
            "kind='nat-lifetime'\nhosts='g'",
            "the fault changes nothing",
        );
        check_refused(
            "kind='nat-lifetime'\nhosts='g'\nudp='0s'",
            "expected a time above 0s",
        );
        check_refused(
            "kind='nat-lifetime'\nhosts='g'\ntcp_established='5s'",
            "profile \"sym\" with the change: the lifetime of established TCP connections is below",
        );
    }
}
