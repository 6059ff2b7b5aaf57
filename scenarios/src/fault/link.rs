//! Faults that change links of hosts: `link`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LinkChange;
use super::kind::{Acts, Adds, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{bits_per_second, time_ns};
use crate::format::scenario::selector::{Hosts, HostsText};

/// Links of hosts change for a while; of several interfaces, those of the primary one. Of several
/// faults on a link, the lowest rate and the largest delay count, and their losses are
/// independent of each other; each replaces what the access link has of it in the network that
/// the host is in then, or its port on the local network. Its effects are packets that meet
/// the link while the fault changes its rate or delay, and else those that its loss takes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct LinkFields {
    /// The hosts with these links.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
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
    /// Which of their links: `access` (if absent); `lan`, the ports by which hosts that have a
    /// local network reach each other there; or `all`, both.
    on: Option<Links>,
}

/// Links of hosts change.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The hosts with these links.
    hosts: Hosts,
    /// To what.
    change: LinkChange,
    /// Which of their links.
    on: Links,
}

/// Which links of a host change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LinksName")]
pub enum Links {
    /// The access link.
    Access,
    /// The port on its local network.
    Lan,
    /// Both.
    All,
}

impl Links {
    /// Whether the access link is one of them.
    fn has_access(self) -> bool {
        match self {
            Self::Access | Self::All => true,
            Self::Lan => false,
        }
    }

    /// Whether the port on the local network is one of them.
    fn has_lan(self) -> bool {
        match self {
            Self::Lan | Self::All => true,
            Self::Access => false,
        }
    }
}

impl FaultKind for Link {
    type Fields = LinkFields;
    const NAME: &'static str = "link";
    const TIMING: Timing = Timing::OpenEnded;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let reader = &source.reader;
        let before = problems.len();
        let hosts = source.hosts(problems);
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
        let names = [
            ("access", Links::Access),
            ("lan", Links::Lan),
            ("all", Links::All),
        ];
        let on = reader.choice("on", &names, problems);
        let hosts = hosts?;
        let on = on.unwrap_or(Links::Access);
        if on == Links::Lan {
            note_no_lan(source, &hosts, problems);
        }
        Some(Self { hosts, change, on })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            access: self.on.has_access().then_some(&self.change),
            lan: self.on.has_lan().then_some(&self.change),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}

/// Notes groups whose hosts are hit and have no local network.
fn note_no_lan(source: &Source<'_>, hosts: &Hosts, problems: &mut Problems) {
    for group in source.groups {
        let is_hit = group.hosts().any(|host| hosts.contains(host));
        if is_hit && group.lan.is_none() {
            let message = format!(
                "hosts of group \"{}\" have no local network: give the group a \"lan\", or let \
                 the fault be on \"access\"",
                group.name
            );
            problems.push(source.reader.span("hosts"), message);
        }
    }
}
