//! Handlers of any type, several for each connection: what each speaks, and whose each stream is.
//!
//! `libp2p-swarm` joins handlers by type; services that a program adds are known only when it runs.
//! So their handlers are called through [`AnyHandler`], all events between a behaviour and its
//! handler are opaque, and beside each stands the position of its service.

use std::any::Any;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    AddressChange, ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound, InboundUpgradeSend, ListenUpgradeError, OutboundUpgradeSend,
    ProtocolsChange, UpgradeInfoSend,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamUpgradeError, SubstreamProtocol,
};

/// A value whose type its maker knows.
pub type Opaque = Box<dyn Any + Send>;

/// Gives a value back its type.
///
/// # Panics
/// If it is of another type: behaviours and handlers are paired by position.
pub fn known<T: 'static>(value: Opaque) -> T {
    let value = value.downcast().expect("a service hears of its own only");
    *value
}

/// Makes the upgrade of the protocol with that name.
type Start = Box<dyn FnOnce(Stream, &str) -> Upgraded + Send>;

type Upgraded = BoxFuture<'static, Result<Opaque, Opaque>>;

/// An upgrade of any type, once, and the protocols that it is of.
pub struct AnyUpgrade {
    names: Vec<String>,
    start: Start,
}

impl AnyUpgrade {
    fn new<U: UpgradeInfoSend + Send + 'static>(
        upgrade: U,
        start: impl FnOnce(U, Stream, U::Info) -> Upgraded + Send + 'static,
    ) -> Self {
        Self {
            names: (upgrade.protocol_info())
                .map(|name| name.as_ref().to_owned())
                .collect(),
            start: Box::new(move |stream, agreed| {
                let name = (upgrade.protocol_info()).find(|name| name.as_ref() == agreed);
                let name = name.expect("it was among those that the upgrade has named");
                start(upgrade, stream, name)
            }),
        }
    }

    /// With what the handler wants to hear beside its end.
    fn inbound<U: InboundUpgradeSend + 'static, I: Send + 'static>(upgrade: U, info: I) -> Self {
        Self::new(upgrade, |upgrade, stream, name| {
            let upgraded = upgrade.upgrade_inbound(stream, name);
            let upgraded = upgraded.map(|result| match result {
                Ok(output) => Ok(Box::new((output, info)) as Opaque),
                Err(error) => Err(Box::new((error, info)) as Opaque),
            });
            upgraded.boxed()
        })
    }

    fn outbound<U: OutboundUpgradeSend + 'static>(upgrade: U) -> Self {
        Self::new(upgrade, |upgrade, stream, name| {
            let upgraded = upgrade.upgrade_outbound(stream, name);
            let upgraded = upgraded.map(|result| match result {
                Ok(output) => Ok(Box::new(output) as Opaque),
                Err(error) => Err(Box::new(error) as Opaque),
            });
            upgraded.boxed()
        })
    }
}

/// What a connection lets a handler know.
pub enum Happened<'a> {
    /// A stream of the other side is agreed upon.
    Inbound(Opaque),
    /// It came to nothing.
    InboundFailed(Opaque),
    /// A stream of our own is agreed upon.
    Outbound(Opaque, Opaque),
    /// It came to nothing.
    OutboundFailed(StreamUpgradeError<Opaque>, Opaque),
    /// The other side has moved.
    Moved(AddressChange<'a>),
    /// We speak other protocols than before.
    OwnProtocols(ProtocolsChange<'a>),
    /// The other side does.
    TheirProtocols(ProtocolsChange<'a>),
}

/// A handler of any type.
pub trait AnyHandler: Send {
    /// Its inbound upgrade, and how long that may take.
    fn listen(&self) -> (AnyUpgrade, Duration);
    /// See [`ConnectionHandler::connection_keep_alive`].
    fn keeps_alive(&self) -> bool;
    /// See [`ConnectionHandler::poll`].
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<AnyUpgrade, Opaque, Opaque>>;
    /// See [`ConnectionHandler::poll_close`].
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Opaque>>;
    /// See [`ConnectionHandler::on_behaviour_event`].
    fn on_behaviour_event(&mut self, event: Opaque);
    /// See [`ConnectionHandler::on_connection_event`].
    fn on_connection_event(&mut self, event: Happened<'_>);
}

impl<H: ConnectionHandler> AnyHandler for H {
    fn listen(&self) -> (AnyUpgrade, Duration) {
        let protocol = self.listen_protocol();
        let timeout = *protocol.timeout();
        let (upgrade, info) = protocol.into_upgrade();
        (AnyUpgrade::inbound(upgrade, info), timeout)
    }

    fn keeps_alive(&self) -> bool {
        self.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<AnyUpgrade, Opaque, Opaque>> {
        ConnectionHandler::poll(self, cx).map(|event| {
            event
                .map_custom(|event| Box::new(event) as Opaque)
                .map_protocol(AnyUpgrade::outbound)
                .map_outbound_open_info(|info| Box::new(info) as Opaque)
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Opaque>> {
        let closing = ConnectionHandler::poll_close(self, cx);
        closing.map(|event| event.map(|event| Box::new(event) as Opaque))
    }

    fn on_behaviour_event(&mut self, event: Opaque) {
        ConnectionHandler::on_behaviour_event(self, known(event));
    }

    fn on_connection_event(&mut self, event: Happened<'_>) {
        let event = match event {
            Happened::Inbound(upgraded) => {
                let (protocol, info) = known(upgraded);
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            Happened::InboundFailed(failed) => {
                let (error, info) = known(failed);
                ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error })
            }
            Happened::Outbound(upgraded, info) => {
                ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                    protocol: known(upgraded),
                    info: known(info),
                })
            }
            Happened::OutboundFailed(error, info) => {
                ConnectionEvent::DialUpgradeError(DialUpgradeError {
                    info: known(info),
                    error: error.map_upgrade_err(known),
                })
            }
            Happened::Moved(change) => ConnectionEvent::AddressChange(change),
            Happened::OwnProtocols(change) => ConnectionEvent::LocalProtocolsChange(change),
            Happened::TheirProtocols(change) => ConnectionEvent::RemoteProtocolsChange(change),
        };
        ConnectionHandler::on_connection_event(self, event);
    }
}

/// The handlers of all added services on one connection, in the services' order.
pub struct Handlers(pub Vec<Box<dyn AnyHandler>>);

impl ConnectionHandler for Handlers {
    type FromBehaviour = (usize, Opaque);
    type ToBehaviour = (usize, Opaque);
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = (usize, Opaque);

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        let (upgrades, timeouts): (Vec<_>, Vec<_>) =
            self.0.iter().map(|handler| handler.listen()).unzip();
        let longest = timeouts.into_iter().max().unwrap_or_default();
        let upgrade = Upgrade(upgrades.into_iter().enumerate().collect());
        SubstreamProtocol::new(upgrade, ()).with_timeout(longest)
    }

    fn connection_keep_alive(&self) -> bool {
        self.0.iter().any(|handler| handler.keeps_alive())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Upgrade, (usize, Opaque), (usize, Opaque)>> {
        for (index, handler) in self.0.iter_mut().enumerate() {
            if let Poll::Ready(event) = handler.poll(cx) {
                let event = event
                    .map_custom(|event| (index, event))
                    .map_protocol(|upgrade| Upgrade(vec![(index, upgrade)]))
                    .map_outbound_open_info(|info| (index, info));
                return Poll::Ready(event);
            }
        }
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, Opaque)>> {
        for (index, handler) in self.0.iter_mut().enumerate() {
            match handler.poll_close(cx) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(event)) => return Poll::Ready(Some((index, event))),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(None)
    }

    fn on_behaviour_event(&mut self, (index, event): (usize, Opaque)) {
        self.0[index].on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Upgrade, Upgrade, (), (usize, Opaque)>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(upgraded) => {
                let (index, upgraded) = upgraded.protocol;
                self.0[index].on_connection_event(Happened::Inbound(upgraded));
            }
            ConnectionEvent::ListenUpgradeError(failed) => {
                let (index, failed) = failed.error;
                self.0[index].on_connection_event(Happened::InboundFailed(failed));
            }
            ConnectionEvent::FullyNegotiatedOutbound(upgraded) => {
                let ((_, output), (index, info)) = (upgraded.protocol, upgraded.info);
                self.0[index].on_connection_event(Happened::Outbound(output, info));
            }
            ConnectionEvent::DialUpgradeError(failed) => {
                let (index, info) = failed.info;
                let error = failed.error.map_upgrade_err(|(_, error)| error);
                self.0[index].on_connection_event(Happened::OutboundFailed(error, info));
            }
            ConnectionEvent::AddressChange(AddressChange { new_address }) => {
                for handler in &mut self.0 {
                    handler.on_connection_event(Happened::Moved(AddressChange { new_address }));
                }
            }
            ConnectionEvent::LocalProtocolsChange(change) => {
                for handler in &mut self.0 {
                    handler.on_connection_event(Happened::OwnProtocols(change.clone()));
                }
            }
            ConnectionEvent::RemoteProtocolsChange(change) => {
                for handler in &mut self.0 {
                    handler.on_connection_event(Happened::TheirProtocols(change.clone()));
                }
            }
            // The enumeration is open; libp2p-swarm 0.48 has no more.
            _ => {}
        }
    }
}

/// Upgrades of several services, of which that one is made whose protocol is agreed upon.
pub struct Upgrade(Vec<(usize, AnyUpgrade)>);

/// The name of a protocol, and the position of the service that speaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken(usize, String);

impl AsRef<str> for Spoken {
    fn as_ref(&self) -> &str {
        &self.1
    }
}

impl UpgradeInfo for Upgrade {
    type Info = Spoken;
    type InfoIter = std::vec::IntoIter<Spoken>;

    fn protocol_info(&self) -> Self::InfoIter {
        let of_all = self.0.iter().flat_map(|(index, upgrade)| {
            let names = upgrade.names.iter();
            names.map(|name| Spoken(*index, name.clone()))
        });
        of_all.collect::<Vec<_>>().into_iter()
    }
}

impl Upgrade {
    fn start(self, stream: Stream, Spoken(index, name): Spoken) -> Ended {
        let mut upgrades = self.0.into_iter();
        let (_, upgrade) = upgrades
            .find(|(of, _)| *of == index)
            .expect("it has named the protocol");
        (upgrade.start)(stream, &name)
            .map(move |result| match result {
                Ok(output) => Ok((index, output)),
                Err(error) => Err((index, error)),
            })
            .boxed()
    }
}

type Ended = BoxFuture<'static, Result<(usize, Opaque), (usize, Opaque)>>;

impl InboundUpgrade<Stream> for Upgrade {
    type Output = (usize, Opaque);
    type Error = (usize, Opaque);
    type Future = Ended;

    fn upgrade_inbound(self, stream: Stream, agreed: Spoken) -> Ended {
        self.start(stream, agreed)
    }
}

impl OutboundUpgrade<Stream> for Upgrade {
    type Output = (usize, Opaque);
    type Error = (usize, Opaque);
    type Future = Ended;

    fn upgrade_outbound(self, stream: Stream, agreed: Spoken) -> Ended {
        self.start(stream, agreed)
    }
}
