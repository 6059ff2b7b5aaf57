//! Hole punching without nodes: two hosts that learn from a third where they are seen, and then
//! send to each other at once.

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::selector::{self, Hosts};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::Reader;

/// How two hosts try to reach each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Punch {
    /// The other sides: the n-th host of the workload tries with the n-th of them, over and over.
    pub to: Hosts,
    /// The host that tells both where they are seen.
    pub via: u32,
    /// What they send.
    pub protocol: Protocol,
    /// Over which addresses.
    pub family: Family,
    /// Whether connections from elsewhere than the dialled endpoint are taken; always with UDP.
    pub listens: bool,
    /// How many times each side tries, at least 1.
    pub tries: u32,
    /// From one try to the next, in nanoseconds.
    pub spacing_ns: u64,
    /// How much later than the first the second side begins, in nanoseconds.
    pub later_ns: u64,
}

/// What is sent through the holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Datagrams; each side also sends to whom it has heard.
    Udp,
    /// Connections that both sides open (RFC 9293 §3.5) from the port that was seen.
    Tcp,
}

/// Which of their addresses hosts use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Those that NATs translate.
    Ipv4,
    /// Those that are at most filtered.
    Ipv6,
}

/// Tries of each side at most.
const TRIES_MAX: i64 = 100;

/// Shortest time between tries.
const SPACING_MIN_NS: i64 = 1_000_000;

impl Punch {
    /// Reads what is particular to hole punching.
    pub fn read(
        reader: &Reader<'_>,
        from: Option<&Hosts>,
        groups: &[Group],
        problems: &mut Problems,
    ) -> Option<Self> {
        let to = selector::read(reader, "to", groups, problems)?;
        let via = read_via(reader, groups, problems)?;
        let protocols = [("udp", Protocol::Udp), ("tcp", Protocol::Tcp)];
        let protocol = reader
            .choice("protocol", &protocols, problems)
            .unwrap_or(Protocol::Udp);
        let families = [("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];
        let family = reader.choice("family", &families, problems);
        let listens = reader.flag("listens", problems);
        if listens.is_some() && protocol == Protocol::Udp {
            let message =
                "\"listens\" goes with \"protocol\" = \"tcp\": a UDP socket hears everybody";
            problems.push(reader.span("listens"), message);
        }
        let spacing_ns = reader.quantity("spacing", time_ns, problems);
        if spacing_ns.is_some_and(|spacing_ns| spacing_ns < SPACING_MIN_NS) {
            problems.push(reader.span("spacing"), "\"spacing\": expected at least 1ms");
        }
        let later_ns = reader.quantity("later", time_ns, problems);
        if later_ns.is_some_and(|later_ns| later_ns < 0) {
            problems.push(
                reader.span("later"),
                "\"later\": expected a time of at least 0s",
            );
        }
        let tries = reader.whole("tries", 1..=TRIES_MAX, problems);
        let punch = Self {
            to,
            via,
            protocol,
            family: family.unwrap_or(Family::Ipv4),
            listens: listens.unwrap_or(true),
            tries: tries.unwrap_or(10) as u32,
            spacing_ns: spacing_ns.unwrap_or(1_000_000_000).max(SPACING_MIN_NS) as u64,
            later_ns: later_ns.unwrap_or(0).max(0) as u64,
        };
        punch.note_one_for_two(reader, from?, problems);
        Some(punch)
    }

    /// Three different hosts are needed.
    fn note_one_for_two(&self, reader: &Reader<'_>, from: &Hosts, problems: &mut Problems) {
        let mut pairs = from.iter().zip(0..);
        if pairs.any(|(host, place)| self.to.dealt(place) == host) {
            problems.push(
                reader.span("to"),
                "\"to\": a host would try to reach itself",
            );
        }
        if from.contains(self.via) || self.to.contains(self.via) {
            let message =
                "\"via\": the host that tells where others are seen cannot be one of them";
            problems.push(reader.span("via"), message);
        }
    }
}

/// The one host, which everybody can reach.
fn read_via(reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) -> Option<u32> {
    let hosts = selector::read(reader, "via", groups, problems)?;
    let via = hosts.iter().next()?;
    if hosts.len() > 1 {
        let message = format!("\"via\": expected one host, found {}", hosts.len());
        problems.push(reader.span("via"), message);
        return None;
    }
    let group = groups.iter().find(|group| group.hosts().contains(&via))?;
    if group.nat.is_some() {
        let message = format!(
            "\"via\": expected a public host, but those of group {} stand behind a NAT or firewall",
            quoted(&group.name)
        );
        problems.push(reader.span("via"), message);
        return None;
    }
    Some(via)
}

#[cfg(test)]
mod tests {
    use crate::format::read;

    #[test]
    fn wrong_punches_are_named() {
        let check = |fields: &str, expected: &str| {
            let text = format!(
                "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
                 [[group]]\nname='g'\ncount=4\nprogram='none'\n\
                 [[group]]\nname='n'\ncount=1\nprogram='none'\nnat='sym'\n\
                 [[workload]]\nkind='punch'\nfrom='g[0]'\nat='1s'\n{fields}\n"
            );
            let problems = read("t", &text, None, &[]).expect_err(fields).to_string();
            assert!(problems.contains(expected), "{fields}: {problems}");
        };
        check("via='g[3]'", "lacks the field \"to\"");
        check("to='g[1]'", "lacks the field \"via\"");
        check("to='g[0]'\nvia='g[3]'", "a host would try to reach itself");
        check("to='g[1]'\nvia='g[0]'", "cannot be one of them");
        check("to='g[1]'\nvia='g[2..4]'", "expected one host, found 2");
        check("to='g[1]'\nvia='n'", "\"n\" stand behind a NAT or firewall");
        check(
            "to='g[1]'\nvia='g[3]'\nprotocol='upd'",
            "unknown protocol \"upd\"; did you mean \"udp\"?",
        );
        check(
            "to='g[1]'\nvia='g[3]'\nlistens=false",
            "goes with \"protocol\"",
        );
        check("to='g[1]'\nvia='g[3]'\nfamily='v6'", "unknown family");
        check("to='g[1]'\nvia='g[3]'\nspacing='1us'", "at least 1ms");
        check("to='g[1]'\nvia='g[3]'\nlater='-1s'", "at least 0s");
        check("to='g[1]'\nvia='g[3]'\ntries=0", "from 1 to 100");
    }
}
