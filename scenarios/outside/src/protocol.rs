//! The protocol `/hello/1`: one side says hello, and the other says it back.

use std::collections::{BTreeSet, VecDeque};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, OneShotHandler,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};

/// What is said.
const WORD: &[u8; 5] = b"hello";

/// One greeting, on a stream of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Greeting;

impl UpgradeInfo for Greeting {
    type Info = StreamProtocol;
    type InfoIter = std::iter::Once<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(StreamProtocol::new("/hello/1"))
    }
}

impl OutboundUpgrade<Stream> for Greeting {
    type Output = Said;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Said, Self::Error>>;

    fn upgrade_outbound(self, mut stream: Stream, _: StreamProtocol) -> Self::Future {
        async move {
            stream.write_all(WORD).await?;
            stream.close().await.map(|()| Said::ByUs)
        }
        .boxed()
    }
}

impl InboundUpgrade<Stream> for Greeting {
    type Output = Said;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Said, Self::Error>>;

    fn upgrade_inbound(self, mut stream: Stream, _: StreamProtocol) -> Self::Future {
        async move {
            let mut word = [0; WORD.len()];
            stream.read_exact(&mut word).await?;
            Ok(Said::ByThem)
        }
        .boxed()
    }
}

/// Who said hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    ByUs,
    ByThem,
}

type Handler = OneShotHandler<Greeting, Greeting, Said>;

/// Says hello, and answers those who do. Its event is a peer that has answered.
#[derive(Default)]
pub struct Behaviour {
    /// Who was greeted and has not answered.
    greeted: BTreeSet<PeerId>,
    queue: VecDeque<ToSwarm<PeerId, Greeting>>,
}

impl Behaviour {
    /// Says hello to a connected peer.
    pub fn greet(&mut self, peer: PeerId) {
        self.greeted.insert(peer);
        self.say(peer);
    }

    fn say(&mut self, peer_id: PeerId) {
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::Any,
            event: Greeting,
        });
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = PeerId;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = event
            && closed.remaining_established == 0
        {
            self.greeted.remove(&closed.peer_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Ok(Said::ByThem) = event {
            if self.greeted.remove(&peer) {
                self.queue.push_back(ToSwarm::GenerateEvent(peer));
            } else {
                self.say(peer);
            }
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<PeerId, THandlerInEvent<Self>>> {
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
