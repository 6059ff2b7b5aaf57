//! A listener: one endpoint, and the addresses on which it is reached.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use libp2p::core::transport::{ListenerId, TransportEvent};
use quinn::{AsyncUdpSocket, Endpoint, Incoming, VarInt};

use super::address::multiaddr;
use super::connection::{Connecting, Terms};
use super::error::Error;
use super::network::InterfaceChange;

/// What listeners and the transport tell.
pub(super) type Event = TransportEvent<Connecting, Error>;

/// From so many handshakes of others on, whoever begins one has to show where it is.
const DOUBTS_FROM: usize = 16;

type Interfaces = BoxStream<'static, io::Result<InterfaceChange>>;

/// Takes connections. As a stream it ends after it has told that it is closed.
pub(super) struct Listener {
    id: ListenerId,
    /// Where the socket is bound; the address may be unspecified.
    local: SocketAddr,
    endpoint: Endpoint,
    socket: Arc<dyn AsyncUdpSocket>,
    accepting: BoxFuture<'static, Option<Incoming>>,
    terms: Terms,
    /// As many copies as handshakes run, and one.
    handshakes: Arc<()>,
    /// Watched where the socket is bound to all addresses.
    interfaces: Option<Interfaces>,
    addresses: BTreeSet<IpAddr>,
    /// What is told next.
    event: Option<Event>,
    is_closed: bool,
    waker: Option<Waker>,
}

impl Listener {
    /// A listener at `endpoint`, which has `socket`; with `interfaces` if that is
    /// bound to an unspecified address.
    ///
    /// # Errors
    /// When the socket does not know its address.
    pub(super) fn new(
        id: ListenerId,
        endpoint: Endpoint,
        socket: Arc<dyn AsyncUdpSocket>,
        interfaces: Option<Interfaces>,
        terms: Terms,
    ) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let mut listener = Self {
            id,
            local,
            accepting: accept(&endpoint),
            endpoint,
            socket,
            terms,
            handshakes: Arc::new(()),
            interfaces,
            addresses: BTreeSet::new(),
            event: None,
            is_closed: false,
            waker: None,
        };
        if listener.interfaces.is_none() {
            listener.event = listener.on_interface(InterfaceChange::Up(local.ip()));
        }
        Ok(listener)
    }

    pub(super) const fn id(&self) -> ListenerId {
        self.id
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) const fn socket(&self) -> &Arc<dyn AsyncUdpSocket> {
        &self.socket
    }

    /// Whether its port may be the source of packets to `remote`.
    pub(super) fn reaches(&self, remote: IpAddr) -> bool {
        !self.is_closed
            && self.local.is_ipv4() == remote.is_ipv4()
            && (!remote.is_loopback() || self.addresses.iter().any(IpAddr::is_loopback))
    }

    /// Ends it and all connections that came by it or were dialled from its port;
    /// false if it has ended.
    pub(super) fn close(&mut self) -> bool {
        if self.is_closed {
            return false;
        }
        self.is_closed = true;
        self.endpoint.close(VarInt::from_u32(0), &[]);
        self.event = Some(TransportEvent::ListenerClosed {
            listener_id: self.id,
            reason: Ok(()),
        });
        self.waker.take().into_iter().for_each(Waker::wake);
        true
    }

    /// What is to be told of a change, if it is one of this listener's addresses.
    fn on_interface(&mut self, change: InterfaceChange) -> Option<Event> {
        let (InterfaceChange::Up(ip) | InterfaceChange::Down(ip)) = change;
        if ip.is_ipv4() != self.local.is_ipv4() {
            return None;
        }
        let listener_id = self.id;
        let listen_addr = multiaddr(SocketAddr::new(ip, self.local.port()));
        match change {
            InterfaceChange::Up(ip) => {
                self.addresses
                    .insert(ip)
                    .then_some(TransportEvent::NewAddress {
                        listener_id,
                        listen_addr,
                    })
            }
            InterfaceChange::Down(ip) => {
                self.addresses
                    .remove(&ip)
                    .then_some(TransportEvent::AddressExpired {
                        listener_id,
                        listen_addr,
                    })
            }
        }
    }

    fn poll_interfaces(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        while let Some(interfaces) = &mut self.interfaces {
            match std::task::ready!(interfaces.poll_next_unpin(cx)) {
                Some(Ok(change)) => {
                    if let Some(event) = self.on_interface(change) {
                        return Poll::Ready(event);
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(TransportEvent::ListenerError {
                        listener_id: self.id,
                        error: error.into(),
                    });
                }
                None => self.interfaces = None,
            }
        }
        Poll::Pending
    }

    /// Lets a connection begin its handshake.
    fn on_incoming(&mut self, incoming: Incoming) -> Event {
        let listener_id = self.id;
        let remote = incoming.remote_address();
        match incoming.accept() {
            Ok(connecting) => TransportEvent::Incoming {
                listener_id,
                upgrade: Connecting::new(connecting, self.terms.clone())
                    .counted(Arc::clone(&self.handshakes)),
                local_addr: multiaddr(self.local),
                send_back_addr: multiaddr(remote),
            },
            Err(error) => TransportEvent::ListenerError {
                listener_id,
                error: error.into(),
            },
        }
    }

    /// Has the sender of a first packet show that it is where it says, if many handshakes run: it
    /// comes again with a token (RFC 9000 §8.1.2), and this one is over. Otherwise, or if it has one,
    /// gives it back.
    fn unless_doubted(&self, incoming: Incoming) -> Option<Incoming> {
        // Each that runs holds one, and this listener does.
        let handshakes = Arc::strong_count(&self.handshakes) - 1;
        if handshakes < DOUBTS_FROM || incoming.remote_address_validated() {
            return Some(incoming);
        }
        // Fails only for those that have a token.
        incoming.retry().err().map(quinn::RetryError::into_incoming)
    }
}

fn accept(endpoint: &Endpoint) -> BoxFuture<'static, Option<Incoming>> {
    let endpoint = endpoint.clone();
    async move { endpoint.accept().await }.boxed()
}

impl Stream for Listener {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.event.take() {
                return Poll::Ready(Some(event));
            }
            if self.is_closed {
                return Poll::Ready(None);
            }
            if let Poll::Ready(event) = self.poll_interfaces(cx) {
                return Poll::Ready(Some(event));
            }
            match self.accepting.poll_unpin(cx) {
                Poll::Ready(Some(incoming)) => {
                    self.accepting = accept(&self.endpoint);
                    if let Some(incoming) = self.unless_doubted(incoming) {
                        return Poll::Ready(Some(self.on_incoming(incoming)));
                    }
                }
                // The endpoint has lost its socket.
                Poll::Ready(None) => drop(self.close()),
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("id", &self.id)
            .field("local", &self.local)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}
