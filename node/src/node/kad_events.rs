//! What Kademlia tells the node's loop, and what others ask of its store.
//!
//! Owns who enters the table besides those whom lookups have dialled, and the answer
//! to records that others send. What own queries bring is in `queries.rs`.

use libp2p::kad::{self, InboundRequest, QueryResult, RoutingUpdate};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::Event;
use crate::card::{CARD_ADDRESSES_MAX, fitting};
use crate::kad::{Bounds, Kademlia, Kept, keep};
use crate::scope::Scope;
use crate::wall_clock::wall_clock_ms;

use super::driver::Driver;

impl Driver {
    /// Kademlia, if it is on.
    pub(super) fn table(&mut self) -> Option<&mut Kademlia> {
        let kad = self.swarm.behaviour_mut().kad.as_mut();
        kad.map(|kad| kad.table())
    }

    /// Connections with `peer` are no longer Kademlia's to close.
    pub(super) fn keep_from_kad(&mut self, peer: &PeerId) {
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            kad.release(peer);
        }
    }

    /// Acts on one event of Kademlia.
    pub(super) fn kad_event(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request } => self.kad_request(request),
            kad::Event::OutboundQueryProgressed {
                result: QueryResult::Bootstrap(result),
                step,
                ..
            } => {
                if let Err(error) = &result {
                    tracing::info!(%error, "the table was not refreshed in time");
                }
                if step.last {
                    self.table_is_filled();
                }
            }
            kad::Event::OutboundQueryProgressed {
                id,
                result,
                stats,
                step,
            } => self.query_progressed(id, result, &stats, step.last),
            kad::Event::ModeChanged { new_mode } => {
                tracing::info!(%new_mode, "the mode in the Kademlia table has changed");
            }
            kad::Event::RoutingUpdated { .. }
            | kad::Event::UnroutablePeer { .. }
            | kad::Event::RoutablePeer { .. }
            | kad::Event::PendingRoutablePeer { .. } => {}
        }
    }

    /// Somebody wants something kept.
    fn kad_request(&mut self, request: InboundRequest) {
        match request {
            InboundRequest::PutRecord {
                source,
                record: Some(record),
                ..
            } => {
                let us = (self.context.keys.identity(), self.context.keys.peer());
                let bounds = Bounds::from(&self.context.config.kad);
                let Some(table) = self.table() else { return };
                match keep(table.store_mut(), us, record, wall_clock_ms(), bounds) {
                    Ok(Kept::New | Kept::Newer) => self.context.outlet.add("records-kept", 1),
                    Ok(Kept::Same) => {}
                    Err(error) => {
                        tracing::debug!(%source, %error, "a record is not kept");
                        self.refused_by_kad(&source, error.name());
                    }
                }
            }
            InboundRequest::AddProvider {
                record: Some(record),
            } => {
                let source = record.provider;
                let kad = self.swarm.behaviour_mut().kad.as_mut();
                let Some(kad) = kad else { return };
                if let Err(reason) = kad.keep_provider(record) {
                    self.refused_by_kad(&source, reason);
                }
            }
            _ => {}
        }
    }

    /// Tells that something of Kademlia was not taken.
    pub(super) fn refused_by_kad(&self, peer: &PeerId, reason: &str) {
        self.emit(&Event::Refused {
            peer: peer.to_string(),
            protocol: self.context.config.kad.protocol.clone(),
            reason: reason.to_owned(),
        });
    }

    /// A peer has told who it is. If it serves our table, it is entered: libp2p enters
    /// only those whom this node has dialled.
    pub(super) fn peer_told(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        info: &identify::Info,
    ) {
        if !self.context.config.kad.walk {
            return;
        }
        if self.links.scope_of(connection).is_none() {
            return;
        }
        let addresses = reachable(self.links.farthest(), info);
        let Some(table) = self.table() else { return };
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
}

/// Addresses of a peer that others can be told of, the farthest of whom is so far away. A private one is
/// of use to those alone who are in its network, and one that comes from elsewhere leads to somebody
/// else.
fn reachable(farthest: Scope, info: &identify::Info) -> Vec<Multiaddr> {
    let told: Vec<_> = info
        .listen_addrs
        .iter()
        .filter(|address| farthest.may_know(address))
        .cloned()
        .collect();
    fitting(&told)
}

/// Whether an address leads to the machine that uses it.
pub(super) fn is_loopback(address: &Multiaddr) -> bool {
    Scope::of(address) == Scope::Machine
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
