//! A libp2p transport over turmoil's TCP, in place of libp2p-tcp.
//!
//! It has the addresses and listener events of the stock one and nothing else: security and
//! multiplexing are the node's. turmoil always dials from a port of its own choice, so ports
//! are never reused.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::{BoxFuture, Ready, ready};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use orrery_sim::listeners::{Event, Listeners, Listening};
use orrery_sim::transport::{multiaddr, socket_address};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

type Accepting = BoxFuture<'static, io::Result<(TcpStream, SocketAddr)>>;

/// The TCP transport of one host. All of it is used on that host alone.
pub struct TurmoilTcp {
    own: Ipv4Addr,
    listeners: Listeners<TurmoilListener>,
}

struct TurmoilListener {
    socket: Arc<TcpListener>,
    local: Multiaddr,
    accepting: Accepting,
}

impl Listening for TurmoilListener {
    type Stream = Stream;

    fn poll(&mut self, listener_id: ListenerId, cx: &mut Context<'_>) -> Poll<Event<Stream>> {
        let accepted = ready!(self.accepting.poll_unpin(cx));
        self.accepting = accept(&self.socket);
        Poll::Ready(match accepted {
            Ok((stream, remote)) => TransportEvent::Incoming {
                listener_id,
                local_addr: self.local.clone(),
                send_back_addr: multiaddr(remote),
                upgrade: ready(Ok(Stream::new(stream))),
            },
            Err(error) => TransportEvent::ListenerError { listener_id, error },
        })
    }
}

impl TurmoilTcp {
    /// The transport of the host whose address is `own`.
    pub fn new(own: Ipv4Addr) -> Self {
        Self {
            own,
            listeners: Listeners::default(),
        }
    }
}

impl Transport for TurmoilTcp {
    type Output = Stream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Stream>>;
    type Dial = BoxFuture<'static, io::Result<Stream>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let asked = socket_address(&address)
            .ok_or_else(|| TransportError::MultiaddrNotSupported(address))?;
        let other = |kind| TransportError::Other(io::Error::from(kind));
        let ours = asked.ip() == self.own || asked.ip() == Ipv4Addr::UNSPECIFIED;
        if !ours {
            return Err(other(io::ErrorKind::AddrNotAvailable));
        }
        // Binding waits for nothing in turmoil.
        let socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, asked.port()))
            .now_or_never()
            .ok_or_else(|| other(io::ErrorKind::WouldBlock))?
            .map_err(TransportError::Other)?;
        let port = socket.local_addr().map_err(TransportError::Other)?.port();
        let local = multiaddr((self.own, port).into());
        let socket = Arc::new(socket);
        let listener = TurmoilListener {
            accepting: accept(&socket),
            socket,
            local: local.clone(),
        };
        self.listeners.add(id, listener, vec![local]);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listeners.remove(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let remote = socket_address(&address)
            .filter(|remote| remote.port() != 0 && remote.is_ipv4())
            .filter(|remote| !remote.ip().is_unspecified())
            .ok_or_else(|| TransportError::MultiaddrNotSupported(address))?;
        Ok(async move { TcpStream::connect(remote).await.map(Stream::new) }.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        self.listeners.poll(cx)
    }
}

fn accept(socket: &Arc<TcpListener>) -> Accepting {
    let socket = Arc::clone(socket);
    async move { socket.accept().await }.boxed()
}

/// A connection, as libp2p reads and writes it.
pub struct Stream {
    socket: TcpStream,
    /// turmoil takes a second end of the sending side for an error.
    closed: bool,
}

impl Stream {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            closed: false,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closed {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }
}
