//! The protocols that a connection offers, remembered.
//!
//! Whenever it has polled a connection, `libp2p-swarm` has the handler make its inbound upgrade,
//! only to compare the names of the protocols in it with those of the last time
//! (`Connection::poll`). With as many behaviours as a node has, making that upgrade costs more
//! than the poll. [`CachedProtocols`] wraps all behaviours at once: its handlers ask for the names only
//! after they were told something, since no handler of the node changes its protocols of its own
//! accord, and make the upgrade only for a stream that has come in and speaks one of them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, FullyNegotiatedInbound, InboundUpgradeSend, ListenUpgradeError,
    UpgradeInfoSend,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, NetworkBehaviour,
    Stream, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use crate::forward::forward_to;

/// Behaviours whose connections remember what they offer.
pub struct CachedProtocols<B> {
    behaviours: B,
    usual: Usual,
}

impl<B> CachedProtocols<B> {
    /// Wraps `behaviours`.
    pub fn new(behaviours: B) -> Self {
        Self {
            behaviours,
            usual: Usual::default(),
        }
    }
}

impl<B> Deref for CachedProtocols<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.behaviours
    }
}

impl<B> DerefMut for CachedProtocols<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.behaviours
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for CachedProtocols<B> {
    type ConnectionHandler = Handler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    forward_to!(behaviours: pending, swarm);

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.behaviours
            .handle_established_inbound_connection(connection, peer, local, remote)
            .map(|handler| Handler::new(handler, &self.usual))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.behaviours
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
            .map(|handler| Handler::new(handler, &self.usual))
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.behaviours
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.behaviours.poll(cx)
    }
}

/// What a handler offers, as it last said.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    names: Box<[Offered]>,
    timeout: Duration,
}

impl Offer {
    fn of(handler: &impl ConnectionHandler) -> Self {
        let upgrade = handler.listen_protocol();
        let names = upgrade.upgrade().protocol_info();
        Self {
            names: names.map(|name| Offered(name.as_ref().into())).collect(),
            timeout: *upgrade.timeout(),
        }
    }
}

/// What the connection offers that asked last. Most offer the same, and share it.
#[derive(Clone, Default)]
struct Usual(Arc<Mutex<Option<Arc<Offer>>>>);

impl Usual {
    /// What `handler` offers.
    fn offer_of(&self, handler: &impl ConnectionHandler) -> Arc<Offer> {
        let offer = Offer::of(handler);
        let mut usual = lock(&self.0);
        match &*usual {
            Some(usual) if **usual == offer => Arc::clone(usual),
            _ => Arc::clone(usual.insert(Arc::new(offer))),
        }
    }
}

/// The name of a protocol. A connection reads all of them whenever it is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered(Arc<str>);

impl AsRef<str> for Offered {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The protocols of an offer, one after the other.
#[derive(Debug)]
pub struct Names {
    offer: Arc<Offer>,
    index: usize,
}

impl Iterator for Names {
    type Item = Offered;

    fn next(&mut self) -> Option<Offered> {
        let next = self.offer.names.get(self.index)?;
        self.index += 1;
        Some(next.clone())
    }
}

/// A handler that remembers the protocols of `H`.
pub struct Handler<H> {
    /// Shared with the streams that are being negotiated.
    inner: Arc<Mutex<H>>,
    offer: Arc<Offer>,
    usual: Usual,
    /// Whether `inner` may have come to offer something else.
    stale: bool,
}

impl<H: ConnectionHandler> Handler<H> {
    fn new(inner: H, usual: &Usual) -> Self {
        Self {
            offer: usual.offer_of(&inner),
            inner: Arc::new(Mutex::new(inner)),
            usual: usual.clone(),
            stale: false,
        }
    }

    /// The handler, to tell it something.
    fn tell(&mut self) -> MutexGuard<'_, H> {
        self.stale = true;
        lock(&self.inner)
    }
}

/// A handler that has panicked once takes the whole connection with it, whoever holds it.
fn lock<H>(handler: &Mutex<H>) -> MutexGuard<'_, H> {
    handler.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<H: ConnectionHandler> ConnectionHandler for Handler<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = Inbound<H>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Inbound<H>> {
        let upgrade = Inbound {
            handler: Arc::clone(&self.inner),
            offer: Arc::clone(&self.offer),
        };
        SubstreamProtocol::new(upgrade, ()).with_timeout(self.offer.timeout)
    }

    fn connection_keep_alive(&self) -> bool {
        lock(&self.inner).connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        let mut inner = lock(&self.inner);
        let polled = inner.poll(cx);
        if self.stale {
            self.stale = false;
            self.offer = self.usual.offer_of(&*inner);
        } else {
            debug_assert_eq!(
                *self.offer,
                Offer::of(&*inner),
                "a handler changed its protocols of its own accord"
            );
        }
        polled
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.tell().poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.tell().on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Inbound<H>, Self::OutboundProtocol, (), Self::OutboundOpenInfo>,
    ) {
        let event = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, info),
                info: (),
            }) => {
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info: (), error }) => {
                let Some((error, info)) = error else {
                    return;
                };
                ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })
            }
            ConnectionEvent::FullyNegotiatedOutbound(event) => {
                ConnectionEvent::FullyNegotiatedOutbound(event)
            }
            ConnectionEvent::DialUpgradeError(event) => ConnectionEvent::DialUpgradeError(event),
            ConnectionEvent::AddressChange(event) => ConnectionEvent::AddressChange(event),
            ConnectionEvent::LocalProtocolsChange(event) => {
                ConnectionEvent::LocalProtocolsChange(event)
            }
            ConnectionEvent::RemoteProtocolsChange(event) => {
                ConnectionEvent::RemoteProtocolsChange(event)
            }
            // The enumeration is open; libp2p-swarm 0.48 has no more.
            _ => return,
        };
        self.tell().on_connection_event(event);
    }
}

/// The inbound upgrade of `H`, made when a protocol has been agreed upon.
pub struct Inbound<H> {
    handler: Arc<Mutex<H>>,
    offer: Arc<Offer>,
}

impl<H> UpgradeInfo for Inbound<H> {
    type Info = Offered;
    type InfoIter = Names;

    fn protocol_info(&self) -> Names {
        Names {
            offer: Arc::clone(&self.offer),
            index: 0,
        }
    }
}

/// What the upgrade of `H` makes, with what `H` wants to be told beside it.
type Upgraded<H> = (
    <<H as ConnectionHandler>::InboundProtocol as InboundUpgradeSend>::Output,
    <H as ConnectionHandler>::InboundOpenInfo,
);

/// How the upgrade of `H` failed; nothing if `H` has withdrawn the protocol meanwhile.
type Failed<H> = Option<(
    <<H as ConnectionHandler>::InboundProtocol as InboundUpgradeSend>::Error,
    <H as ConnectionHandler>::InboundOpenInfo,
)>;

impl<H: ConnectionHandler> InboundUpgrade<Stream> for Inbound<H> {
    type Output = Upgraded<H>;
    type Error = Failed<H>;
    type Future = BoxFuture<'static, Result<Upgraded<H>, Failed<H>>>;

    fn upgrade_inbound(self, stream: Stream, agreed: Offered) -> Self::Future {
        let upgrade = lock(&self.handler).listen_protocol();
        let name = (upgrade.upgrade().protocol_info()).find(|own| own.as_ref() == agreed.as_ref());
        let Some(name) = name else {
            return ready(Err(None)).boxed();
        };
        let (upgrade, info) = upgrade.into_upgrade();
        let upgraded = upgrade.upgrade_inbound(stream, name);
        upgraded
            .map(|result| match result {
                Ok(output) => Ok((output, info)),
                Err(error) => Err(Some((error, info))),
            })
            .boxed()
    }
}
