//! `/orrery/relay-terms/1`: a relay says how full it is and what it asks for.
//!
//! The client opens a substream and says nothing; the relay answers with twelve bytes, three
//! numbers of four bytes each, the most significant first: reservations granted, reservations
//! granted at most, price. A client asks once a connection, and waits ten seconds.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::UpgradeInfo;
use libp2p::core::{Endpoint, InboundUpgrade, OutboundUpgrade};
use libp2p::swarm::handler::{OneShotHandler, OneShotHandlerConfig};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, SubstreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};

use super::candidate::Terms;

/// The protocol's name.
pub const TERMS_PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery/relay-terms/1");

/// What a relay says of itself now.
#[derive(Debug)]
pub struct RelayLoad {
    reservations: AtomicU32,
    max_reservations: u32,
    price: u32,
}

impl RelayLoad {
    /// A relay without reservations.
    pub fn new(max_reservations: usize, price: u32) -> Self {
        Self {
            reservations: AtomicU32::new(0),
            max_reservations: u32::try_from(max_reservations).unwrap_or(u32::MAX),
            price,
        }
    }

    /// From now on so many reservations are granted.
    pub fn set_reservations(&self, reservations: usize) {
        let reservations = u32::try_from(reservations).unwrap_or(u32::MAX);
        self.reservations.store(reservations, Ordering::Relaxed);
    }

    fn terms(&self) -> Terms {
        Terms {
            reservations: self.reservations.load(Ordering::Relaxed),
            max_reservations: self.max_reservations,
            price: self.price,
        }
    }
}

/// Asks relays for their terms, and tells one's own.
pub struct Behaviour {
    /// Our own terms, if we relay.
    load: Option<Arc<RelayLoad>>,
    asked: BTreeSet<ConnectionId>,
    queue: VecDeque<ToSwarm<(PeerId, Terms), Ask>>,
}

impl Behaviour {
    /// Answers with `load`; without one no peer is answered.
    pub fn new(load: Option<Arc<RelayLoad>>) -> Self {
        Self {
            load,
            asked: BTreeSet::new(),
            queue: VecDeque::new(),
        }
    }

    /// Asks a connected peer, if it has not been asked on this connection.
    pub fn ask(&mut self, peer: PeerId, connection: ConnectionId) {
        if self.asked.insert(connection) {
            self.queue.push_back(ToSwarm::NotifyHandler {
                peer_id: peer,
                handler: NotifyHandler::One(connection),
                event: Ask,
            });
        }
    }

    fn handler(&self) -> OneShotHandler<Tell, Ask, Option<Terms>> {
        let tell = Tell(self.load.clone());
        OneShotHandler::new(
            SubstreamProtocol::new(tell, ()),
            OneShotHandlerConfig::default(),
        )
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = OneShotHandler<Tell, Ask, Option<Terms>>;
    type ToSwarm = (PeerId, Terms);

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.asked.remove(&closed.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        told: THandlerOutEvent<Self>,
    ) {
        match told {
            Ok(Some(terms)) => {
                let told = ToSwarm::GenerateEvent((peer, terms));
                self.queue.push_back(told);
            }
            // We have answered.
            Ok(None) => {}
            Err(error) => tracing::debug!(%peer, %error, "a relay does not tell its terms"),
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Orders come from the loop that polls the swarm right after, so no task has to be woken.
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Asks for a peer's terms.
#[derive(Debug, Clone, Copy)]
pub struct Ask;

impl UpgradeInfo for Ask {
    type Info = StreamProtocol;
    type InfoIter = [StreamProtocol; 1];

    fn protocol_info(&self) -> Self::InfoIter {
        [TERMS_PROTOCOL]
    }
}

impl OutboundUpgrade<Stream> for Ask {
    type Output = Option<Terms>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn upgrade_outbound(self, mut stream: Stream, _: Self::Info) -> Self::Future {
        async move {
            let mut told = [0; 12];
            stream.close().await?;
            stream.read_exact(&mut told).await?;
            Ok(Some(decode(told)))
        }
        .boxed()
    }
}

/// Tells our own terms, if we have some.
#[derive(Clone)]
pub struct Tell(Option<Arc<RelayLoad>>);

impl UpgradeInfo for Tell {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.as_ref().map(|_| TERMS_PROTOCOL).into_iter()
    }
}

impl InboundUpgrade<Stream> for Tell {
    type Output = Option<Terms>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn upgrade_inbound(self, mut stream: Stream, _: Self::Info) -> Self::Future {
        async move {
            if let Some(load) = self.0 {
                stream.write_all(&encode(load.terms())).await?;
            }
            stream.close().await?;
            Ok(None)
        }
        .boxed()
    }
}

fn encode(terms: Terms) -> [u8; 12] {
    let mut bytes = [0; 12];
    let numbers = [terms.reservations, terms.max_reservations, terms.price];
    for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn decode(bytes: [u8; 12]) -> Terms {
    let number = |place: usize| {
        let number = &bytes[4 * place..][..4];
        number
            .iter()
            .fold(0, |number: u32, byte| (number << 8) | u32::from(*byte))
    };
    Terms {
        reservations: number(0),
        max_reservations: number(1),
        price: number(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_read_back_from_their_bytes() {
        let terms = Terms {
            reservations: 1,
            max_reservations: 0x0102_0304,
            price: u32::MAX,
        };
        assert_eq!(encode(terms)[..8], [0, 0, 0, 1, 1, 2, 3, 4]);
        assert_eq!(decode(encode(terms)), terms);
    }

    #[test]
    fn the_board_shows_what_was_written_last() {
        let load = RelayLoad::new(usize::MAX, 7);
        load.set_reservations(3);
        let expected = Terms {
            reservations: 3,
            max_reservations: u32::MAX,
            price: 7,
        };
        assert_eq!(load.terms(), expected);
    }

    #[test]
    fn a_connection_is_used_for_one_question() {
        let mut behaviour = Behaviour::new(None);
        let connection = ConnectionId::new_unchecked(1);
        behaviour.ask(PeerId::random(), connection);
        behaviour.ask(PeerId::random(), connection);
        assert_eq!(behaviour.queue.len(), 1);
    }
}
