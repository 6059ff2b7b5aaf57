//! Ports that the router of the local network maps for this node.
//!
//! Owns which listen address is reached at which mapped one. Finding the router, asking it
//! and asking again belong to libp2p-upnp, which confirms what is mapped as an external
//! address; but it leaves that confirmed when the listen address goes, as it does on a
//! machine that changes networks, so the node withdraws it here.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, upnp};

use crate::api::{Event, NoMapping};

use super::driver::Driver;

/// Mapped addresses by the listen address behind them; bounded as listen addresses are.
#[derive(Debug, Default)]
pub(super) struct PortMappings(BTreeMap<Multiaddr, Multiaddr>);

impl PortMappings {
    /// Takes note of what libp2p tells, and says it in the node's own words.
    fn told(&mut self, event: upnp::Event) -> Event {
        match event {
            upnp::Event::NewExternalAddr {
                local_addr,
                external_addr,
            } => {
                let mapped = Event::PortMapped {
                    address: external_addr.to_string(),
                    listening: local_addr.to_string(),
                };
                self.0.insert(local_addr, external_addr);
                mapped
            }
            upnp::Event::ExpiredExternalAddr {
                local_addr,
                external_addr,
            } => {
                self.0.remove(&local_addr);
                unmapped(&external_addr)
            }
            upnp::Event::GatewayNotFound => Event::PortMappingFailed {
                reason: NoMapping::NoRouter,
            },
            upnp::Event::NonRoutableGateway => Event::PortMappingFailed {
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

impl Driver {
    /// Acts on what the router has done, or is missing. Addresses come and go by the
    /// swarm's own events.
    pub(super) fn port_mapping_event(&mut self, event: upnp::Event) {
        let event = self.port_mappings.told(event);
        self.emit(&event);
    }

    /// Withdraws the address at which a listen address that is gone was mapped.
    pub(super) fn listens_no_more(&mut self, address: &Multiaddr) {
        if let Some(mapped) = self.port_mappings.close(address) {
            self.swarm.remove_external_address(&mapped);
            self.emit(&unmapped(&mapped));
            self.reach_changed();
            self.register_everywhere();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_outcome_is_told_by_kind() {
        let local_addr = address("/ip4/192.168.1.2/tcp/4150");
        let external_addr = address("/ip4/192.0.2.1/tcp/4150");
        let mut mappings = PortMappings::default();
        let mut check = |event, expected| assert_eq!(mappings.told(event), expected);
        check(
            upnp::Event::NewExternalAddr {
                local_addr: local_addr.clone(),
                external_addr: external_addr.clone(),
            },
            Event::PortMapped {
                address: external_addr.to_string(),
                listening: local_addr.to_string(),
            },
        );
        check(
            upnp::Event::ExpiredExternalAddr {
                local_addr,
                external_addr: external_addr.clone(),
            },
            unmapped(&external_addr),
        );
        let failed = |reason| Event::PortMappingFailed { reason };
        check(upnp::Event::GatewayNotFound, failed(NoMapping::NoRouter));
        check(
            upnp::Event::NonRoutableGateway,
            failed(NoMapping::NotPublic),
        );
    }

    #[test]
    fn a_mapping_goes_with_its_listen_address_once() {
        let mut mappings = PortMappings::default();
        let (tcp, quic) = (
            address("/ip4/192.168.1.2/tcp/4150"),
            address("/ip4/192.168.1.2/udp/4150/quic-v1"),
        );
        let mapped = address("/ip4/192.0.2.1/tcp/4150");
        mappings.told(upnp::Event::NewExternalAddr {
            local_addr: tcp.clone(),
            external_addr: mapped.clone(),
        });
        assert_eq!(mappings.close(&quic), None);
        assert_eq!(mappings.close(&tcp), Some(mapped.clone()));
        assert_eq!(mappings.close(&tcp), None);
        // What the router has let go is withdrawn by libp2p.
        for event in [
            upnp::Event::NewExternalAddr {
                local_addr: tcp.clone(),
                external_addr: mapped.clone(),
            },
            upnp::Event::ExpiredExternalAddr {
                local_addr: tcp.clone(),
                external_addr: mapped,
            },
        ] {
            mappings.told(event);
        }
        assert_eq!(mappings.close(&tcp), None);
    }
}
