//! Whether others can reach the node, and where: what it is told to announce, what it listens on,
//! and what AutoNAT v2 has found out.
//!
//! Owns which addresses are taken for reachable without a test. What follows from that is decided
//! by those who tell others of addresses.

use libp2p::Multiaddr;
use libp2p::autonat::v2::client;

use crate::api::Event;
use crate::config::Config;
use crate::core::Core;
use crate::core::StartError;
use crate::core::signal::Signal;
use crate::protocol::is_circuit;

use super::Service;

/// Has no state: the swarm keeps the addresses.
#[derive(Debug)]
pub struct Reachability;

impl Service for Reachability {
    fn new(_: &Config) -> Self {
        Self
    }

    /// Takes the addresses that the configuration announces for reachable ones.
    fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
        for address in core.context.config.listen.announce.clone() {
            core.swarm.add_external_address(address);
        }
        core.raise(Signal::ReachChanged);
        Ok(())
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        if let Signal::ListenAddressAdded(address) = signal {
            listens_on(core, address);
        }
    }
}

impl Reachability {
    /// A peer has tried to dial one of our addresses.
    pub fn on_tested(&mut self, core: &mut Core, test: client::Event) {
        core.emit(&Event::AddressTested {
            address: test.tested_addr.to_string(),
            by: test.server,
            reachable: test.result.is_ok(),
        });
    }
}

/// The node listens on one more address. A relay that has nobody to ask takes it for reachable:
/// else it could not offer itself.
fn listens_on(core: &mut Core, address: &Multiaddr) {
    let config = &core.context.config;
    let announced = !config.listen.announce.is_empty();
    let trusts = config.relay.enabled && !config.autonat.enabled && !announced;
    if trusts && !is_circuit(address) {
        core.swarm.add_external_address(address.clone());
        core.raise(Signal::ReachChanged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn a_relay_that_has_nobody_to_ask_trusts_what_it_listens_on() {
        let address = fake::address("/ip4/192.0.2.1/tcp/4150");
        let check = |autonat: bool, trusted: bool| {
            let mut config = Config::default();
            config.relay.enabled = true;
            config.autonat.enabled = autonat;
            let (mut core, _) = fake::core(config);
            let listens = Signal::ListenAddressAdded(address.clone());
            Reachability.on_signal(&mut core, &listens);
            let external: Vec<_> = core.swarm.external_addresses().cloned().collect();
            assert_eq!(external.contains(&address), trusted);
            let raised = fake::raised(&mut core);
            assert_eq!(matches!(raised[..], [Signal::ReachChanged]), trusted);
        };
        check(false, true);
        check(true, false);
    }
}
