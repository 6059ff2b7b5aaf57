//! Kademlia as the node uses it: what its behaviour tells, and what others ask of its store.
//!
//! Owns who enters the table besides those whom lookups have dialled, and the answer
//! to records that others send. What own queries bring is in `queries.rs`.

mod publish;
mod queries;

use std::time::Instant;

use libp2p::kad::{self, InboundRequest, QueryResult, RoutingUpdate};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::{Event, LookupMethod};
use crate::card::{CARD_ADDRESSES_MAX, fitting};
use crate::config::Config;
use crate::core::Core;
use crate::core::signal::Signal;
use crate::kad::{Bounds, Kademlia, Kept, Noted};
use crate::scope::Scope;
use crate::shape::is_dialled;
use crate::wall_clock::wall_clock_ms;

use super::Service;
use publish::Publishing;
use queries::Query;

/// Queries of this node, and its own record.
#[derive(Default)]
pub struct Kad {
    /// Queries that have not ended.
    queries: Vec<Query>,
    publishing: Publishing,
}

impl Service for Kad {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Identified {
                peer,
                connection,
                info,
            } => enter(core, *peer, *connection, info),
            Signal::Needed(peer) => release(core, peer),
            Signal::ListenAddressAdded(_)
            | Signal::ListenAddressRemoved(_)
            | Signal::ReachChanged => self.on_addresses_changed(core),
            Signal::Connected { .. } => self.on_farther_peers(core),
            Signal::Seek {
                identity,
                by: LookupMethod::Kad,
                ..
            } => self.seek(core, *identity),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.publishing.publish_at
    }

    fn on_timer(&mut self, core: &mut Core, _: Instant) {
        self.publishing.publish_at = None;
        self.renew_address(core);
    }
}

impl Kad {
    /// Acts on one event of Kademlia.
    pub fn on_kad(&mut self, core: &mut Core, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request } => on_request(core, request),
            kad::Event::OutboundQueryProgressed {
                result: QueryResult::Bootstrap(result),
                step,
                ..
            } => {
                if let Err(error) = &result {
                    tracing::info!(%error, "the table was not refreshed in time");
                }
                if step.last {
                    self.on_table_filled(core);
                }
            }
            kad::Event::OutboundQueryProgressed {
                id,
                result,
                stats,
                step,
            } => self.on_query_progressed(core, id, result, &stats, step.last),
            kad::Event::ModeChanged { new_mode } => {
                tracing::info!(%new_mode, "the mode in the Kademlia table has changed");
            }
            kad::Event::RoutingUpdated { .. }
            | kad::Event::UnroutablePeer { .. }
            | kad::Event::RoutablePeer { .. }
            | kad::Event::PendingRoutablePeer { .. } => {}
        }
    }
}

/// Somebody wants something kept.
fn on_request(core: &mut Core, request: InboundRequest) {
    match request {
        InboundRequest::PutRecord {
            source,
            record: Some(record),
            ..
        } => {
            let us = (core.context.keys.identity(), core.context.keys.peer());
            let bounds = Bounds::from(&core.context.config.kad);
            let kad = core.swarm.behaviour_mut().kad.as_mut();
            let Some(kad) = kad else { return };
            match kad.keep_record(us, record, wall_clock_ms(), bounds) {
                Ok(Kept::New | Kept::Newer) => core.context.outlet.add("records-kept", 1),
                Ok(Kept::Same) => {}
                Err(error) => {
                    tracing::debug!(%source, %error, "a record is not kept");
                    refused(core, &source, error.name());
                }
            }
        }
        InboundRequest::AddProvider {
            record: Some(record),
        } => {
            let source = record.provider;
            let kad = core.swarm.behaviour_mut().kad.as_mut();
            let Some(kad) = kad else { return };
            match kad.keep_provider(record) {
                Ok(Noted::Beside) => {}
                Ok(Noted::InPlaceOfAnother) => core.context.limit_reached("providers"),
                Err(reason) => refused(core, &source, reason),
            }
        }
        _ => {}
    }
}

/// Kademlia, if it is on.
fn table(core: &mut Core) -> Option<&mut Kademlia> {
    let kad = core.swarm.behaviour_mut().kad.as_mut();
    kad.map(|kad| kad.table())
}

/// Connections with `peer` are no longer Kademlia's to close.
fn release(core: &mut Core, peer: &PeerId) {
    if let Some(kad) = core.swarm.behaviour_mut().kad.as_mut() {
        kad.release(peer);
    }
}

/// Tells that something of Kademlia was not taken.
fn refused(core: &Core, peer: &PeerId, reason: &str) {
    core.emit(&Event::Refused {
        peer: *peer,
        protocol: core.context.config.kad.protocol.clone(),
        reason: reason.to_owned(),
    });
}

/// A peer has told who it is. If it serves our table, it is entered: libp2p enters
/// only those whom this node has dialled.
fn enter(core: &mut Core, peer: PeerId, connection: ConnectionId, info: &identify::Info) {
    if !core.context.config.kad.walk {
        return;
    }
    if core.links.scope_of(connection).is_none() {
        return;
    }
    let addresses = reachable(core.links.farthest(), info);
    let Some(table) = table(core) else { return };
    let ours = table.protocol_names();
    if !info.protocols.iter().any(|told| ours.contains(told)) {
        return;
    }
    for address in &addresses {
        if matches!(
            table.add_address(&peer, address.clone()),
            RoutingUpdate::Failed
        ) {
            return;
        }
    }
    forget_others(table, peer, &addresses);
}

/// Addresses of a peer that others can be told of, the farthest of whom is so far away. A private one is
/// of use to those alone who are in its network, and one that comes from elsewhere leads to somebody
/// else, as a name may do at any time.
fn reachable(farthest: Scope, info: &identify::Info) -> Vec<Multiaddr> {
    let told: Vec<_> = info
        .listen_addrs
        .iter()
        .filter(|address| farthest.may_name(address) && is_dialled(address))
        .cloned()
        .collect();
    fitting(&told)
}

/// Addresses of a peer in the table; libp2p bounds their number nowhere.
const ENTRY_ADDRESSES_MAX: usize = 2 * CARD_ADDRESSES_MAX;

/// Of a peer that has told of too many addresses over time, leaves those that it tells of now.
/// Below the bound others stay: one that we have dialled may lead where the peer's own do not.
fn forget_others(table: &mut Kademlia, peer: PeerId, told: &[Multiaddr]) {
    let Some(bucket) = table.kbucket(peer) else {
        return;
    };
    let known: Vec<Multiaddr> = bucket
        .iter()
        .filter(|entry| *entry.node.key.preimage() == peer)
        .flat_map(|entry| entry.node.value.iter().cloned().collect::<Vec<_>>())
        .collect();
    if known.len() <= ENTRY_ADDRESSES_MAX {
        return;
    }
    for address in known {
        let bare: Multiaddr = address
            .iter()
            .filter(|part| *part != Protocol::P2p(peer))
            .collect();
        if !told.contains(&address) && !told.contains(&bare) {
            table.remove_address(&peer, &address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Miss;
    use crate::identity::IdentityId;
    use crate::services::fake;

    fn missed(config: Config) -> Miss {
        let (mut core, _) = fake::core(config);
        let seek = Signal::Seek {
            identity: IdentityId([1; 32]),
            by: LookupMethod::Kad,
            given: None,
        };
        Kad::default().on_signal(&mut core, &seek);
        match fake::raised(&mut core)[..] {
            [Signal::NotFound { reason, .. }] => reason,
            _ => panic!("found"),
        }
    }

    #[test]
    fn an_empty_table_has_nobody_to_ask() {
        let mut config = Config::default();
        config.kad.enabled = false;
        assert_eq!(missed(config.clone()), Miss::Off);
        (config.kad.enabled, config.kad.walk) = (true, true);
        assert_eq!(missed(config), Miss::NobodyToAsk);
    }

    #[test]
    fn the_own_record_is_due_once_the_table_is_filled() {
        let mut config = Config::default();
        (config.kad.enabled, config.kad.walk) = (true, true);
        config.kad.publish = true;
        let (mut core, _) = fake::core(config);
        let mut kad = Kad::default();
        assert_eq!(kad.next_time(), None);
        kad.on_table_filled(&mut core);
        let first = kad.next_time().expect("it is due");
        // There is nobody to ask for what is out there: later, then.
        kad.on_timer(&mut core, Instant::now());
        assert!(kad.next_time().is_some_and(|time| time > first));
    }
}
