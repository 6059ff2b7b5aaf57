//! The transport: which endpoint a dial uses, and which connection answers a dial
//! that waits.
//!
//! The rules are those of libp2p-quic 0.14:
//!
//! | role | port | what a dial does |
//! |---|---|---|
//! | dialer | reuse | connects from a listener's port, else from one port kept for all dials |
//! | dialer | new | connects from a port of its own |
//! | listener | reuse | connects likewise: both sides of a hole punch are clients |
//! | listener | new | sends datagrams from a listener's port until the peer connects |

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};
use futures::stream::SelectAll;
use futures::{FutureExt, StreamExt};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::core::{Endpoint as Role, Transport};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use quinn::{AsyncUdpSocket, Endpoint, Runtime, ServerConfig};

use super::address::socket_address;
use super::config::{QuinnConfig, Settings};
use super::connection::{Connecting, Connection, Terms};
use super::error::Error;
use super::hole_punch::punch;
use super::listener::{Event, Listener};
use super::network::UdpNetwork;
use super::runtime::NodeRuntime;
use crate::entry::{Acquaintances, Budget};
use crate::environment::Executor;

/// TLS wants the name of a server. Peers have none, and an empty one is not allowed.
const SERVER_NAME: &str = "l";

/// QUIC version 1 over the sockets of a [`UdpNetwork`].
pub struct QuicTransport {
    network: Arc<dyn UdpNetwork>,
    runtime: Arc<dyn Runtime>,
    keys: Keypair,
    settings: Settings,
    acquaintances: Acquaintances,
    /// Made when it is first needed: a node without QUIC draws no certificate.
    config: Option<QuinnConfig>,
    listeners: SelectAll<Listener>,
    /// The endpoints of IPv4 and IPv6 whose ports dials share while nothing listens.
    dialers: [Option<Endpoint>; 2],
    /// Dials that wait for the peer's connection, no more than are under way.
    waiting: BTreeMap<SocketAddr, oneshot::Sender<Connecting>>,
    waker: Option<Waker>,
}

type Dialling = BoxFuture<'static, Result<(PeerId, Connection), Error>>;

impl QuicTransport {
    /// The transport of the node whose transport key is `keys`.
    pub fn new(
        network: Arc<dyn UdpNetwork>,
        executor: Arc<dyn Executor>,
        keys: Keypair,
        settings: Settings,
    ) -> Self {
        Self {
            network,
            runtime: Arc::new(NodeRuntime(executor)),
            keys,
            settings,
            acquaintances: Acquaintances::new(Budget { met_max: 0 }),
            config: None,
            listeners: SelectAll::new(),
            dialers: [None, None],
            waiting: BTreeMap::new(),
            waker: None,
        }
    }

    /// The same, with connections that hold more for those whom `acquaintances` know.
    #[must_use]
    pub fn with_acquaintances(mut self, acquaintances: Acquaintances) -> Self {
        self.acquaintances = acquaintances;
        self
    }

    /// What handshakes go by.
    fn terms(&self) -> Terms {
        Terms {
            timeout: self.settings.handshake_timeout,
            settings: self.settings,
            acquaintances: self.acquaintances.clone(),
        }
    }

    fn config(&mut self) -> Result<QuinnConfig, Error> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let config = QuinnConfig::new(&self.keys, &self.settings, self.network.key_log())?;
        Ok(self.config.insert(config).clone())
    }

    fn endpoint(
        &mut self,
        socket: Arc<dyn AsyncUdpSocket>,
        server: Option<ServerConfig>,
    ) -> Result<Endpoint, Error> {
        let config = self.config()?.endpoint;
        let runtime = Arc::clone(&self.runtime);
        Ok(Endpoint::new_with_abstract_socket(
            config, server, socket, runtime,
        )?)
    }

    /// An endpoint on any free port of the family of `remote`.
    fn fresh_dialer(&mut self, remote: IpAddr) -> Result<Endpoint, Error> {
        let any: IpAddr = match remote {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = self.network.bind(SocketAddr::new(any, 0))?;
        self.endpoint(socket, None)
    }

    /// The endpoint from which `remote` is dialled.
    fn dialer(&mut self, remote: IpAddr, port_use: PortUse) -> Result<Endpoint, Error> {
        if port_use == PortUse::New {
            return self.fresh_dialer(remote);
        }
        if let Some(listener) = self.listener_for(remote) {
            return Ok(listener.endpoint().clone());
        }
        let place = family(remote);
        if let Some(kept) = &self.dialers[place] {
            return Ok(kept.clone());
        }
        let endpoint = self.fresh_dialer(remote)?;
        self.dialers[place] = Some(endpoint.clone());
        Ok(endpoint)
    }

    fn listener_for(&self, remote: IpAddr) -> Option<&Listener> {
        self.listeners
            .iter()
            .find(|listener| listener.reaches(remote))
    }

    fn connect(&mut self, remote: SocketAddr, port_use: PortUse) -> Result<Dialling, Error> {
        let endpoint = self.dialer(remote.ip(), port_use)?;
        let client = self.config()?.client;
        let terms = self.terms();
        Ok(async move {
            let connecting = endpoint.connect_with(client, remote, SERVER_NAME)?;
            Connecting::new(connecting, terms).await
        }
        .boxed())
    }

    fn await_connection(
        &mut self,
        remote: SocketAddr,
        expected: PeerId,
    ) -> Result<Dialling, Error> {
        let listener = self.listener_for(remote.ip()).ok_or(Error::NoListener)?;
        let socket = Arc::clone(listener.socket());
        self.waiting.retain(|_, waiting| !waiting.is_canceled());
        if self.waiting.contains_key(&remote) {
            return Err(Error::HolePunchInProgress(remote));
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(remote, sender);
        let punching = punch(socket, remote, self.settings.handshake_timeout);
        Ok(async move {
            let connecting = match select(receiver, std::pin::pin!(punching)).await {
                Either::Left((Ok(connecting), _)) => connecting,
                // The transport is gone, and its listeners with it.
                Either::Left((Err(oneshot::Canceled), _)) => return Err(Error::NoListener),
                Either::Right((error, _)) => return Err(error),
            };
            let (peer, connection) = connecting.await?;
            if peer != expected {
                // The swarm compares, too, and refuses the dial.
                tracing::warn!(%remote, %expected, %peer, "another peer came through the hole");
            }
            Ok((peer, connection))
        }
        .boxed())
    }

    /// Gives a connection to the dial that waits for it; any other is an event.
    fn pass_on(&mut self, event: Event) -> Option<Event> {
        let TransportEvent::Incoming {
            listener_id,
            upgrade,
            local_addr,
            send_back_addr,
        } = event
        else {
            return Some(event);
        };
        let upgrade = match socket_address(&send_back_addr)
            .and_then(|(remote, _)| self.waiting.remove(&remote))
        {
            Some(waiting) => waiting.send(upgrade).err()?,
            None => upgrade,
        };
        Some(TransportEvent::Incoming {
            listener_id,
            upgrade,
            local_addr,
            send_back_addr,
        })
    }
}

/// Where the dialer of an address family is kept.
fn family(ip: IpAddr) -> usize {
    usize::from(ip.is_ipv6())
}

impl Transport for QuicTransport {
    type Output = (PeerId, Connection);
    type Error = Error;
    type ListenerUpgrade = Connecting;
    type Dial = Dialling;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Error>> {
        let (local, _) =
            socket_address(&address).ok_or(TransportError::MultiaddrNotSupported(address))?;
        let server = self.config()?.server;
        let socket = self.network.bind(local).map_err(Error::from)?;
        let interfaces = local
            .ip()
            .is_unspecified()
            .then(|| self.network.interfaces());
        let interfaces = interfaces.transpose().map_err(Error::from)?;
        let endpoint = self.endpoint(Arc::clone(&socket), Some(server))?;
        let terms = self.terms();
        let listener = Listener::new(id, endpoint, socket, interfaces, terms);
        self.listeners.push(listener.map_err(Error::from)?);
        // From now on dials leave from the listener's port. The endpoint that they
        // shared ends with its last connection.
        self.dialers[family(local.ip())] = None;
        self.waker.take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let mut listeners = self.listeners.iter_mut();
        listeners
            .find(|listener| listener.id() == id)
            .is_some_and(Listener::close)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Dialling, TransportError<Error>> {
        let Some((remote, peer)) = socket_address(&address)
            .filter(|(remote, _)| remote.port() != 0 && !remote.ip().is_unspecified())
        else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        Ok(match (options.role, options.port_use) {
            (Role::Dialer, _) | (Role::Listener, PortUse::Reuse) => {
                self.connect(remote, options.port_use)?
            }
            (Role::Listener, PortUse::New) => {
                let peer = peer.ok_or(TransportError::MultiaddrNotSupported(address))?;
                self.await_connection(remote, peer)?
            }
        })
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        while let Poll::Ready(Some(event)) = self.listeners.poll_next_unpin(cx) {
            if let Some(event) = self.pass_on(event) {
                return Poll::Ready(event);
            }
        }
        if !self
            .waker
            .as_ref()
            .is_some_and(|own| own.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for QuicTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTransport")
            .field("listeners", &self.listeners)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
