//! Kademlia whose lookups hold few connections, and end in time.
//!
//! Owns the count of connections that Kademlia has dialled, and closes the longest
//! unused when there are too many. A table's entries keep no connection: every lookup
//! dials whom it asks, and without a bound a node that looks up often enough would be
//! connected with everybody. Connections that others dialled are theirs to close, and
//! one that turned out to be of use to more than lookups is released.
//!
//! It also keeps addresses from being told that others must not know. Whoever asks is told what is in
//! the table, and libp2p enters where it has dialled somebody, be that on a local network; where
//! providers and those are whose records are kept; and of the node itself, where it listens and is
//! reached. As long as a peer is
//! connected from farther away than an address reaches, Kademlia does not know of the address.
//!
//! Nor does it dial where whoever named a peer could not: of what an answer names, only addresses count that
//! are no nearer than the peer who answers, and a few of each peer.
//!
//! And it has libp2p look at the times of its queries, those that refresh the table among
//! them, which libp2p does only when something else happens. Without that, one peer that
//! cannot be dialled and does not refuse either would hold up a query for as long as nothing
//! else happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::core::ConnectedPoint;
use libp2p::kad::{self, ProviderRecord, Record};
use libp2p::swarm::{
    CloseConnection, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::Kademlia;
use super::address_record::RecordError;
use super::keep::{Bounds, Kept, Records};
use super::own_addresses::OwnAddresses;
use super::providers::{Noted, Providers};
use super::requests::{Requests, Verdict};
use crate::api::Event;
use crate::card::CARD_ADDRESSES_MAX;
use crate::entry::Site;
use crate::forward::forward_to;
use crate::identity::IdentityId;
use crate::outlet::Outlet;
use crate::scope::Scope;
use crate::shape::is_dialled;

/// A connection used within this time may be waiting for an answer, and stays.
const UNUSED: Duration = Duration::from_secs(5);

/// While a query is under way, its time is looked at this often.
const WATCH: Duration = Duration::from_secs(1);

/// Addresses of one peer that one answer may name: what a node tells of itself.
const NAMED_MAX: usize = CARD_ADDRESSES_MAX;

/// What a peer asks of Kademlia, and says to a question of its.
type Said = THandlerOutEvent<Kademlia>;
/// What Kademlia has a connection do.
type Tells = THandlerInEvent<Kademlia>;

/// Whether that is a request.
fn is_request(said: &Said) -> bool {
    match said {
        Said::FindNodeReq { .. }
        | Said::GetProvidersReq { .. }
        | Said::AddProvider { .. }
        | Said::GetRecord { .. }
        | Said::PutRecord { .. } => true,
        Said::ProtocolConfirmed { .. }
        | Said::ProtocolNotSupported { .. }
        | Said::FindNodeRes { .. }
        | Said::GetProvidersRes { .. }
        | Said::QueryError { .. }
        | Said::GetRecordRes { .. }
        | Said::PutRecordRes { .. } => false,
    }
}

/// Leaves of what a peer names to be dialled, from how far away it is, a few addresses of each other peer,
/// none nearer than that.
fn keep_fitting(said: &mut Said, from: Scope) {
    let (closer, providers) = match said {
        Said::FindNodeRes { closer_peers, .. } | Said::GetRecordRes { closer_peers, .. } => {
            (closer_peers, None)
        }
        Said::GetProvidersRes {
            closer_peers,
            provider_peers,
            ..
        } => (closer_peers, Some(provider_peers)),
        // Nothing else names anybody who is dialled for it.
        _ => return,
    };
    for named in closer.iter_mut().chain(providers.into_iter().flatten()) {
        named
            .multiaddrs
            .retain(|address| from.may_name(address) && is_dialled(address));
        named.multiaddrs.truncate(NAMED_MAX);
    }
}

/// The bound that is told when a peer asks too often.
const LIMIT: &str = "kad-requests";
/// The counter of records that were left out because others at their sender's site have asked too much.
const LEFT_OUT: &str = "kad-requests-left-out";

/// A connection that Kademlia has dialled.
#[derive(Debug, Clone, Copy)]
struct Dialled {
    peer: PeerId,
    used: Instant,
}

/// Kademlia, and the connections that it has dialled.
pub struct Bounded {
    inner: Kademlia,
    max: usize,
    dialling: BTreeSet<ConnectionId>,
    dialled: BTreeMap<ConnectionId, Dialled>,
    /// From how far away peers are connected.
    scopes: BTreeMap<ConnectionId, Scope>,
    /// Our own addresses, and which of them Kademlia knows.
    own: OwnAddresses,
    /// Where peers are.
    sites: BTreeMap<ConnectionId, (PeerId, Site)>,
    /// What others offer.
    providers: Providers,
    /// Where others are.
    records: Records,
    /// How often peers ask.
    requests: Requests,
    /// Connections that end because of that, and what is to be done.
    closing: BTreeSet<ConnectionId>,
    to_do: VecDeque<ToSwarm<kad::Event, Tells>>,
    outlet: Outlet,
    alarm: Option<Delay>,
    /// When to look at the times of queries, while there are any.
    watch: Option<Delay>,
}

impl Bounded {
    /// `inner`, with at most `max` connections for longer than [`UNUSED`]; it notes `providers`. Who asks
    /// too often is told to `outlet`.
    pub fn new(inner: Kademlia, max: usize, providers: Providers, outlet: Outlet) -> Self {
        Self {
            inner,
            max,
            dialling: BTreeSet::new(),
            dialled: BTreeMap::new(),
            scopes: BTreeMap::new(),
            own: OwnAddresses::default(),
            sites: BTreeMap::new(),
            providers,
            records: Records::default(),
            requests: Requests::default(),
            closing: BTreeSet::new(),
            to_do: VecDeque::new(),
            outlet,
            alarm: None,
            watch: None,
        }
    }

    /// Kademlia itself.
    pub fn table(&mut self) -> &mut Kademlia {
        &mut self.inner
    }

    /// Notes who offers a service, where everybody here may know that they are. What libp2p has checked:
    /// that the provider itself says so.
    ///
    /// # Errors
    /// The reason in kebab-case; nothing is noted then.
    pub fn keep_provider(&mut self, mut record: ProviderRecord) -> Result<Noted, &'static str> {
        let farthest = self.farthest();
        record
            .addresses
            .retain(|address| farthest.may_know(address));
        let mut sites = self.sites.values();
        let known = sites.find(|(peer, _)| *peer == record.provider);
        // All whose connection has just ended are taken to be at one site.
        let site = known.map_or_else(|| Site::Other(Multiaddr::empty()), |(_, site)| site.clone());
        self.providers.keep(self.inner.store_mut(), record, site)
    }

    /// Keeps a record of another than `us`, an identity and its peer, where everybody here may know what
    /// it says.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is kept then.
    pub fn keep_record(
        &mut self,
        us: (IdentityId, PeerId),
        record: Record,
        now_ms: u64,
        bounds: Bounds,
    ) -> Result<Kept, RecordError> {
        let farthest = self.farthest();
        let store = self.inner.store_mut();
        self.records
            .keep(store, us, record, farthest, now_ms, bounds)
    }

    /// Takes `peer` for a friend or a known node, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        self.requests.trusts(peer, trusted);
    }

    /// Counts what `peer` asks over a connection; whether it is worked off. Who asks too often loses the
    /// connection.
    fn admits_request(&mut self, peer: PeerId, id: ConnectionId, asked: &Said) -> bool {
        if self.closing.contains(&id) {
            return false;
        }
        let site = self.sites.get(&id).map(|(_, site)| site);
        match (self.requests.admits(peer, site, Instant::now()), asked) {
            (Verdict::LeftOut, Said::PutRecord { request_id, .. }) => {
                self.outlet.add(LEFT_OUT, 1);
                self.to_do.push_back(ToSwarm::NotifyHandler {
                    peer_id: peer,
                    handler: NotifyHandler::One(id),
                    event: Tells::Reset(*request_id),
                });
                false
            }
            (Verdict::LeftOut, Said::AddProvider { .. }) => {
                self.outlet.add(LEFT_OUT, 1);
                false
            }
            // What costs no signature is always answered; a substream without an answer would stay open.
            (Verdict::Admitted | Verdict::LeftOut, _) => true,
            (Verdict::TooMany, _) => {
                self.closing.insert(id);
                self.to_do.push_back(ToSwarm::CloseConnection {
                    peer_id: peer,
                    connection: CloseConnection::One(id),
                });
                self.outlet.emit(&Event::LimitReached {
                    limit: LIMIT.to_owned(),
                });
                false
            }
        }
    }

    /// How far away the farthest of all peers is.
    fn farthest(&self) -> Scope {
        let scopes = self.scopes.values();
        scopes.copied().max().unwrap_or(Scope::Machine)
    }

    /// Takes addresses out of the table that the farthest of all peers must not know: of one peer, or
    /// of all.
    fn confine(&mut self, of: Option<PeerId>) {
        let farthest = self.farthest();
        let mut told = Vec::new();
        for bucket in self.inner.kbuckets() {
            for entry in bucket.iter() {
                let peer = *entry.node.key.preimage();
                let known = entry.node.value.iter();
                let secret = known.filter(|address| !farthest.may_know(address));
                if of.is_none_or(|of| of == peer) {
                    told.extend(secret.map(|address| (peer, address.clone())));
                }
            }
        }
        for (peer, address) in told {
            self.inner.remove_address(&peer, &address);
        }
    }

    /// A connection has come up; one from farther away than all others may not be told all.
    fn connected(&mut self, id: ConnectionId, endpoint: &ConnectedPoint) {
        let scope = Scope::of_peer(endpoint.get_remote_address());
        let is_farther = scope > self.farthest();
        self.scopes.insert(id, scope);
        if is_farther {
            self.confine(None);
            self.providers.confine(self.inner.store_mut(), scope);
            self.records.confine(self.inner.store_mut(), scope);
        }
        // Not when one goes: nobody has to be told more because of that.
        let farthest = self.farthest();
        for change in self.own.confine(farthest) {
            self.inner.on_swarm_event(change.event());
        }
    }

    /// Connections with `peer` are of use to more than lookups from now on.
    pub fn release(&mut self, peer: &PeerId) {
        self.dialled.retain(|_, dialled| dialled.peer != *peer);
    }

    fn use_of(&mut self, peer: &PeerId) {
        let now = Instant::now();
        for dialled in self.dialled.values_mut() {
            if dialled.peer == *peer {
                dialled.used = now;
            }
        }
    }

    /// Whether it is time to look at the times of queries, if there are any.
    fn watches(&mut self, cx: &mut Context<'_>) -> bool {
        if self.inner.iter_queries().next().is_none() {
            self.watch = None;
            return false;
        }
        let watch = self.watch.get_or_insert_with(|| Delay::new(WATCH));
        if watch.poll_unpin(cx).is_pending() {
            return false;
        }
        self.watch = None;
        true
    }

    /// The connection to be closed now, if there is one; sets the alarm if there will be.
    fn surplus(&mut self, cx: &mut Context<'_>) -> Option<(ConnectionId, PeerId)> {
        loop {
            if self.dialled.len() <= self.max {
                self.alarm = None;
                return None;
            }
            let (id, first) = self
                .dialled
                .iter()
                .min_by_key(|(_, dialled)| dialled.used)
                .map(|(id, dialled)| (*id, *dialled))?;
            let left = UNUSED.saturating_sub(first.used.elapsed());
            if left.is_zero() {
                self.dialled.remove(&id);
                return Some((id, first.peer));
            }
            let alarm = self.alarm.get_or_insert_with(|| Delay::new(left));
            if alarm.poll_unpin(cx).is_pending() {
                return None;
            }
            self.alarm = None;
        }
    }
}

impl NetworkBehaviour for Bounded {
    type ConnectionHandler = <Kademlia as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = kad::Event;

    forward_to!(inner: pending, established);

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionEstablished(up) = &event {
            self.connected(up.connection_id, up.endpoint);
            let site = Site::of(up.endpoint);
            self.sites.insert(up.connection_id, (up.peer_id, site));
        }
        match &event {
            FromSwarm::ConnectionEstablished(up) if self.dialling.remove(&up.connection_id) => {
                let dialled = Dialled {
                    peer: up.peer_id,
                    used: Instant::now(),
                };
                self.dialled.insert(up.connection_id, dialled);
            }
            FromSwarm::ConnectionClosed(down) => {
                self.dialled.remove(&down.connection_id);
                self.scopes.remove(&down.connection_id);
                self.sites.remove(&down.connection_id);
                self.closing.remove(&down.connection_id);
            }
            FromSwarm::DialFailure(failed) => {
                self.dialling.remove(&failed.connection_id);
            }
            _ => {}
        }
        if self.own.lets_know(&event) {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        mut event: THandlerOutEvent<Self>,
    ) {
        if is_request(&event) && !self.admits_request(peer, id, &event) {
            return;
        }
        let from = self.scopes.get(&id).copied();
        keep_fitting(&mut event, from.unwrap_or(Scope::World));
        if let Some(dialled) = self.dialled.get_mut(&id) {
            dialled.used = Instant::now();
        }
        self.inner.on_connection_handler_event(peer, id, event);
        // libp2p may have entered where it has dialled the peer.
        if from.is_some_and(|from| from < self.farthest()) {
            self.confine(Some(peer));
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(action) = self.to_do.pop_front() {
            return Poll::Ready(action);
        }
        if let Some((connection, peer_id)) = self.surplus(cx) {
            return Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(connection),
            });
        }
        let mut next = self.inner.poll(cx);
        while next.is_pending() && self.watches(cx) {
            next = self.inner.poll(cx);
        }
        match &next {
            Poll::Ready(ToSwarm::Dial { opts }) => {
                self.dialling.insert(opts.connection_id());
            }
            Poll::Ready(ToSwarm::NotifyHandler { peer_id, .. }) => self.use_of(peer_id),
            // Who has waited for a place in a bucket enters it without a connection's doing.
            Poll::Ready(ToSwarm::GenerateEvent(kad::Event::RoutingUpdated {
                peer,
                addresses,
                ..
            })) if !addresses
                .iter()
                .all(|address| self.farthest().may_know(address)) =>
            {
                self.confine(Some(*peer));
            }
            _ => {}
        }
        next
    }
}

#[cfg(test)]
mod tests;
