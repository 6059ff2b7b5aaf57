//! What goes wrong, to whom and when.
//!
//! A new fault is a member of [`FaultFields`] (its documentation), one of [`Harm`] (its resolved
//! form) and an arm in [`Fault::read`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::AccessText;
use super::amount::{Amount, AmountText, Draw};
use super::group::Group;
use super::nat_fault::{self, Elsewhere, LifetimeChange};
use super::pace::{read_at, read_length};
use super::problem::Problems;
use super::quantity::{bits_per_second, time_ns};
use super::reader::{Reader, fields_of_kind};
use super::selector::{self, Hosts};
use super::tree::{Kind, Table};
use super::workload::{HostsText, read_kind};
use crate::profiles::Profiles;

/// `[[fault]]`: what goes wrong. Every fault ends with the run at the latest: it heals before
/// the drain. A run in which a declared fault had no effect fails.
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultFields {
    /// No packet passes between two sets of hosts.
    Partition {
        /// When it begins.
        at: AmountText,
        /// How long it lasts.
        #[serde(rename = "for")]
        length: AmountText,
        /// The two sides.
        between: [HostsText; 2],
        /// `both` (if absent), or `a-to-b`: only packets from the first to the second side go.
        direction: Option<DirectionName>,
    },
    /// Hosts lose power: memory and everything not yet synced to disk is gone.
    PowerCut {
        /// Who.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long until they start again.
        #[serde(rename = "for")]
        length: AmountText,
    },
    /// Access links change for a while.
    Link {
        /// Whose.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long; to the end of the run if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// The change comes again each time this has passed, such as `30s`; once if absent.
        every: Option<String>,
        /// New rate up, such as `1Mbit/s`.
        up: Option<String>,
        /// New rate down.
        down: Option<String>,
        /// New one-way delay of the access link.
        delay: Option<String>,
        /// New share of packets lost, each way.
        loss: Option<String>,
    },
    /// Wall clocks are set.
    ClockStep {
        /// Whose.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// By how much; negative sets back. Every host draws its own.
        by: AmountText,
    },
    /// NATs and firewalls start again: they forget all sessions at once.
    NatRestart {
        /// Whose: what these hosts stand behind directly, each once.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each.
        at: AmountText,
        /// Whether they have their outside address again: `kept` (if absent) or `changed`.
        address: Option<AddressName>,
    },
    /// NATs and firewalls get another outside address, and keep their sessions.
    NatAddress {
        /// Whose: what these hosts stand behind directly, each once.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each.
        at: AmountText,
    },
    /// NATs and firewalls remember sessions for longer or shorter, from the next packet that
    /// renews them.
    NatLifetime {
        /// Whose: what these hosts stand behind directly, each once.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each.
        at: AmountText,
        /// How long; to the end of the run if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// New lifetime of UDP sessions.
        udp: Option<String>,
        /// New lifetime of TCP connections that are partly open, closed or reset.
        tcp_transitory: Option<String>,
        /// New lifetime of established TCP connections.
        tcp_established: Option<String>,
    },
    /// Hosts move to another network, each to one of its own, and perhaps back.
    Move {
        /// Who.
        hosts: HostsText,
        /// When; `each uniform(a, b)` draws a time for each host.
        at: AmountText,
        /// How long until they are back; for good if absent.
        #[serde(rename = "for")]
        length: Option<AmountText>,
        /// The NAT profile of the other network, or `public`.
        to: String,
        /// The access link there; as before if absent.
        access: Option<AccessText>,
    },
}

/// Which address a NAT has when it starts again.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AddressName {
    /// That which it had.
    Kept,
    /// Another one.
    Changed,
}

/// Which way a partition cuts.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DirectionName {
    /// Both ways.
    Both,
    /// Only from the first side to the second.
    AToB,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, in nanoseconds; it has bounds and lies within the run.
    pub at_ns: Amount,
    /// How long it lasts, in nanoseconds; `None` for what is not undone or lasts to the end.
    pub length_ns: Option<Amount>,
    /// What goes wrong.
    pub harm: Harm,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// No packet passes from `a` to `b`, nor back unless it is one-way.
    Partition {
        /// First side.
        a: Hosts,
        /// Second side; no host is on both.
        b: Hosts,
        /// Only packets from `a` to `b` are dropped.
        one_way: bool,
    },
    /// Hosts lose power.
    PowerCut {
        /// Who.
        hosts: Hosts,
    },
    /// Access links change.
    Link {
        /// Whose.
        hosts: Hosts,
        /// To what.
        change: LinkChange,
        /// From one begin to the next, in nanoseconds, if it comes again.
        every_ns: Option<u64>,
    },
    /// Wall clocks are set.
    ClockStep {
        /// Whose.
        hosts: Hosts,
        /// By how much, in nanoseconds.
        by_ns: Amount,
    },
    /// NATs and firewalls forget all sessions.
    NatRestart {
        /// Whose.
        hosts: Hosts,
        /// Whether they have another outside address after it.
        readdresses: bool,
    },
    /// NATs and firewalls get another outside address.
    NatAddress {
        /// Whose.
        hosts: Hosts,
    },
    /// NATs and firewalls remember sessions for longer or shorter.
    NatLifetime {
        /// Whose.
        hosts: Hosts,
        /// What changes.
        change: LifetimeChange,
    },
    /// Hosts move to another network.
    Move {
        /// Who.
        hosts: Hosts,
        /// Where to.
        to: Box<Elsewhere>,
    },
}

/// What changes of an access link; the rest stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// Rate up in bits per second.
    pub up_bps: Option<u64>,
    /// Rate down in bits per second.
    pub down_bps: Option<u64>,
    /// One-way delay, each way.
    pub delay_ns: Option<u64>,
    /// Share of packets lost in parts per million, each way.
    pub loss_ppm: Option<u32>,
}

impl Fault {
    /// The fault's kind, as written.
    pub fn kind(&self) -> &'static str {
        match self.harm {
            Harm::Partition { .. } => "partition",
            Harm::PowerCut { .. } => "power-cut",
            Harm::Link { .. } => "link",
            Harm::ClockStep { .. } => "clock-step",
            Harm::NatRestart { .. } => "nat-restart",
            Harm::NatAddress { .. } => "nat-address",
            Harm::NatLifetime { .. } => "nat-lifetime",
            Harm::Move { .. } => "move",
        }
    }

    /// Hosts that may be hit.
    pub fn hosts(&self) -> impl Iterator<Item = u32> + '_ {
        let (first, second) = match &self.harm {
            Harm::Partition { a, b, .. } => (a, Some(b)),
            Harm::PowerCut { hosts }
            | Harm::Link { hosts, .. }
            | Harm::ClockStep { hosts, .. }
            | Harm::NatRestart { hosts, .. }
            | Harm::NatAddress { hosts }
            | Harm::NatLifetime { hosts, .. }
            | Harm::Move { hosts, .. } => (hosts, None),
        };
        first.iter().chain(second.into_iter().flat_map(Hosts::iter))
    }

    /// Reads a fault; `None` if a problem was noted that leaves nothing to play.
    pub fn read(
        table: &Table,
        groups: &[Group],
        duration_ns: u64,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let kind = read_kind::<FaultFields>(table, "fault", problems)?;
        let what = format!("fault \"{kind}\"");
        let fields = fields_of_kind::<FaultFields>(&kind)?;
        let reader = Reader::new(table, &what, &fields, problems);
        let at_ns = read_at(&reader, duration_ns, problems);
        let length_ns = read_length(&reader, "for", problems);
        let harm = match kind.as_str() {
            "partition" => read_partition(&reader, groups, problems),
            "power-cut" => selector::read(&reader, "hosts", groups, problems)
                .map(|hosts| Harm::PowerCut { hosts }),
            "link" => read_link(&reader, groups, duration_ns, problems),
            "nat-restart" => nat_fault::read_restart(&reader, groups, problems),
            "nat-address" => nat_fault::read_address(&reader, groups, problems),
            "nat-lifetime" => nat_fault::read_lifetime(&reader, groups, problems),
            "move" => nat_fault::read_move(&reader, groups, profiles, problems),
            _ => read_clock_step(&reader, groups, problems),
        };
        let needs_length = matches!(kind.as_str(), "partition" | "power-cut");
        if needs_length && length_ns.is_none() {
            return None;
        }
        Some(Self {
            at_ns: at_ns?,
            length_ns,
            harm: harm?,
        })
    }
}

fn read_partition(reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) -> Option<Harm> {
    let value = reader.value("between")?;
    for key in ["at", "for"] {
        let text = reader.value(key).and_then(|value| value.as_text());
        if text.is_some_and(|text| text.trim().starts_with("each ")) {
            let message = format!(
                "\"{key}\": a partition is one event for all, so \"each\" means nothing here"
            );
            problems.push(reader.span(key), message);
        }
    }
    let sides = match &value.kind {
        Kind::Array(sides) if sides.len() == 2 => sides,
        _ => {
            let message =
                "\"between\": expected two sides, such as [\"home[0..20]\", \"home[20..40]\"]";
            problems.push(value.span, message);
            return None;
        }
    };
    let side = |index: usize, problems: &mut Problems| {
        // A side is read as a field of its own, so that it may be a list too.
        let entry = super::tree::Entry {
            key: "between".to_owned(),
            key_span: value.span,
            value: sides[index].clone(),
        };
        let table = Table {
            span: value.span,
            entries: vec![entry],
        };
        let reader = Reader {
            table: &table,
            what: reader.what,
        };
        selector::read(&reader, "between", groups, problems)
    };
    let (a, b) = (side(0, problems), side(1, problems));
    let directions = [("both", false), ("a-to-b", true)];
    let one_way = reader
        .choice("direction", &directions, problems)
        .unwrap_or(false);
    let (a, b) = (a?, b?);
    if a.overlaps(&b) {
        problems.push(value.span, "\"between\": a host cannot be on both sides");
        return None;
    }
    Some(Harm::Partition { a, b, one_way })
}

fn read_link(
    reader: &Reader<'_>,
    groups: &[Group],
    duration_ns: u64,
    problems: &mut Problems,
) -> Option<Harm> {
    let before = problems.len();
    let hosts = selector::read(reader, "hosts", groups, problems);
    let delay_ns = reader.quantity("delay", time_ns, problems);
    if delay_ns.is_some_and(|delay| delay < 0) {
        problems.push(
            reader.span("delay"),
            "\"delay\": expected a delay of at least 0",
        );
    }
    let change = LinkChange {
        up_bps: reader.quantity("up", bits_per_second, problems),
        down_bps: reader.quantity("down", bits_per_second, problems),
        delay_ns: delay_ns.map(|delay| delay.max(0) as u64),
        loss_ppm: reader.share("loss", problems),
    };
    if change == LinkChange::default() && problems.len() == before {
        let message = "the fault changes nothing: give \"up\", \"down\", \"delay\" or \"loss\"";
        problems.push(reader.table.span, message);
        return None;
    }
    let hosts = hosts?;
    let every_ns = read_every(reader, problems);
    note_too_many(&hosts, every_ns, duration_ns, reader, problems);
    Some(Harm::Link {
        hosts,
        change,
        every_ns,
    })
}

/// How soon a change comes again: later than it ends, so that its end can be told.
fn read_every(reader: &Reader<'_>, problems: &mut Problems) -> Option<u64> {
    let every = reader.quantity("every", time_ns, problems)?;
    let length = reader
        .value("for")
        .and_then(|value| value.as_text())
        .and_then(|text| Amount::read(text, time_ns).ok()?.bounds());
    match length {
        Some((_, longest)) if every > longest && every >= EVERY_MIN_NS => Some(every as u64),
        _ => {
            let message = "\"every\": expected at least 10ms, and more than a bounded \"for\"";
            problems.push(reader.span("every"), message);
            None
        }
    }
}

/// Changes of links that one fault may schedule, over all hosts.
const CHANGES_MAX: u64 = 1_000_000;

/// Refuses a fault that comes too often for so many hosts.
fn note_too_many(
    hosts: &Hosts,
    every_ns: Option<u64>,
    duration_ns: u64,
    reader: &Reader<'_>,
    problems: &mut Problems,
) {
    let Some(every_ns) = every_ns else {
        return;
    };
    // Each turn begins and ends.
    let turns = (duration_ns / every_ns).saturating_add(1);
    let changes = turns.saturating_mul(2 * u64::from(hosts.len()));
    if changes > CHANGES_MAX {
        let message =
            format!("\"every\": the fault may change links {changes} times: at most {CHANGES_MAX}");
        problems.push(reader.span("every"), message);
    }
}

/// Shortest time between two begins of one fault.
const EVERY_MIN_NS: i64 = 10_000_000;

fn read_clock_step(reader: &Reader<'_>, groups: &[Group], problems: &mut Problems) -> Option<Harm> {
    let hosts = selector::read(reader, "hosts", groups, problems);
    let by_ns = reader.amount("by", time_ns, problems)?;
    if by_ns.draw == Draw::Constant(0) {
        problems.push(reader.span("by"), "\"by\": a step by 0s changes nothing");
        return None;
    }
    Some(Harm::ClockStep {
        hosts: hosts?,
        by_ns,
    })
}
