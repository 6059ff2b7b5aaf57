//! libp2p's behaviour, with one connection to each peer on which it is spoken to.
//!
//! libp2p-gossipsub 0.50.1 names its topics to a peer on the first connection only, and lets all
//! connections with a peer take what there is to say out of one queue. When two nodes dial each
//! other at once, and one of the two connections is closed, topics and messages that went to it
//! are lost: gossip is one-way from then on. So only one connection with a peer speaks, the first
//! one unless the node says otherwise; whenever another takes its place, the peer is told
//! all topics again, over that. What comes in is heard on all of them. Which connections there
//! are, and how long, is not decided here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::gossipsub::{self, IdentTopic, SubscriptionError};
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use crate::forward::forward_to;

use super::Gossipsub;
use super::handler::{Handler, HandlerEvent, InnerEvent, Refusal, Voice};
use super::sift::Joined;

/// What the behaviour tells its service.
#[derive(Debug)]
pub enum Event {
    /// What libp2p's behaviour tells.
    Gossipsub(gossipsub::Event),
    /// A transmission of a peer was not taken. The stream goes on.
    Refused {
        /// Whose.
        peer: PeerId,
        /// Why.
        why: Refusal,
        /// Its size.
        bytes: u64,
    },
    /// A peer's stream was reset, since nothing that followed on it could be read.
    StreamReset {
        /// Whose.
        peer: PeerId,
    },
    /// A peer opens one stream after the other.
    TooManyStreams {
        /// Who.
        peer: PeerId,
    },
    /// A peer has said so much that it is not read for a while.
    Waits {
        /// Who.
        peer: PeerId,
    },
}

/// A connection with a peer.
struct Connection {
    id: ConnectionId,
    voice: Arc<Voice>,
    /// Its ends, once it is up.
    endpoint: Option<ConnectedPoint>,
}

/// libp2p's behaviour for groups, speaking on one connection with each peer.
pub struct Behaviour {
    inner: Gossipsub,
    /// Largest transmission in bytes, its length included.
    bytes_max: usize,
    joined: Arc<Joined>,
    /// Friends and known nodes.
    trusted: BTreeSet<PeerId>,
    /// The connections with each peer, the oldest first; one of them speaks. As many as there are.
    peers: BTreeMap<PeerId, Vec<Connection>>,
    /// Connections that took another's place, and have had no stream for what is to be said. At
    /// most one for each peer.
    silent: BTreeMap<PeerId, ConnectionId>,
    /// Connections whose handlers have to look whether there is something to say.
    pokes: VecDeque<(PeerId, ConnectionId)>,
    told: VecDeque<Event>,
}

impl Deref for Behaviour {
    type Target = Gossipsub;

    fn deref(&self) -> &Gossipsub {
        &self.inner
    }
}

impl DerefMut for Behaviour {
    fn deref_mut(&mut self) -> &mut Gossipsub {
        &mut self.inner
    }
}

impl Behaviour {
    /// Speaks for `inner`; transmissions have `bytes_max` bytes at most.
    pub fn new(inner: Gossipsub, bytes_max: usize) -> Self {
        Self {
            inner,
            bytes_max,
            joined: Arc::default(),
            trusted: BTreeSet::new(),
            peers: BTreeMap::new(),
            silent: BTreeMap::new(),
            pokes: VecDeque::new(),
            told: VecDeque::new(),
        }
    }

    /// Joins a topic; whether it was not joined before.
    ///
    /// # Errors
    /// What libp2p refuses.
    pub fn subscribe(&mut self, topic: &IdentTopic) -> Result<bool, SubscriptionError> {
        let is_new = self.inner.subscribe(topic)?;
        self.joined.set(&topic.hash(), true);
        Ok(is_new)
    }

    /// Leaves a topic; whether it was joined.
    pub fn unsubscribe(&mut self, topic: &IdentTopic) -> bool {
        self.joined.set(&topic.hash(), false);
        self.inner.unsubscribe(topic)
    }

    /// Takes `peer` for a friend or a known node, who may say more, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if trusted {
            self.trusted.insert(peer);
        } else {
            self.trusted.remove(&peer);
        }
        for connection in self.peers.get(&peer).into_iter().flatten() {
            connection.voice.trusts(trusted);
        }
    }

    /// Speaks to `peer` over `connection` from now on, and names all topics there if another one
    /// spoke before.
    pub fn speak_over(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(connections) = self.peers.get(&peer) else {
            return;
        };
        let speaker = |known: &&Connection| known.id == connection && known.endpoint.is_some();
        let Some(speaker) = connections.iter().find(speaker) else {
            return;
        };
        if speaker.voice.speaks() {
            return;
        }
        for other in connections {
            other.voice.set(false);
        }
        speaker.voice.set(true);
        if speaker.voice.has_opened() {
            self.silent.remove(&peer);
        } else {
            self.silent.insert(peer, connection);
        }
        if let Some(endpoint) = &speaker.endpoint {
            // As for a first connection, topics are named; nothing else comes of it.
            self.inner
                .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                    peer_id: peer,
                    connection_id: connection,
                    endpoint,
                    failed_addresses: &[],
                    other_established: 0,
                }));
        }
        self.pokes.push_back((peer, connection));
    }

    /// Has connections look whether there is something to say that nothing woke them for: they
    /// took another's place while there was nothing. To be called after something was said.
    pub fn rouse(&mut self) {
        let peers = &self.peers;
        self.silent.retain(|peer, connection| {
            let mut known = peers.get(peer).into_iter().flatten();
            known.any(|known| known.id == *connection && !known.voice.has_opened())
        });
        for (peer, connection) in &self.silent {
            self.pokes.push_back((*peer, *connection));
        }
    }

    /// A new connection, on which the peer is spoken to if it is the only one.
    fn begin(&mut self, peer: PeerId, id: ConnectionId, inner: THandler<Gossipsub>) -> Handler {
        let connections = self.peers.entry(peer).or_default();
        let voice = Arc::new(Voice::new(
            connections.is_empty(),
            self.trusted.contains(&peer),
        ));
        connections.push(Connection {
            id,
            voice: Arc::clone(&voice),
            endpoint: None,
        });
        Handler::new(inner, voice, self.bytes_max, Arc::clone(&self.joined))
    }

    /// A connection is gone, or never was. Another one speaks in its place.
    fn end(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(connections) = self.peers.get_mut(&peer) else {
            return;
        };
        let Some(place) = connections.iter().position(|known| known.id == id) else {
            return;
        };
        let gone = connections.remove(place);
        if self.silent.get(&peer) == Some(&id) {
            self.silent.remove(&peer);
        }
        if connections.is_empty() {
            self.peers.remove(&peer);
            return;
        }
        let next = connections.iter().find(|known| known.endpoint.is_some());
        if gone.voice.speaks()
            && let Some(next) = next.map(|next| next.id)
        {
            self.speak_over(peer, next);
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    forward_to!(inner: pending);

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .inner
            .handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(self.begin(peer, connection, inner))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let inner = self
            .inner
            .handle_established_outbound_connection(connection, peer, address, role, port_use)?;
        Ok(self.begin(peer, connection, inner))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(established) => {
                let connections = self.peers.get_mut(&established.peer_id);
                let mut connections = connections.into_iter().flatten();
                if let Some(known) = connections.find(|known| known.id == established.connection_id)
                {
                    known.endpoint = Some(established.endpoint.clone());
                }
            }
            FromSwarm::AddressChange(change) => {
                let connections = self.peers.get_mut(&change.peer_id);
                let mut connections = connections.into_iter().flatten();
                if let Some(known) = connections.find(|known| known.id == change.connection_id) {
                    known.endpoint = Some(change.new.clone());
                }
            }
            FromSwarm::DialFailure(failure) => {
                if let Some(peer) = failure.peer_id {
                    self.end(peer, failure.connection_id);
                }
            }
            FromSwarm::ListenFailure(failure) => {
                if let Some(peer) = failure.peer_id {
                    self.end(peer, failure.connection_id);
                }
            }
            _ => {}
        }
        let closed = match &event {
            FromSwarm::ConnectionClosed(closed) => Some((closed.peer_id, closed.connection_id)),
            _ => None,
        };
        self.inner.on_swarm_event(event);
        if let Some((peer, connection)) = closed {
            self.end(peer, connection);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        told: THandlerOutEvent<Self>,
    ) {
        match told {
            HandlerEvent::Inner(event) => {
                if let InnerEvent::Message {
                    invalid_messages, ..
                } = &event
                    && !invalid_messages.is_empty()
                {
                    let bytes = |(message, _): &(gossipsub::RawMessage, _)| message.data.len();
                    let bytes = invalid_messages.iter().map(bytes).sum::<usize>() as u64;
                    let why = Refusal::Invalid;
                    self.told.push_back(Event::Refused { peer, why, bytes });
                }
                self.inner
                    .on_connection_handler_event(peer, connection, event);
            }
            HandlerEvent::Refused(why, bytes) => {
                self.told.push_back(Event::Refused { peer, why, bytes });
            }
            HandlerEvent::Reset => self.told.push_back(Event::StreamReset { peer }),
            HandlerEvent::TooManyStreams => self.told.push_back(Event::TooManyStreams { peer }),
            HandlerEvent::Waits => self.told.push_back(Event::Waits { peer }),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(event) = self.told.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        if let Some((peer_id, connection)) = self.pokes.pop_front() {
            return Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event: None,
            });
        }
        let polled = self.inner.poll(cx);
        polled.map(|action| action.map_in(Some).map_out(Event::Gossipsub))
    }
}
