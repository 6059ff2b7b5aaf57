//! How many connections there may be, and which stranger's ends when a newcomer finds no place.
//!
//! Owns the places of connections, of those that others dialled and of those that we dialled, and the
//! count of dials under way. Friends and known nodes need no place. Of strangers the least useful one of
//! the most crowded place or network goes; what they are good for is told by services. Whom the node
//! itself has dialled goes last: behaviours dial whom others have chosen. What is held of a peer ends
//! with its last connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::PeerId;
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
use crate::config::Connections;
use crate::identity::is_anybodys;
use crate::outlet::Outlet;

/// The bound that is told when a connection ends for another; no more often than this.
const LIMIT: &str = "connections";
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// The counter of connections that ended for another.
const GAVE_WAY: &str = "connections-gave-way";
/// Peers that are noted as being of use until that is asked for; more are left out.
const NOTED_MAX: usize = 4096;
/// A friend or known node has so many times the connections of a stranger; then its oldest one ends.
const OF_FRIEND: usize = 4;
/// Dials of one peer that may be under way, whoever it is.
const DIALS_OF_PEER_MAX: usize = 8;

/// A bound is reached, and nothing can be given up for a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// For one more that others dialled.
    #[error("all places of connections that others dialled are taken")]
    Incoming,
    /// For one more that we dialled.
    #[error("all places of connections that this node dialled are taken")]
    Outgoing,
    /// For one more of this peer.
    #[error("there are as many connections with the peer as there may be")]
    OfPeer,
    /// For one more dial.
    #[error("as many dials are under way as there may be")]
    Dials,
}

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
    /// It serves us: we have a place on its relay.
    Serves,
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

/// Who dialled a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// A connection that is up.
struct Link {
    peer: PeerId,
    direction: Direction,
    origin: Origin,
    /// Whether the node itself has dialled it, for an end of its own.
    wanted: bool,
    good_for: Use,
    used: u64,
}

/// A dial under way.
struct Dial {
    peer: Option<PeerId>,
    /// Whether it takes one of the places of all dials.
    counts: bool,
}

/// Bounds the number of connections.
pub struct Limits {
    /// Places for strangers, by [`Direction`].
    places: [usize; 2],
    /// Connections of one stranger.
    per_peer: usize,
    /// Dials of strangers under way.
    dials: usize,
    /// Peers that need no place.
    exempt: BTreeSet<PeerId>,
    up: BTreeMap<ConnectionId, Link>,
    /// The same by peer, none of them without any.
    of_peer: BTreeMap<PeerId, BTreeSet<ConnectionId>>,
    /// Those of them that take a place, by [`Direction`].
    strangers: [usize; 2],
    dialling: BTreeMap<ConnectionId, Dial>,
    /// Dials of the node's own that have not ended.
    wanted: BTreeSet<ConnectionId>,
    ending: VecDeque<(PeerId, ConnectionId)>,
    /// Grows with each use of a connection.
    clock: u64,
    served: Served,
    told: Option<Instant>,
    outlet: Outlet,
}

impl Limits {
    /// As many as `settings` have it.
    pub fn new(settings: &Connections, served: Served, outlet: Outlet) -> Self {
        let places = [
            settings.max_established_incoming,
            settings.max_established_outgoing,
        ];
        Self {
            places: places.map(|places| places as usize),
            per_peer: settings.max_per_peer as usize,
            dials: settings.max_pending_outgoing as usize,
            exempt: BTreeSet::new(),
            up: BTreeMap::new(),
            of_peer: BTreeMap::new(),
            strangers: [0; 2],
            dialling: BTreeMap::new(),
            wanted: BTreeSet::new(),
            ending: VecDeque::new(),
            clock: 0,
            served,
            told: None,
            outlet,
        }
    }

    /// Lets `peer` in beyond all limits from now on.
    pub fn bypass_peer_id(&mut self, peer: &PeerId) {
        if self.exempt.insert(*peer) {
            for direction in self.directions_of(peer) {
                self.strangers[direction as usize] -= 1;
            }
        }
    }

    /// Takes `peer` for a stranger again.
    pub fn remove_peer_id(&mut self, peer: &PeerId) {
        if self.exempt.remove(peer) {
            for direction in self.directions_of(peer) {
                self.strangers[direction as usize] += 1;
            }
        }
    }

    /// `connection` is about to be dialled for an end of the node's own.
    pub fn wants(&mut self, connection: ConnectionId) {
        self.wanted.insert(connection);
    }

    /// `peer` has been of use.
    pub fn is_good_for(&mut self, peer: &PeerId, good_for: Use) {
        self.clock += 1;
        for id in self.of_peer.get(peer).into_iter().flatten() {
            if let Some(link) = self.up.get_mut(id) {
                link.good_for = link.good_for.max(good_for);
                link.used = self.clock;
            }
        }
    }

    /// By whom each connection with `peer` was dialled.
    fn directions_of(&self, peer: &PeerId) -> Vec<Direction> {
        let of_peer = self.of_peer.get(peer).into_iter().flatten();
        of_peer
            .filter_map(|id| self.up.get(id))
            .map(|link| link.direction)
            .collect()
    }

    /// Whether one more connection with `peer` may come up; another ends for it if that is how it is.
    fn admit(&mut self, peer: &PeerId, direction: Direction) -> Result<(), NoPlace> {
        let of_peer = self.of_peer.get(peer);
        let count = of_peer.map_or(0, BTreeSet::len);
        if self.exempt.contains(peer) {
            if count >= OF_FRIEND * self.per_peer
                && let Some(oldest) = of_peer.and_then(BTreeSet::first).copied()
            {
                self.end(oldest);
            }
            return Ok(());
        }
        if count >= self.per_peer {
            return Err(NoPlace::OfPeer);
        }
        if self.strangers[direction as usize] >= self.places[direction as usize] {
            self.make_room(direction)?;
        }
        Ok(())
    }

    /// Has one of the strangers' connections end, if there is any.
    fn make_room(&mut self, direction: Direction) -> Result<(), NoPlace> {
        for peer in self.served.take() {
            self.is_good_for(&peer, Use::Served);
        }
        let gone = self
            .least_useful(direction, false)
            .or_else(|| self.least_useful(direction, true));
        let gone = gone.ok_or(match direction {
            Direction::Inbound => NoPlace::Incoming,
            Direction::Outbound => NoPlace::Outgoing,
        })?;
        self.end(gone);
        Ok(())
    }

    /// Which stranger's connection gives way, of those that we wanted or of the others.
    fn least_useful(&self, direction: Direction, wanted: bool) -> Option<ConnectionId> {
        let guests: Vec<_> = self
            .up
            .iter()
            .filter(|(_, link)| link.direction == direction && link.wanted == wanted)
            .filter(|(_, link)| !self.exempt.contains(&link.peer))
            .map(|(id, link)| Guest {
                key: *id,
                origin: &link.origin,
                rank: link.good_for as u8,
                used: link.used,
            })
            .collect();
        gives_way(&guests)
    }

    /// Has a connection end for another, which is told.
    fn end(&mut self, id: ConnectionId) {
        if let Some(link) = self.forget(id) {
            self.ending.push_back((link.peer, id));
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
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Link> {
        let link = self.up.remove(&id)?;
        if let Some(others) = self.of_peer.get_mut(&link.peer) {
            others.remove(&id);
            if others.is_empty() {
                self.of_peer.remove(&link.peer);
            }
        }
        if !self.exempt.contains(&link.peer) {
            self.strangers[link.direction as usize] -= 1;
        }
        Some(link)
    }

    fn arrived(&mut self, event: &ConnectionEstablished<'_>) {
        let (direction, origin) = match event.endpoint {
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => (Direction::Inbound, Origin::new(local_addr, send_back_addr)),
            ConnectedPoint::Dialer { address, .. } => {
                (Direction::Outbound, Origin::dialled(address))
            }
        };
        self.clock += 1;
        let link = Link {
            peer: event.peer_id,
            direction,
            origin,
            wanted: self.wanted.remove(&event.connection_id),
            good_for: Use::None,
            used: self.clock,
        };
        self.up.insert(event.connection_id, link);
        let of_peer = self.of_peer.entry(event.peer_id).or_default();
        of_peer.insert(event.connection_id);
        if !self.exempt.contains(&event.peer_id) {
            self.strangers[direction as usize] += 1;
        }
    }

    /// Whether one more dial may be under way, and whether it takes a place.
    fn admit_dial(&self, peer: Option<PeerId>) -> Result<bool, NoPlace> {
        let mut of_peer = 0;
        let mut counted = 0;
        for dial in self.dialling.values() {
            of_peer += usize::from(peer.is_some() && dial.peer == peer);
            counted += usize::from(dial.counts);
        }
        if of_peer >= DIALS_OF_PEER_MAX {
            return Err(NoPlace::Dials);
        }
        if peer.is_some_and(|peer| self.exempt.contains(&peer)) {
            return Ok(false);
        }
        if counted >= self.dials {
            return Err(NoPlace::Dials);
        }
        Ok(true)
    }
}

impl NetworkBehaviour for Limits {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        deny_anybodys(&peer)?;
        self.admit(&peer, Direction::Inbound)
            .map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let counts = self.admit_dial(peer).map_err(ConnectionDenied::new)?;
        self.dialling.insert(connection, Dial { peer, counts });
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.dialling.remove(&connection);
        deny_anybodys(&peer)?;
        self.admit(&peer, Direction::Outbound)
            .map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(established) => self.arrived(established),
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.forget(*connection_id);
            }
            FromSwarm::DialFailure(failed) => {
                self.dialling.remove(&failed.connection_id);
                self.wanted.remove(&failed.connection_id);
            }
            _ => {}
        }
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
mod tests;
