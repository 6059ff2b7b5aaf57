//! TCP of the operating system, on ports that no other program listens on.
//!
//! libp2p lets its listeners share their ports, because dials that punch holes go out of them. Of two
//! programs of one user that listen on one port, either then gets the connections that are meant for
//! the other. So a port is asked for without sharing first. And libp2p dials the end of an address, whatever
//! stands before it; here all of it is read. Owns these questions; all else is libp2p's.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport, tcp};
use socket2::{Domain, Protocol as Carrier, Socket, Type};

use crate::shape::is_tcp;

/// libp2p's TCP, which listens on no port of another program's.
pub struct OwnPorts {
    tcp: tcp::tokio::Transport,
    /// Where we listen ourselves: addresses of ours may have one port.
    listening: Vec<(ListenerId, SocketAddr)>,
}

impl OwnPorts {
    /// TCP as `config` has it.
    pub fn new(config: tcp::Config) -> Self {
        Self {
            tcp: tcp::tokio::Transport::new(config),
            listening: Vec::new(),
        }
    }

    /// Whether we listen on the port of `address` already, by the same kind of IP.
    fn has_port_of(&self, address: SocketAddr) -> bool {
        let mut own = self.listening.iter();
        own.any(|(_, own)| own.port() == address.port() && own.is_ipv4() == address.is_ipv4())
    }
}

impl Transport for OwnPorts {
    type Output = <tcp::tokio::Transport as Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <tcp::tokio::Transport as Transport>::ListenerUpgrade;
    type Dial = <tcp::tokio::Transport as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let asked = socket_address(&address);
        if let Some(asked) = asked
            && !self.has_port_of(asked)
        {
            is_free(asked).map_err(TransportError::Other)?;
        }
        self.tcp.listen_on(id, address)?;
        self.listening.extend(asked.map(|asked| (id, asked)));
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.tcp.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        // libp2p reads an address from its end, and ignores what stands before.
        if !is_tcp(&address) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.tcp.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = Pin::new(&mut self.tcp).poll(cx);
        if let Poll::Ready(TransportEvent::ListenerClosed { listener_id, .. }) = &event {
            self.listening.retain(|(id, _)| id != listener_id);
        }
        event
    }
}

/// The address of `/ip4|ip6/…/tcp/…`; libp2p refuses what is none. Port 0 takes a free one by itself.
fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port != 0 => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// Whether nothing listens at `address`, or at an address that takes it in. Connections out of its
/// port, and those that have ended lately, do not matter. Two programs that ask at the same instant
/// may both be told that it is free.
///
/// # Errors
/// `AddrInUse`, and what else the system says of the address.
fn is_free(address: SocketAddr) -> io::Result<()> {
    let kind = Domain::for_address(address);
    let socket = Socket::new(kind, Type::STREAM, Some(Carrier::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::poll_fn;
    use libp2p::core::Endpoint;
    use libp2p::core::transport::PortUse;

    fn tcp() -> OwnPorts {
        OwnPorts::new(tcp::Config::default())
    }

    fn listen(tcp: &mut OwnPorts, address: &str) -> Result<ListenerId, io::ErrorKind> {
        let id = ListenerId::next();
        let address = address.parse().expect("the test lists multiaddrs");
        match tcp.listen_on(id, address) {
            Ok(()) => Ok(id),
            Err(TransportError::Other(error)) => Err(error.kind()),
            Err(TransportError::MultiaddrNotSupported(_)) => Err(io::ErrorKind::Unsupported),
        }
    }

    async fn event(
        tcp: &mut OwnPorts,
    ) -> TransportEvent<<OwnPorts as Transport>::ListenerUpgrade, io::Error> {
        poll_fn(|cx| Pin::new(&mut *tcp).poll(cx)).await
    }

    #[tokio::test]
    async fn of_two_programs_only_the_first_gets_a_port() {
        let (mut first, mut second) = (tcp(), tcp());
        listen(&mut first, "/ip4/127.0.0.1/tcp/0").expect("any port is free");
        let TransportEvent::NewAddress { listen_addr, .. } = event(&mut first).await else {
            panic!("the first thing told is the address");
        };
        let taken = listen_addr.to_string();
        let anywhere = taken.replace("127.0.0.1", "0.0.0.0");
        for address in [&taken, &anywhere] {
            assert_eq!(listen(&mut second, address), Err(io::ErrorKind::AddrInUse));
        }
        drop(first);
        let listener = listen(&mut second, &taken).expect("it is free again");
        listen(&mut second, &anywhere).expect("addresses of one program may share a port");
        assert!(second.remove_listener(listener));
        while second.listening.iter().any(|(id, _)| *id == listener) {
            event(&mut second).await;
        }
    }

    #[tokio::test]
    async fn no_address_is_dialled_by_its_end_alone() {
        let (mut here, mut tcp) = (tcp(), tcp());
        listen(&mut here, "/ip4/127.0.0.1/tcp/0").expect("any port is free");
        let TransportEvent::NewAddress { listen_addr, .. } = event(&mut here).await else {
            panic!("the first thing told is the address");
        };
        let mut dials = |address: &str| {
            let options = DialOpts {
                role: Endpoint::Dialer,
                port_use: PortUse::New,
            };
            tcp.dial(address.parse().expect("a multiaddr"), options)
                .is_ok()
        };
        let peer = "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        for before in ["/ip4/198.51.100.1", "/ip6zone/x", peer] {
            assert!(!dials(&format!("{before}{listen_addr}")), "{before}");
        }
        assert!(dials(&listen_addr.to_string()));
        assert!(dials(&format!("{listen_addr}{peer}")));
    }

    #[test]
    fn only_fixed_ports_of_plain_tcp_are_asked_for() {
        let check = |text: &str, expected: Option<&str>| {
            let address = text.parse().expect("the test lists multiaddrs");
            let expected = expected.map(|text| text.parse().expect("and addresses"));
            assert_eq!(socket_address(&address), expected, "{text}");
        };
        check("/ip4/192.0.2.1/tcp/4150", Some("192.0.2.1:4150"));
        check("/ip6/::/tcp/4150", Some("[::]:4150"));
        check("/ip4/192.0.2.1/tcp/0", None);
        check("/ip4/192.0.2.1/udp/4150/quic-v1", None);
        check("/dns4/example.net/tcp/4150", None);
    }
}
