//! What a kind of fault says of itself.
//!
//! Owns the terms in which kinds say what they do: conditions of hosts, gateways and the network
//! that are summed up while faults are in force, and strikes at a moment. Names no kind. What the
//! terms mean in a run is `play/conditions`'s, and which losses follow from them
//! `workload/publish/fates`'s.

use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{LifetimeChange, LinkChange};
use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::format::scenario::group::Group;
use crate::format::scenario::nat::note_public;
use crate::format::scenario::selector::{self, Hosts};
use crate::profiles::{AccessProfile, NatProfile, Profiles};
use crate::testbed::{Capability, Testbed};

/// A kind of fault: what a declared one of it is, as plain data that travels to workers.
///
/// ```ignore
/// impl FaultKind for Outage {
///     type Fields = OutageFields;
///     const NAME: &'static str = "outage";
///     const TIMING: Timing = Timing::Span;
///
///     fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
///         Some(Self { hosts: source.hosts(problems)? })
///     }
///
///     fn acts(&self) -> Acts<'_> {
///         Acts::OnHosts(&self.hosts, Adds { cuts_power: true, ..Adds::default() })
///     }
/// }
/// ```
pub trait FaultKind:
    fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The fields that it has in a scenario, `kind` aside. Their documentation, and that of the
    /// type, is what `orrery explain` and the JSON Schema say. Each has `at` and `every`, and `for`
    /// unless it is an instant.
    type Fields: JsonSchema;
    /// Its name in scenarios, results and streams of chance.
    const NAME: &'static str;
    /// Whether it lasts.
    const TIMING: Timing;
    /// The causes of lost messages that it explains by itself while it is in force at a host on the way,
    /// if what it adds does not explain them: [`Adds`] that are in another's terms do.
    const LOSSES: Option<Losses> = None;

    /// Reads what only this kind has; `None` if a problem was noted that leaves nothing to play.
    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self>;

    /// Whom it concerns, and what it does to them.
    fn acts(&self) -> Acts<'_>;
}

/// Whether a kind of fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It happens at a moment and is not undone.
    Instant,
    /// It lasts as long as it says.
    Span,
    /// It lasts as long as it says, or to the end of the run.
    OpenEnded,
}

/// Whom a fault concerns, and what it does to them.
#[derive(Debug, Clone, Copy)]
pub enum Acts<'a> {
    /// Between two sets of hosts nothing passes while it is in force.
    Parts(Sides<'a>),
    /// It adds to the condition of each of these hosts while it is in force.
    OnHosts(&'a Hosts, Adds<'a>),
    /// It changes how long what these hosts stand behind remembers sessions while it is in force.
    OnGateways(&'a Hosts, &'a LifetimeChange),
    /// It strikes each of these hosts at a moment.
    StrikesHosts(&'a Hosts, &'a dyn StrikesHost),
    /// It strikes what these hosts stand behind at a moment, each NAT or firewall once.
    StrikesGateways(&'a Hosts, &'a dyn StrikesGateway),
}

/// Two sets of hosts between which nothing passes; no host is in both.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// First side.
    pub a: &'a Hosts,
    /// Second side.
    pub b: &'a Hosts,
    /// Only what goes from `a` to `b` is stopped.
    pub one_way: bool,
}

/// What a fault in force adds to the condition of a host; by default nothing. ADR-004 says how
/// several sum up and when each has an effect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adds<'a> {
    /// The host has no power. An effect is a host that is kept from running.
    pub cuts_power: bool,
    /// Its programs end in good order, and do not run. An effect is a host that is kept from
    /// running.
    pub ends_programs: bool,
    /// Its disk is replaced by an empty one when it begins. It says with what else that is gone.
    pub disk: Option<DiskReplaced>,
    /// It is in another network. An effect is a host that it takes there.
    pub away: Option<&'a Elsewhere>,
    /// What changes of its access link. Effects are packets that meet the change.
    pub access: Option<&'a LinkChange>,
    /// What changes of its port on the local network. Effects are packets that meet the change.
    pub lan: Option<&'a LinkChange>,
    /// The interface of this name is down. Effects are the packets and connections that it stops.
    pub interface: Option<&'a str>,
    /// A condition that this kind alone makes.
    pub own: Option<&'static OwnCondition>,
}

/// What goes with a disk that is replaced; of several, the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskReplaced {
    /// What is stored.
    KeysKept,
    /// The keys too.
    WithKeys,
}

/// A condition of hosts that faults of one kind make and no others. It holds at a host while any of
/// them is in force there.
#[derive(Debug)]
pub struct OwnCondition {
    /// Its name, other than that of all others.
    pub name: &'static str,
    /// What a testbed must be able to do for it.
    pub needs: Capability,
    /// It begins to hold at a host, or ends.
    pub set: fn(&dyn Testbed, u32, bool),
    /// What it has met at a host so far, a number that only grows: the effects of a fault are what is
    /// added while it is in force.
    pub met: fn(&dyn Testbed, u32) -> u64,
}

/// A name and a meaning of one cause of losses for each place that a host may have on the way of a
/// message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Losses {
    /// It happened to the host that was to get the message.
    pub reader: (&'static str, &'static str),
    /// It happened to the host that sent it.
    pub author: (&'static str, &'static str),
    /// It happened to a host that would have handed it on.
    pub forwarder: (&'static str, &'static str),
    /// It happened to a relay that carried a connection on the way.
    pub relay: (&'static str, &'static str),
}

/// Another network, one for each host that is taken there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// What each host stands behind there; `None` for nothing.
    pub nat: Option<NatProfile>,
    /// Their access link there; as before if absent.
    pub access: Option<AccessProfile>,
}

/// What strikes hosts.
pub trait StrikesHost: fmt::Debug {
    /// What is drawn for each strike at each host, if anything.
    fn amount(&self) -> Option<Amount>;

    /// What a testbed must be able to do for it.
    fn needs(&self) -> Capability;

    /// Strikes a host, with the amount drawn or 0. Returns the effects that it had.
    fn strike(&self, testbed: &dyn Testbed, host: u32, amount: i64) -> u64;
}

/// What strikes NATs and firewalls.
pub trait StrikesGateway: fmt::Debug {
    /// Strikes a gateway, by its number in the world. Returns the effects that it had.
    fn strike(&self, testbed: &dyn Testbed, gateway: usize) -> u64;
}

impl<'a> Acts<'a> {
    /// Who may be hit: the hosts, or the first side and the second.
    pub fn hosts(self) -> (&'a Hosts, Option<&'a Hosts>) {
        match self {
            Self::Parts(sides) => (sides.a, Some(sides.b)),
            Self::OnHosts(hosts, _)
            | Self::OnGateways(hosts, _)
            | Self::StrikesHosts(hosts, _)
            | Self::StrikesGateways(hosts, _) => (hosts, None),
        }
    }

    /// What has conditions of its own and is concerned, at most: hosts, gateways, or the network.
    pub fn targets_max(self) -> u64 {
        match self {
            Self::Parts(_) => 1,
            Self::OnHosts(hosts, _)
            | Self::OnGateways(hosts, _)
            | Self::StrikesHosts(hosts, _)
            | Self::StrikesGateways(hosts, _) => u64::from(hosts.len()),
        }
    }

    /// What it adds to the condition of a host, if it is of that form.
    pub fn on_host(self) -> Option<Adds<'a>> {
        match self {
            Self::OnHosts(_, adds) => Some(adds),
            Self::Parts(_)
            | Self::OnGateways(..)
            | Self::StrikesHosts(..)
            | Self::StrikesGateways(..) => None,
        }
    }

    /// What it changes of a gateway's lifetimes, if it is of that form.
    pub fn on_gateway(self) -> Option<&'a LifetimeChange> {
        match self {
            Self::OnGateways(_, change) => Some(change),
            Self::Parts(_)
            | Self::OnHosts(..)
            | Self::StrikesHosts(..)
            | Self::StrikesGateways(..) => None,
        }
    }

    /// What a testbed must be able to do for it.
    pub fn needs(self) -> Vec<Capability> {
        match self {
            Self::Parts(_) => vec![Capability::Partitions],
            Self::OnHosts(_, adds) => adds.needs(),
            Self::StrikesHosts(_, kind) => vec![kind.needs()],
            Self::OnGateways(..) | Self::StrikesGateways(..) => vec![Capability::GatewayChanges],
        }
    }

    /// What is drawn for each strike, if anything.
    pub fn amount(self) -> Option<Amount> {
        match self {
            Self::StrikesHosts(_, kind) => kind.amount(),
            Self::Parts(_)
            | Self::OnHosts(..)
            | Self::OnGateways(..)
            | Self::StrikesGateways(..) => None,
        }
    }
}

impl Adds<'_> {
    /// Whether a host's programs do not run while it is in force.
    pub fn keeps_programs(&self) -> bool {
        self.cuts_power || self.ends_programs
    }

    /// What a testbed must be able to do for it.
    fn needs(&self) -> Vec<Capability> {
        let Self {
            cuts_power,
            ends_programs,
            disk,
            away,
            access,
            lan,
            interface,
            own,
        } = self;
        let changes_link = access.is_some() || lan.is_some();
        let needs = [
            (*cuts_power || disk.is_some()).then_some(Capability::PowerCuts),
            ends_programs.then_some(Capability::Stops),
            away.map(|_| Capability::Moves),
            changes_link.then_some(Capability::LinkChanges),
            interface.map(|_| Capability::InterfaceChanges),
            own.map(|own| own.needs),
        ];
        needs.into_iter().flatten().collect()
    }

    /// Whether a link of the host is another one while it is in force.
    pub fn changes_links(&self) -> bool {
        self.access.is_some() || self.lan.is_some() || self.away.is_some()
    }
}

/// What a fault is read from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its table.
    pub reader: Reader<'a>,
    /// The scenario's groups.
    pub groups: &'a [Group],
    /// Names of the regions; none if they are unknown.
    pub regions: &'a [String],
    /// Profiles by their names.
    pub profiles: &'a Profiles<'a>,
}

impl Source<'_> {
    /// Reads `hosts`.
    pub fn hosts(&self, problems: &mut Problems) -> Option<Hosts> {
        selector::read(&self.reader, "hosts", self.groups, problems)
    }

    /// Reads `hosts`, each of which has to stand behind a NAT or firewall.
    pub fn hosts_behind(&self, problems: &mut Problems) -> Option<Hosts> {
        let hosts = self.hosts(problems)?;
        let span = self.reader.span("hosts");
        note_public(hosts.iter(), self.groups, span, problems);
        Some(hosts)
    }
}
