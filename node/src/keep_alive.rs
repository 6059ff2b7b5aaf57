//! `/orrery/keep-alive/1`: connections with known nodes stay open.
//!
//! A connection without streams is closed by whichever end first finds it idle. A node that lists
//! another in `bootstrap.peers` wants the connection all the same: it opens one substream, on which
//! neither end sends anything. As long as that is open, neither end takes the connection for idle. A
//! stranger can keep a connection open so, too, without saying who it is, as one that has no feeds must:
//! how many there are is bounded by the limits of connections, and it gives way as if it asked nothing.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::AsyncRead;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm, NetworkBehaviour, Stream,
    SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, StreamProtocol};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery/keep-alive/1");

/// Keeps the connections with some peers, and lets others keep theirs.
pub struct Behaviour {
    peers: BTreeSet<PeerId>,
}

impl Behaviour {
    /// Keeps every connection with one of `peers`, whichever end dialled.
    pub fn new(peers: BTreeSet<PeerId>) -> Self {
        Self { peers }
    }

    fn handler(&self, peer: PeerId) -> Handler {
        let known = self.peers.contains(&peer);
        Handler {
            known,
            due: known,
            ours: None,
            theirs: None,
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// One connection.
pub struct Handler {
    /// Whether we keep it. A peer that does not speak the protocol may close it, we do not.
    known: bool,
    /// Whether our substream has to be opened.
    due: bool,
    ours: Option<Stream>,
    /// The peer's; of several the last.
    theirs: Option<Stream>,
}

/// Lets go of a substream that the peer has ended, or on which it says something.
fn watch(held: &mut Option<Stream>, cx: &mut Context<'_>) {
    if let Some(stream) = held
        && Pin::new(stream).poll_read(cx, &mut [0]).is_ready()
    {
        *held = None;
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.known
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Infallible>> {
        watch(&mut self.ours, cx);
        watch(&mut self.theirs, cx);
        if !std::mem::take(&mut self.due) {
            return Poll::Pending;
        }
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
            protocol: self.listen_protocol(),
        })
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.theirs = Some(stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) => self.ours = Some(stream),
            _ => {}
        }
    }
}
