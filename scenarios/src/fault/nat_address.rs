//! Faults that give NATs and firewalls another outside address: `nat-address`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, FaultKind, Source, StrikesGateway, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::testbed::Testbed;

/// NATs and firewalls get another outside address, and keep their sessions. An effect is an
/// address that changes.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct NatAddressFields {
    /// The hosts whose NATs or firewalls are meant: what they are directly behind, each once.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each.
    at: Option<AmountText>,
    /// They get another each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// NATs and firewalls get another outside address.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct NatAddress {
    /// The hosts that are behind them.
    hosts: Hosts,
}

impl FaultKind for NatAddress {
    type Fields = NatAddressFields;
    const NAME: &'static str = "nat-address";
    const TIMING: Timing = Timing::Instant;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let hosts = source.hosts_behind(problems)?;
        Some(Self { hosts })
    }

    fn acts(&self) -> Acts<'_> {
        Acts::StrikesGateways(&self.hosts, self)
    }
}

impl StrikesGateway for NatAddress {
    /// An effect is an address that changes.
    fn strike(&self, testbed: &dyn Testbed, gateway: usize) -> u64 {
        testbed.gateways().change_address(gateway);
        1
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::{check_read, check_refused};

    #[test]
    fn new_addresses_are_read_or_pointed_at() {
        check_read("kind='nat-address'\nhosts='g'", "NatAddress");
        check_refused(
            "kind='nat-address'\nhosts=['g', 's']\n",
            "t.toml:17:7: hosts of group \"s\" stand behind no NAT or firewall",
        );
    }
}
