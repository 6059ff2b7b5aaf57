//! Faults that take hosts to other networks: `move`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, Adds, Elsewhere, FaultKind, Source, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::access::{self, AccessText};
use crate::format::scenario::nat;
use crate::format::scenario::selector::{Hosts, HostsText};

/// Hosts move to another network, each to one of its own, and perhaps back; of several
/// interfaces, the primary one moves and the others stay. Of several moves
/// of a host in force, the one that began last says where it is, of those that began together
/// the later in the file; without any it is at home, on its local network and with the
/// addresses that it has there. It moves also while it is off. An effect is a host that it
/// takes to its network.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct MoveHostFields {
    /// The hosts that move.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each host.
    at: Option<AmountText>,
    /// How long until they are back; for good if absent.
    #[serde(rename = "for")]
    length: Option<AmountText>,
    /// They move again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
    /// The NAT profile of the other network, or `public`.
    to: String,
    /// The access link there; as before if absent.
    access: Option<AccessText>,
}

/// Hosts move to another network.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct MoveHost {
    /// The hosts that move.
    hosts: Hosts,
    /// Where to.
    to: Elsewhere,
}

impl FaultKind for MoveHost {
    type Fields = MoveHostFields;
    const NAME: &'static str = "move";
    const TIMING: Timing = Timing::OpenEnded;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let Source {
            reader, profiles, ..
        } = source;
        let hosts = source.hosts(problems)?;
        let name = reader.text("to", problems)?;
        let nat = nat::profile(name, reader.span("to"), profiles, problems)?;
        let has_link = reader.value("access").is_some();
        let access = has_link.then(|| access::read(reader, profiles, problems));
        let to = Elsewhere { nat, access };
        Some(Self { hosts, to })
    }

    fn acts(&self) -> Acts<'_> {
        let adds = Adds {
            away: Some(&self.to),
            ..Adds::default()
        };
        Acts::OnHosts(&self.hosts, adds)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::{check_read, check_refused};

    #[test]
    fn moves_are_read_or_pointed_at() {
        check_read(
            "kind='move'\nhosts='s'\nto='carrier'\naccess='4g'",
            "\"4g\"",
        );
        check_read(
            "kind='move'\nhosts='g'\nto='public'",
            "nat: None, access: None",
        );
        check_refused(
            "kind='move'\nhosts='g'\nto='carier'",
            "did you mean \"carrier\"?",
        );
        check_refused("kind='move'\nhosts='g'", "lacks the field \"to\"");
        check_refused(
            "kind='move'\nhosts='g'\nto='sym'\naccess='4gg'",
            "unknown access profile \"4gg\"",
        );
    }
}
