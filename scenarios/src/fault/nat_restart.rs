//! Faults that start NATs and firewalls anew: `nat-restart`.

use orrery_sim::net::nat::OutsideAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Acts, FaultKind, Source, StrikesGateway, Timing};
use crate::format::reading::amount::AmountText;
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector::{Hosts, HostsText};
use crate::testbed::Testbed;

/// NATs and firewalls start again: they forget all sessions at once. Its effects are the
/// sessions forgotten, and addresses that change.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is documentation")]
pub struct NatRestartFields {
    /// The hosts whose NATs or firewalls are meant: what they are directly behind, each once.
    hosts: HostsText,
    /// When; `each uniform(a, b)` draws a time for each.
    at: Option<AmountText>,
    /// Whether they have their outside address again: `kept` (if absent) or `changed`.
    address: Option<AddressName>,
    /// They start again each time this has passed, such as `30s`; once if absent.
    every: Option<String>,
}

/// Which address a NAT has when it starts again.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is documentation")]
pub enum AddressName {
    /// That which it had.
    Kept,
    /// Another one.
    Changed,
}

/// NATs and firewalls forget all sessions.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct NatRestart {
    /// The hosts that are behind them.
    hosts: Hosts,
    /// Whether they have another outside address after it.
    readdresses: bool,
}

impl FaultKind for NatRestart {
    type Fields = NatRestartFields;
    const NAME: &'static str = "nat-restart";
    const TIMING: Timing = Timing::Instant;

    fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let addresses = [("kept", false), ("changed", true)];
        let readdresses = source.reader.choice("address", &addresses, problems);
        Some(Self {
            hosts: source.hosts_behind(problems)?,
            readdresses: readdresses.unwrap_or(false),
        })
    }

    fn acts(&self) -> Acts<'_> {
        Acts::StrikesGateways(&self.hosts, self)
    }
}

impl StrikesGateway for NatRestart {
    /// Its effects are the sessions forgotten and an address that changes; without either, none.
    fn strike(&self, testbed: &dyn Testbed, gateway: usize) -> u64 {
        let gateways = testbed.gateways();
        let sessions = gateways.sessions(gateway);
        let address = if self.readdresses {
            OutsideAddress::Changed
        } else {
            OutsideAddress::Kept
        };
        gateways.restart(gateway, address);
        sessions + u64::from(self.readdresses)
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::{check_read, check_refused};

    #[test]
    fn restarts_are_read_or_pointed_at() {
        check_read("kind='nat-restart'\nhosts='g[1]'", "readdresses: false");
        check_read(
            "kind='nat-restart'\nhosts='g'\naddress='changed'",
            "readdresses: true",
        );
        check_refused(
            "kind='nat-restart'\nhosts=['g', 's']\n",
            "t.toml:17:7: hosts of group \"s\" stand behind no NAT or firewall",
        );
        check_refused(
            "kind='nat-restart'\nhosts='g'\naddress='new'",
            "unknown address \"new\"",
        );
    }
}
