//! Hole punching without nodes: two hosts that learn from a third where they are seen, and then
//! send to each other at once.

mod figures;
mod message;
mod metrics;
mod side;
mod start;
mod tcp;
#[cfg(test)]
mod tests;
mod tracker;
mod udp;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Actor, Drawing, Kind, Planned, Reading, Turn};
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::time_ns;
use crate::format::scenario::pace::PaceFields;
use crate::format::scenario::selector::{self, Hosts, HostsText};
use crate::metrics::Definition;
use crate::play::run::Run;
use crate::testbed::Capability;

/// Hosts without nodes punch holes: each pair learns from a third host where it is seen, and
/// then both send to each other at once.
#[derive(JsonSchema)]
pub struct Fields {
    /// The first of each pair.
    pub from: HostsText,
    /// When each of them does.
    #[serde(flatten)]
    pub pace: PaceFields,
    /// The second: the n-th host goes with the n-th of them, over and over.
    pub to: HostsText,
    /// The host that tells both where they are seen; all hosts have to reach it.
    pub via: String,
    /// `udp` (if absent) or `tcp`.
    pub protocol: Option<ProtocolName>,
    /// `ipv4` (if absent) or `ipv6`.
    pub family: Option<FamilyName>,
    /// Whether `tcp` also takes connections from elsewhere than the dialled endpoint, on the
    /// same port; `true` if absent.
    pub listens: Option<bool>,
    /// How many times each side tries; 10 if absent.
    pub tries: Option<u32>,
    /// From one try to the next; `1s` if absent. A dial under way is not tried again.
    pub spacing: Option<String>,
    /// How much later than the first the second side begins; `0s` if absent. The first begins
    /// as soon as both know where the other is seen.
    pub later: Option<String>,
}

/// What is sent through the holes.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolName {
    /// Datagrams.
    Udp,
    /// Connections that both sides open.
    Tcp,
}

/// Which of their addresses hosts use.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyName {
    /// Those that NATs translate.
    Ipv4,
    /// Those that are at most filtered.
    Ipv6,
}

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

/// A pair begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// The second side.
    pub to: u32,
    /// Names the attempt among all of the run, from 0 without gaps in no particular order.
    pub punch: u32,
}

impl Kind for Punch {
    type Fields = Fields;
    type Act = Act;
    type Tracker = tracker::Punches;

    const NAME: &'static str = "punch";
    const METRICS: &'static [Definition] = metrics::METRICS;
    const NOT_DONE: &'static Definition = &metrics::PUNCH_NOT_DONE;
    const NEEDS: &'static [Capability] = &[
        Capability::Gateways,
        Capability::UdpSockets,
        Capability::TcpSockets,
    ];

    fn read(reading: &Reading<'_>, problems: &mut Problems) -> Option<Self> {
        let reader = &reading.reader;
        let to = selector::read(reader, "to", reading.groups, problems)?;
        let via = read_via(reading, problems)?;
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
        punch.note_one_for_two(reading, reading.from?, problems);
        Some(punch)
    }

    fn note_unfit(&self, _: &Hosts, _: &Reading<'_>, _: &mut Problems) {}

    fn longest_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn concerns(&self, index: u32) -> Option<u32> {
        Some(self.to.dealt(index))
    }

    fn plan(&self, turn: &Turn, drawing: &mut Drawing<'_>) {
        let act = Act {
            to: self.to.dealt(turn.index as u32),
            punch: drawing.number(Self::NAME),
        };
        drawing.act::<Self>(turn.at_ns, turn.host, act);
    }

    fn perform(&self, run: &Arc<Run>, actor: Actor, act: &Act) {
        side::start(run, self, actor.host, *act);
    }

    fn tracker(planned: &Planned<'_>) -> tracker::Punches {
        tracker::Punches::of(planned)
    }

    fn serve(run: &Arc<Run>, host: u32) {
        side::serve(run, host);
    }
}

impl Punch {
    /// Three different hosts are needed.
    fn note_one_for_two(&self, reading: &Reading<'_>, from: &Hosts, problems: &mut Problems) {
        let message = "\"to\": a host would try to reach itself";
        reading.note_to_itself(&self.to, message, problems);
        if from.contains(self.via) || self.to.contains(self.via) {
            let message =
                "\"via\": the host that tells where others are seen cannot be one of them";
            problems.push(reading.reader.span("via"), message);
        }
    }
}

/// The one host, which all others can reach.
fn read_via(reading: &Reading<'_>, problems: &mut Problems) -> Option<u32> {
    let (reader, groups) = (&reading.reader, reading.groups);
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
