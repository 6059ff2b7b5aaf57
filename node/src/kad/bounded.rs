//! Kademlia whose lookups hold few connections, and end in time.
//!
//! Owns the count of connections that Kademlia has dialled, and closes the longest
//! unused when there are too many. A table's entries keep no connection: every lookup
//! dials whom it asks, and without a bound a node that looks up often enough would be
//! connected with everybody. Connections that others dialled are theirs to close, and
//! one that turned out to be of use to more than lookups is released.
//!
//! It also has libp2p look at the times of its queries, those that refresh the table among
//! them, which libp2p does only when something else happens. Without that, one peer that
//! cannot be dialled and does not refuse either would hold up a query for as long as nothing
//! else happens.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::kad;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::Kademlia;

/// A connection used within this time may be waiting for an answer, and stays.
const UNUSED: Duration = Duration::from_secs(5);

/// While a query is under way, its time is looked at this often.
const WATCH: Duration = Duration::from_secs(1);

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
    alarm: Option<Delay>,
    /// When to look at the times of queries, while there are any.
    watch: Option<Delay>,
}

impl Bounded {
    /// `inner`, with at most `max` connections for longer than [`UNUSED`].
    pub fn new(inner: Kademlia, max: usize) -> Self {
        Self {
            inner,
            max,
            dialling: BTreeSet::new(),
            dialled: BTreeMap::new(),
            alarm: None,
            watch: None,
        }
    }

    /// Kademlia itself.
    pub fn table(&mut self) -> &mut Kademlia {
        &mut self.inner
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

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner
            .handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
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
            }
            FromSwarm::DialFailure(failed) => {
                self.dialling.remove(&failed.connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Some(dialled) = self.dialled.get_mut(&id) {
            dialled.used = Instant::now();
        }
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
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
            _ => {}
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use libp2p::Transport;
    use libp2p::core::transport::{ListenerId, MemoryTransport};
    use libp2p::core::upgrade::Version;
    use libp2p::identity::Keypair;
    use libp2p::kad::QueryResult;
    use libp2p::swarm::{self, Swarm, SwarmEvent};
    use libp2p::{noise, yamux};

    use super::*;
    use crate::config::Kad;

    /// Longer than the test should take.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_query_ends_in_time_though_nothing_else_happens() {
        // Whoever dials it waits for ever: nobody takes its connections.
        let silent: Multiaddr = "/memory/700000001".parse().expect("an address");
        let mut deaf = MemoryTransport::default();
        deaf.listen_on(ListenerId::next(), silent.clone())
            .expect("the address is free");
        let keys = Keypair::generate_ed25519();
        let us = keys.public().to_peer_id();
        let config = Kad {
            query_timeout: "10ms".parse().expect("a time"),
            ..Kad::default()
        };
        let kad = super::super::build(&config, us).expect("it is sound");
        let transport = MemoryTransport::default()
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&keys).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        let mut swarm = Swarm::new(transport, kad, us, swarm::Config::with_tokio_executor());
        let table = swarm.behaviour_mut().table();
        table.add_address(&PeerId::random(), silent);
        // As libp2p refreshes the table by itself.
        table.bootstrap().expect("somebody is known");
        let timed_out = async {
            loop {
                if let SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                    result: QueryResult::Bootstrap(result),
                    ..
                }) = swarm.select_next_some().await
                {
                    return result.is_err();
                }
            }
        };
        let timed_out = tokio::time::timeout(PATIENCE, timed_out).await;
        assert_eq!(timed_out, Ok(true));
    }
}
