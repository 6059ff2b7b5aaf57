//! What peers are told of our addresses by identify: no more than is of use where they are.
//!
//! libp2p's behaviour tells everybody the same. So there is one for each [`Scope`], which knows of
//! those addresses alone that a peer that far away may know, and each connection belongs to the one
//! of its own. Owns which is whose; all else is libp2p's.

use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, identify};

use crate::outlet::Outlet;
use crate::scope::Scope;

use super::candidates::Candidates;
use super::hole_punch::SeenByTrusted;

/// How often a peer may say on one connection who it is, in so long; what is more is left out. Some
/// dozen changes may come at once, such as those of protocols at a start.
const HEARD_MAX: u32 = 30;
const HEARD_PERIOD: Duration = Duration::from_mins(1);
/// The counter of what was left out.
const LEFT_OUT: &str = "identify-left-out";

/// One connection.
struct Heard {
    scope: Scope,
    /// Since when it is counted how often the peer has said who it is, and how often that was.
    since: Instant,
    count: u32,
    /// Addresses at which the peer sees us that were passed on.
    candidates: u8,
}

impl Heard {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            since: Instant::now(),
            count: 0,
            candidates: 0,
        }
    }

    /// Whether what the peer says of itself is passed on.
    fn admits(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= HEARD_PERIOD {
            (self.since, self.count) = (now, 0);
        }
        let admits = self.count < HEARD_MAX;
        self.count += u32::from(admits);
        admits
    }
}

/// Identify, by how far away a peer is.
pub struct ScopedIdentify {
    views: [identify::Behaviour; Scope::ALL.len()],
    /// Who has last said in each of them who it is, unless that was left out: what follows there is by
    /// the same peer.
    last: [Option<(PeerId, ConnectionId)>; Scope::ALL.len()],
    of: BTreeMap<ConnectionId, Heard>,
    candidates: Candidates,
    outlet: Outlet,
}

impl ScopedIdentify {
    /// Identify as `config` has it; where friends and known nodes see us is noted in `seen`, and what is
    /// left out is told to `outlet`.
    pub fn new(config: &identify::Config, seen: SeenByTrusted, outlet: Outlet) -> Self {
        Self {
            views: Scope::ALL.map(|_| identify::Behaviour::new(config.clone())),
            last: Scope::ALL.map(|_| None),
            of: BTreeMap::new(),
            candidates: Candidates::new(seen, outlet.clone()),
            outlet,
        }
    }

    /// Takes `peer` for a friend or a known node, or for a stranger: where strangers see us is believed
    /// less.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        self.candidates.trusts(peer, trusted);
    }

    fn view(&mut self, scope: Scope) -> &mut identify::Behaviour {
        &mut self.views[scope as usize]
    }
}

impl NetworkBehaviour for ScopedIdentify {
    type ConnectionHandler = THandler<identify::Behaviour>;
    type ToSwarm = identify::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let scope = Scope::of_peer(remote);
        self.of.insert(connection, Heard::new(scope));
        self.view(scope)
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut known = Vec::new();
        for (view, from) in self.views.iter_mut().zip(Scope::ALL) {
            let told =
                view.handle_pending_outbound_connection(connection, peer, addresses, role)?;
            // Where it is not itself, it leads nobody.
            known.extend(told.into_iter().filter(|address| from.may_name(address)));
        }
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let scope = Scope::of_peer(address);
        self.of.insert(connection, Heard::new(scope));
        self.view(scope)
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let (connection, address, ends) = match &event {
            FromSwarm::ConnectionEstablished(new) => (Some(new.connection_id), None, false),
            FromSwarm::AddressChange(change) => (Some(change.connection_id), None, false),
            FromSwarm::ConnectionClosed(closed) => {
                // Each keeps account of peers, too.
                let last = closed.remaining_established == 0;
                (Some(closed.connection_id).filter(|_| !last), None, true)
            }
            FromSwarm::ListenFailure(failure) => {
                self.of.remove(&failure.connection_id);
                (None, None, false)
            }
            FromSwarm::DialFailure(failure) => {
                self.of.remove(&failure.connection_id);
                (None, None, false)
            }
            FromSwarm::NewListenAddr(new) => (None, Some(new.addr), false),
            FromSwarm::ExpiredListenAddr(old) => (None, Some(old.addr), false),
            FromSwarm::ExternalAddrConfirmed(new) => (None, Some(new.addr), false),
            FromSwarm::ExternalAddrExpired(old) => (None, Some(old.addr), false),
            // What belongs to no connection and tells no address is for all.
            _ => (None, None, false),
        };
        let scope = connection
            .and_then(|id| self.of.get(&id))
            .map(|of| of.scope);
        for (view, of) in self.views.iter_mut().zip(Scope::ALL) {
            let known = address.is_none_or(|address| of.may_know(address));
            if known && scope.is_none_or(|scope| scope == of) {
                view.on_swarm_event(event);
            }
        }
        if let (FromSwarm::ConnectionClosed(closed), true) = (&event, ends) {
            self.of.remove(&closed.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Some(scope) = self.of.get(&connection).map(|of| of.scope) {
            self.view(scope)
                .on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<identify::Event, THandlerInEvent<Self>>> {
        for scope in Scope::ALL {
            while let Poll::Ready(action) = self.view(scope).poll(cx) {
                if self.passes_on(scope, &action) {
                    return Poll::Ready(action);
                }
            }
        }
        Poll::Pending
    }
}

impl ScopedIdentify {
    /// Whether what the view of `scope` does or tells is passed on.
    fn passes_on(
        &mut self,
        scope: Scope,
        action: &ToSwarm<identify::Event, THandlerInEvent<Self>>,
    ) -> bool {
        let last = &mut self.last[scope as usize];
        match action {
            ToSwarm::GenerateEvent(identify::Event::Received {
                connection_id,
                peer_id,
                ..
            }) => {
                let heard = self.of.get_mut(connection_id);
                let admits = heard.is_none_or(|heard| heard.admits(Instant::now()));
                *last = admits.then_some((*peer_id, *connection_id));
                self.outlet.add(LEFT_OUT, u64::from(!admits));
                admits
            }
            ToSwarm::NewExternalAddrCandidate(address) => {
                let Some((peer, connection)) = last else {
                    return false;
                };
                let Some(heard) = self.of.get_mut(connection) else {
                    return false;
                };
                self.candidates
                    .admits(peer, &mut heard.candidates, address, Instant::now())
            }
            ToSwarm::NewExternalAddrOfPeer { .. } => last.is_some(),
            // Nothing else is by the peer.
            _ => true,
        }
    }
}
