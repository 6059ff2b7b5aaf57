//! A libp2p transport over the simulated TCP, in place of libp2p-tcp.
//!
//! It has the same addresses, listener events and port use as the stock one
//! (libp2p-tcp 0.45) and nothing else: security and multiplexing are the node's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Ready, ready};
use futures::{FutureExt, Stream};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;

use crate::kernel::HostId;
use crate::listeners::{Event, Listeners, Listening};
use crate::net::{AddressChange, Interfaces, TcpListener, TcpStream, multihomed};

/// The TCP transport of one host.
pub struct SimTcp {
    host: HostId,
    listeners: Listeners<SimListener>,
}

struct SimListener {
    socket: TcpListener,
    /// The address that was asked for; it may be unspecified.
    ip: IpAddr,
    /// Watched where it is: then the host's addresses are those of the listener.
    interfaces: Option<Interfaces>,
}

impl SimListener {
    /// What is to be told of the listener's addresses.
    fn poll_interfaces(
        &mut self,
        listener_id: ListenerId,
        cx: &mut Context<'_>,
    ) -> Poll<Event<TcpStream>> {
        let Some(interfaces) = &mut self.interfaces else {
            return Poll::Pending;
        };
        // There are as many changes as addresses before it waits.
        while let Poll::Ready(Some(change)) = Pin::new(&mut *interfaces).poll_next(cx) {
            let (AddressChange::Up(ip) | AddressChange::Down(ip)) = change;
            if ip.is_ipv4() != self.ip.is_ipv4() {
                continue;
            }
            let listen_addr = multiaddr(SocketAddr::new(ip, self.socket.port()));
            return Poll::Ready(match change {
                AddressChange::Up(_) => TransportEvent::NewAddress {
                    listener_id,
                    listen_addr,
                },
                AddressChange::Down(_) => TransportEvent::AddressExpired {
                    listener_id,
                    listen_addr,
                },
            });
        }
        Poll::Pending
    }
}

impl Listening for SimListener {
    type Stream = TcpStream;

    fn poll(&mut self, id: ListenerId, cx: &mut Context<'_>) -> Poll<Event<TcpStream>> {
        if let Poll::Ready(event) = self.poll_interfaces(id, cx) {
            return Poll::Ready(event);
        }
        let accepted = self.socket.poll_accept(cx);
        accepted.map(|stream| TransportEvent::Incoming {
            listener_id: id,
            local_addr: multiaddr(stream.local()),
            send_back_addr: multiaddr(stream.remote()),
            upgrade: ready(Ok(stream)),
        })
    }
}

impl SimTcp {
    /// The transport of `host`.
    pub fn new(host: HostId) -> Self {
        Self {
            host,
            listeners: Listeners::default(),
        }
    }

    /// The port that a dial to `remote` reuses: that of a listener of its family.
    fn port_to_reuse(&self, remote: IpAddr) -> Option<u16> {
        self.listeners
            .iter()
            .find(|listening| listening.ip.is_ipv4() == remote.is_ipv4())
            .map(|listening| listening.socket.port())
    }
}

impl Transport for SimTcp {
    type Output = TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<TcpStream>>;
    type Dial = BoxFuture<'static, io::Result<TcpStream>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let asked = socket_address(&address)
            .ok_or_else(|| TransportError::MultiaddrNotSupported(address))?;
        let (socket, own) = if asked.ip().is_unspecified() {
            let own = multihomed::addresses(self.host, asked.ip());
            (TcpListener::bind(self.host, asked.port()), own)
        } else {
            let socket = TcpListener::bind_at(self.host, asked.ip(), asked.port());
            (socket, vec![asked.ip()])
        };
        let socket = socket.map_err(TransportError::Other)?;
        let port = socket.port();
        let listener = SimListener {
            socket,
            ip: asked.ip(),
            interfaces: asked
                .ip()
                .is_unspecified()
                .then(|| Interfaces::changes_of(self.host)),
        };
        let own = own.into_iter();
        let own = own.map(|ip| multiaddr(SocketAddr::new(ip, port)));
        self.listeners.add(id, listener, own.collect());
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listeners.remove(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let remote = socket_address(&address)
            .filter(|remote| remote.port() != 0 && !remote.ip().is_unspecified())
            .ok_or_else(|| TransportError::MultiaddrNotSupported(address))?;
        let port = match options.port_use {
            PortUse::Reuse => self.port_to_reuse(remote.ip()),
            PortUse::New => None,
        };
        let host = self.host;
        Ok(async move {
            match TcpStream::connect(host, remote, port).await {
                // As libp2p-tcp does when the address cannot be reused.
                Err(error) if port.is_some() && error.kind() == io::ErrorKind::AddrInUse => {
                    TcpStream::connect(host, remote, None).await
                }
                result => result,
            }
        }
        .boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        self.listeners.poll(cx)
    }
}

/// The address of exactly `/ip4|ip6/…/tcp/…`, perhaps followed by a peer id.
pub fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else {
        return None;
    };
    let plain = matches!(parts.next(), None | Some(Protocol::P2p(_))) && parts.next().is_none();
    plain.then(|| SocketAddr::new(ip, port))
}

/// The multiaddr `/ip4|ip6/…/tcp/…` of a socket.
pub fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn only_plain_tcp_addresses_are_ours() {
        let peer = libp2p::PeerId::random();
        let check = |text: String, expected: Option<&str>| {
            let address: Multiaddr = text.parse().expect("the test lists multiaddrs");
            assert_eq!(
                socket_address(&address),
                expected.map(|expected| expected.parse().expect("the test lists addresses")),
                "{text}"
            );
        };
        check("/ip4/11.0.0.1/tcp/4001".into(), Some("11.0.0.1:4001"));
        check(
            "/ip6/2600:b00::1/tcp/4001".into(),
            Some("[2600:b00::1]:4001"),
        );
        check(
            format!("/ip4/11.0.0.1/tcp/4001/p2p/{peer}"),
            Some("11.0.0.1:4001"),
        );
        check(
            format!("/ip4/11.0.0.1/tcp/4001/p2p/{peer}/p2p-circuit"),
            None,
        );
        check("/ip4/11.0.0.1/tcp/4001/ws".into(), None);
        check("/ip4/11.0.0.1/udp/4001/quic-v1".into(), None);
        check("/dns4/example.net/tcp/4001".into(), None);
        assert_eq!(socket_address(&Multiaddr::empty()), None);
        assert_eq!(
            multiaddr(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 1)).to_string(),
            "/ip4/127.0.0.1/tcp/1"
        );
        assert_eq!(
            multiaddr(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 1)).to_string(),
            "/ip6/::1/tcp/1"
        );
    }
}
