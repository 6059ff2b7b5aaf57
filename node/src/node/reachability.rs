//! Whether others can reach the node, and where: what it listens on, what it is told to
//! announce, and what AutoNAT v2 has found out.

use std::time::Instant;

use libp2p::Multiaddr;
use libp2p::autonat::v2::client;

use crate::api::Event;

use super::driver::Driver;
use super::relays::is_circuit;

impl Driver {
    /// Takes the addresses that the configuration announces for reachable ones.
    pub(super) fn announce(&mut self) {
        for address in self.context.config.listen.announce.clone() {
            self.swarm.add_external_address(address);
        }
        self.reach_changed();
    }

    /// The node listens on one more address. A relay that has nobody to ask takes it for
    /// reachable: else it could not offer itself.
    pub(super) fn listens_on(&mut self, address: Multiaddr) {
        let config = &self.context.config;
        let announced = !config.listen.announce.is_empty();
        let trusts = config.relay.enabled && !config.autonat.enabled && !announced;
        if trusts && !is_circuit(&address) {
            self.swarm.add_external_address(address);
            self.reach_changed();
        }
    }

    /// Addresses at which others reach us have come or gone.
    pub(super) fn reach_changed(&mut self) {
        let public = self
            .swarm
            .external_addresses()
            .any(|address| !is_circuit(address));
        self.relays.auto.set_public(public);
        self.reserve(Instant::now());
    }

    /// A peer has tried to dial one of our addresses.
    pub(super) fn address_tested(&self, test: &client::Event) {
        self.emit(&Event::AddressTested {
            address: test.tested_addr.to_string(),
            by: test.server.to_string(),
            reachable: test.result.is_ok(),
        });
    }

    /// Where friends find us, the best first: what is announced; or else where we are known to be
    /// reachable, through relays if need be, and where we listen.
    pub(super) fn addresses_for_friends(&self) -> Vec<Multiaddr> {
        let announced = &self.context.config.listen.announce;
        if !announced.is_empty() {
            return announced.clone();
        }
        let (circuits, mut addresses): (Vec<_>, Vec<_>) = self
            .swarm
            .external_addresses()
            .cloned()
            .partition(is_circuit);
        addresses.extend(circuits);
        for address in self.swarm.listeners() {
            // A circuit that we listen on is as its relay tells it; ours is among those above.
            if !is_circuit(address) && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }
}
