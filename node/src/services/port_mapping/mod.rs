//! Ports that the router of the local network maps for this node.
//!
//! Owns which listen address is reached at which mapped one. Finding the router, asking it
//! and asking again belong to libp2p-upnp, which confirms what is mapped as an external
//! address; but it leaves that confirmed when the listen address goes, as it does on a
//! machine that changes networks, so it is withdrawn here.

use std::collections::BTreeMap;

use libp2p::Multiaddr;

use crate::api::{Event, NoMapping};
use crate::config::Config;
use crate::core::Core;
use crate::core::router::{self, RouterEvent};
use crate::core::signal::Signal;

use super::Service;

/// Mapped addresses by the listen address behind them; bounded as listen addresses are.
#[derive(Debug, Default)]
pub struct PortMappings(BTreeMap<Multiaddr, Multiaddr>);

impl PortMappings {
    /// Takes note of what libp2p tells, and says it in the node's own words.
    fn told(&mut self, told: RouterEvent) -> Event {
        match told {
            RouterEvent::Mapped {
                listening,
                external,
            } => {
                let mapped = Event::PortMapped {
                    address: external.to_string(),
                    listening: listening.to_string(),
                };
                self.0.insert(listening, external);
                mapped
            }
            RouterEvent::Unmapped {
                listening,
                external,
            } => {
                self.0.remove(&listening);
                unmapped(&external)
            }
            RouterEvent::NoRouter => Event::PortMappingFailed {
                reason: NoMapping::NoRouter,
            },
            RouterEvent::NotPublic => Event::PortMappingFailed {
                reason: NoMapping::NotPublic,
            },
        }
    }

    /// The node listens on an address no longer: where it was mapped, if it was.
    fn close(&mut self, listening: &Multiaddr) -> Option<Multiaddr> {
        self.0.remove(listening)
    }
}

fn unmapped(address: &Multiaddr) -> Event {
    Event::PortUnmapped {
        address: address.to_string(),
    }
}

impl Service for PortMappings {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        if let Signal::ListenAddressRemoved(address) = signal {
            self.withdraw(core, address);
        }
    }
}

impl PortMappings {
    /// Acts on what the router has done, or is missing. Addresses come and go by the swarm's own
    /// events.
    pub fn on_upnp(&mut self, core: &mut Core, event: router::Event) {
        self.on_told(core, router::told(event));
    }

    fn on_told(&mut self, core: &mut Core, told: RouterEvent) {
        let event = self.told(told);
        core.emit(&event);
    }

    /// Withdraws the address at which a listen address that is gone was mapped.
    fn withdraw(&mut self, core: &mut Core, address: &Multiaddr) {
        if let Some(mapped) = self.close(address) {
            core.swarm.remove_external_address(&mapped);
            core.emit(&unmapped(&mapped));
            core.raise(Signal::ReachChanged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_outcome_is_told_by_kind() {
        let listening = address("/ip4/192.168.1.2/tcp/4150");
        let external = address("/ip4/192.0.2.1/tcp/4150");
        let mut mappings = PortMappings::default();
        let mut check = |event, expected| assert_eq!(mappings.told(event), expected);
        check(
            RouterEvent::Mapped {
                listening: listening.clone(),
                external: external.clone(),
            },
            Event::PortMapped {
                address: external.to_string(),
                listening: listening.to_string(),
            },
        );
        check(
            RouterEvent::Unmapped {
                listening,
                external: external.clone(),
            },
            unmapped(&external),
        );
        let failed = |reason| Event::PortMappingFailed { reason };
        check(RouterEvent::NoRouter, failed(NoMapping::NoRouter));
        check(RouterEvent::NotPublic, failed(NoMapping::NotPublic));
    }

    #[test]
    fn a_mapping_goes_with_its_listen_address_once() {
        let mut mappings = PortMappings::default();
        let (tcp, quic) = (
            address("/ip4/192.168.1.2/tcp/4150"),
            address("/ip4/192.168.1.2/udp/4150/quic-v1"),
        );
        let mapped = address("/ip4/192.0.2.1/tcp/4150");
        mappings.told(RouterEvent::Mapped {
            listening: tcp.clone(),
            external: mapped.clone(),
        });
        assert_eq!(mappings.close(&quic), None);
        assert_eq!(mappings.close(&tcp), Some(mapped.clone()));
        assert_eq!(mappings.close(&tcp), None);
        // What the router has let go is withdrawn by libp2p.
        for event in [
            RouterEvent::Mapped {
                listening: tcp.clone(),
                external: mapped.clone(),
            },
            RouterEvent::Unmapped {
                listening: tcp.clone(),
                external: mapped,
            },
        ] {
            mappings.told(event);
        }
        assert_eq!(mappings.close(&tcp), None);
    }

    #[test]
    fn a_mapped_address_is_withdrawn_with_its_listen_address() {
        let (mut core, told) = fake::core(Config::default());
        let mut mappings = PortMappings::default();
        let (listening, mapped) = (
            address("/ip4/192.168.1.2/tcp/4150"),
            address("/ip4/192.0.2.1/tcp/4150"),
        );
        let new = RouterEvent::Mapped {
            listening: listening.clone(),
            external: mapped.clone(),
        };
        mappings.on_told(&mut core, new);
        core.swarm.add_external_address(mapped);
        mappings.on_signal(&mut core, &Signal::ListenAddressRemoved(listening));
        assert_eq!(core.swarm.external_addresses().count(), 0);
        assert!(matches!(
            fake::raised(&mut core)[..],
            [Signal::ReachChanged]
        ));
        assert!(matches!(
            told.take()[..],
            [Event::PortMapped { .. }, Event::PortUnmapped { .. }]
        ));
    }
}
