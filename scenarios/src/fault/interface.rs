//! Faults that take interfaces of hosts down: `interface`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::interface::{PRIMARY, note_missing};
use crate::format::scenario::selector::{Hosts, HostsText};

/// Interfaces of hosts go down: they lose their addresses, which programs are told, and nothing
/// leaves or comes by them. Hosts send by others that they have; connections of a lost address
/// are silent until it is back or they time out. An interface is down while any such fault is
/// in force. Its effects are the packets that cannot leave by it, also where they leave by
/// another interface instead, those that come to it in vain, and the TCP connections that it
/// had when it went down; what several stop counts for each.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct InterfaceFields {
    /// The hosts with these interfaces.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long; to the end of the run if absent.
    #[serde(rename = "for")]
    length: Option<AmountText>,
    /// It comes again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
    /// Which interface: a name in the `interfaces` of their group, or `primary` (if absent),
    /// the one that the group's own fields describe.
    name: Option<String>,
}

/// Interfaces of hosts go down.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// The hosts with these interfaces.
    hosts: Hosts,
    /// Its name; each of the hosts has one of this name.
    name: String,
}

impl FaultKind for Interface {
    type Fields = InterfaceFields;
    const NAME: &'static str = "interface";
    const TIMING: Timing = Timing::OpenEnded;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let Source { reader, groups, .. } = source;
        let hosts = source.hosts(problems)?;
        let name = reader.text("name", problems).unwrap_or(PRIMARY);
        note_missing(name, hosts.iter(), groups, reader.span("name"), problems);
        Some(Self {
            hosts,
            name: name.to_owned(),
        })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            interface: Some(&self.name),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}
