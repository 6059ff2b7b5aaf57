//! How many connections there may be, and which stranger's ends when a newcomer finds no place.
//!
//! Owns the places of connections that others dialled. Friends and known nodes need none. Of
//! strangers the least useful one of the most crowded place or network goes; what they are good for
//! is told by services. Connections that we dial, and those with one peer, are counted by
//! libp2p's own behaviour.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};

use super::crowd::{Guest, gives_way};
use super::origin::Origin;
use crate::api::Event;
use crate::counters::Outlet;
use crate::forward::forward_to;
use crate::identity::is_anybodys;

/// The bound that is told when a connection ends for another; no more often than this.
const LIMIT: &str = "connections";
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// The counter of connections that ended for another.
const GAVE_WAY: &str = "connections-gave-way";
/// Peers that are noted as being of use until that is asked for; more are left out.
const NOTED_MAX: usize = 4096;

/// All places of connections that others dialled are taken, and none can be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all places of connections that others dialled are taken")]
pub struct NoPlace;

/// The peer is named by a key for which anybody can sign: it is nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("anybody can speak for this peer: its key is of small order")]
pub struct Anybodys;

fn deny_anybodys(peer: &PeerId) -> Result<(), ConnectionDenied> {
    if is_anybodys(peer) {
        return Err(ConnectionDenied::new(Anybodys));
    }
    Ok(())
}

/// What a stranger is good for. The least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Nothing that we know.
    None,
    /// It has proved an identity.
    Proved,
    /// It has been served: it reads our feed, or has a place on our relay.
    Served,
}

/// Peers that have been served lately, noted where that happens.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<Mutex<BTreeSet<PeerId>>>);

impl Served {
    /// Notes that `peer` has been served.
    pub fn note(&self, peer: PeerId) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < NOTED_MAX {
            noted.insert(peer);
        }
    }

    fn take(&self) -> BTreeSet<PeerId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Incoming {
    peer: PeerId,
    origin: Origin,
    good_for: Use,
    used: u64,
}

/// Bounds the number of connections.
pub struct Limits {
    counts: connection_limits::Behaviour,
    places: usize,
    /// Peers that need no place.
    exempt: BTreeSet<PeerId>,
    incoming: BTreeMap<ConnectionId, Incoming>,
    /// The same by peer, none of them without any.
    of_peer: BTreeMap<PeerId, BTreeSet<ConnectionId>>,
    /// Those of them that take a place.
    strangers: usize,
    ending: VecDeque<(PeerId, ConnectionId)>,
    /// Grows with each use of a connection.
    clock: u64,
    served: Served,
    told: Option<Instant>,
    outlet: Outlet,
}

impl Limits {
    /// `places` for strangers who dial us, and whatever else `counts` bounds.
    pub fn new(counts: ConnectionLimits, places: u32, served: Served, outlet: Outlet) -> Self {
        Self {
            counts: connection_limits::Behaviour::new(counts),
            places: places as usize,
            exempt: BTreeSet::new(),
            incoming: BTreeMap::new(),
            of_peer: BTreeMap::new(),
            strangers: 0,
            ending: VecDeque::new(),
            clock: 0,
            served,
            told: None,
            outlet,
        }
    }

    /// Lets `peer` in beyond all limits from now on.
    pub fn bypass_peer_id(&mut self, peer: &PeerId) {
        self.counts.bypass_peer_id(peer);
        if self.exempt.insert(*peer) {
            self.strangers -= self.count_of(peer);
        }
    }

    /// Takes `peer` for a stranger again.
    pub fn remove_peer_id(&mut self, peer: &PeerId) {
        self.counts.remove_peer_id(peer);
        if self.exempt.remove(peer) {
            self.strangers += self.count_of(peer);
        }
    }

    /// `peer` has been of use.
    pub fn is_good_for(&mut self, peer: &PeerId, good_for: Use) {
        self.clock += 1;
        for id in self.of_peer.get(peer).into_iter().flatten() {
            if let Some(incoming) = self.incoming.get_mut(id) {
                incoming.good_for = incoming.good_for.max(good_for);
                incoming.used = self.clock;
            }
        }
    }

    fn count_of(&self, peer: &PeerId) -> usize {
        self.of_peer.get(peer).map_or(0, BTreeSet::len)
    }

    /// Has one of the strangers' connections end, if there is any.
    fn make_room(&mut self) -> Result<(), NoPlace> {
        for peer in self.served.take() {
            self.is_good_for(&peer, Use::Served);
        }
        let guests: Vec<_> = self
            .incoming
            .iter()
            .filter(|(_, incoming)| !self.exempt.contains(&incoming.peer))
            .map(|(id, incoming)| Guest {
                key: *id,
                origin: &incoming.origin,
                rank: incoming.good_for as u8,
                used: incoming.used,
            })
            .collect();
        let gone = gives_way(&guests).ok_or(NoPlace)?;
        if let Some(incoming) = self.forget(gone) {
            self.ending.push_back((incoming.peer, gone));
        }
        self.outlet.add(GAVE_WAY, 1);
        let now = Instant::now();
        let lately = |told: Instant| now.duration_since(told) < TOLD_EVERY;
        if !self.told.is_some_and(lately) {
            self.told = Some(now);
            self.outlet.emit(&Event::LimitReached {
                limit: LIMIT.to_owned(),
            });
        }
        Ok(())
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Incoming> {
        let incoming = self.incoming.remove(&id)?;
        if let Some(others) = self.of_peer.get_mut(&incoming.peer) {
            others.remove(&id);
            if others.is_empty() {
                self.of_peer.remove(&incoming.peer);
            }
        }
        if !self.exempt.contains(&incoming.peer) {
            self.strangers -= 1;
        }
        Some(incoming)
    }

    fn arrived(&mut self, event: &ConnectionEstablished<'_>) {
        let ConnectedPoint::Listener {
            local_addr,
            send_back_addr,
        } = event.endpoint
        else {
            return;
        };
        self.clock += 1;
        let incoming = Incoming {
            peer: event.peer_id,
            origin: Origin::new(local_addr, send_back_addr),
            good_for: Use::None,
            used: self.clock,
        };
        self.incoming.insert(event.connection_id, incoming);
        let of_peer = self.of_peer.entry(event.peer_id).or_default();
        of_peer.insert(event.connection_id);
        if !self.exempt.contains(&event.peer_id) {
            self.strangers += 1;
        }
    }
}

impl NetworkBehaviour for Limits {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    forward_to!(counts: pending);

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        deny_anybodys(&peer)?;
        let handler = self
            .counts
            .handle_established_inbound_connection(connection, peer, local, remote)?;
        if self.strangers >= self.places && !self.exempt.contains(&peer) {
            self.make_room().map_err(ConnectionDenied::new)?;
        }
        Ok(handler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        deny_anybodys(&peer)?;
        self.counts
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(established) => self.arrived(established),
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.forget(*connection_id);
            }
            _ => {}
        }
        self.counts.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    /// Connections end while another one is let in, and the swarm polls after that.
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        let Some((peer_id, connection)) = self.ending.pop_front() else {
            return Poll::Pending;
        };
        Poll::Ready(ToSwarm::CloseConnection {
            peer_id,
            connection: CloseConnection::One(connection),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Observer;

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _: &Event) {}
    }

    struct World {
        limits: Limits,
        next: usize,
    }

    impl World {
        fn new(places: u32, served: Served) -> Self {
            let outlet = Outlet::new(PeerId::random(), Arc::new(Deaf));
            let limits = Limits::new(ConnectionLimits::default(), places, served, outlet);
            Self { limits, next: 1 }
        }

        /// A connection of `peer` from `ip` comes up, if it may; whose ends for it.
        fn come(&mut self, peer: PeerId, ip: &str) -> Result<Option<PeerId>, ()> {
            let id = ConnectionId::new_unchecked(self.next);
            self.next += 1;
            let here: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().expect("a multiaddr");
            let there: Multiaddr = format!("/ip4/{ip}/tcp/1").parse().expect("a multiaddr");
            self.limits
                .handle_established_inbound_connection(id, peer, &here, &there)
                .map_err(|_| ())?;
            let endpoint = ConnectedPoint::Listener {
                local_addr: here,
                send_back_addr: there,
            };
            let established = ConnectionEstablished {
                peer_id: peer,
                connection_id: id,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            };
            let event = FromSwarm::ConnectionEstablished(established);
            self.limits.on_swarm_event(event);
            let cx = &mut Context::from_waker(std::task::Waker::noop());
            Ok(match self.limits.poll(cx) {
                Poll::Ready(ToSwarm::CloseConnection { peer_id, .. }) => Some(peer_id),
                _ => None,
            })
        }
    }

    #[test]
    fn the_least_useful_stranger_gives_way() {
        let served = Served::default();
        let mut world = World::new(3, served.clone());
        let [reader, proved, idle, newcomer] = [(); 4].map(|()| PeerId::random());
        assert_eq!(world.come(idle, "1.1.1.1"), Ok(None));
        assert_eq!(world.come(reader, "2.2.2.2"), Ok(None));
        assert_eq!(world.come(proved, "3.3.3.3"), Ok(None));
        world.limits.is_good_for(&proved, Use::Proved);
        served.note(reader);
        assert_eq!(world.come(newcomer, "4.4.4.4"), Ok(Some(idle)));
        world.limits.is_good_for(&newcomer, Use::Served);
        assert_eq!(world.come(idle, "1.1.1.1"), Ok(Some(proved)));
        assert_eq!(world.limits.strangers, 3);
    }

    #[test]
    fn friends_need_no_place_and_never_give_way() {
        let mut world = World::new(1, Served::default());
        let [friend, stranger, other] = [(); 3].map(|()| PeerId::random());
        assert_eq!(world.come(friend, "1.1.1.1"), Ok(None));
        world.limits.bypass_peer_id(&friend);
        assert_eq!(world.come(stranger, "1.1.1.1"), Ok(None));
        assert_eq!(world.come(friend, "1.1.1.1"), Ok(None));
        assert_eq!(world.come(other, "2.2.2.2"), Ok(Some(stranger)));
        world.limits.remove_peer_id(&friend);
        assert_eq!(world.limits.strangers, 3);
    }

    #[test]
    fn a_peer_of_small_order_is_nobody() {
        let mut world = World::new(3, Served::default());
        for peer in crate::identity::tests::anybodys() {
            world.limits.bypass_peer_id(&peer);
            assert_eq!(world.come(peer, "1.1.1.1"), Err(()));
            let address = "/ip4/1.1.1.1/tcp/1".parse().expect("a multiaddr");
            let dialled = world.limits.handle_established_outbound_connection(
                ConnectionId::new_unchecked(99),
                peer,
                &address,
                Endpoint::Dialer,
                PortUse::New,
            );
            assert!(dialled.is_err());
        }
    }

    #[test]
    fn without_places_strangers_are_denied() {
        let mut world = World::new(0, Served::default());
        assert_eq!(world.come(PeerId::random(), "1.1.1.1"), Err(()));
    }
}
