//! Sockets of simulated hosts.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{TcpListener, TcpStream};
use orrery_sim::tcp::Stats;
use orrery_sim::{HostId, host};

use super::SimBed;
use crate::testbed::{Connection, Datagrams, Listener, Sockets};

impl Sockets for SimBed {
    fn v4(&self, host: u32) -> Ipv4Addr {
        host::v4(HostId(host))
    }

    fn v6(&self, host: u32) -> Ipv6Addr {
        host::v6(HostId(host))
    }

    fn bind_udp(&self, host: u32, port: u16) -> io::Result<Box<dyn Datagrams>> {
        Ok(Box::new(UdpSocket::bind(HostId(host), port)?))
    }

    fn listen(&self, host: u32, port: u16) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(TcpListener::bind(HostId(host), port)?))
    }

    fn connect(
        &self,
        host: u32,
        to: SocketAddr,
        port: Option<u16>,
    ) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let connecting = TcpStream::connect(HostId(host), to, port);
        async move { Ok(Box::new(connecting.await?) as Box<dyn Connection>) }.boxed()
    }
}

impl Datagrams for UdpSocket {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SocketAddr, Bytes)>> {
        self.poll_recv_from(cx)
    }

    fn send_to(&self, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        Self::send_to(self, to, payload)
    }
}

impl Listener for TcpListener {
    fn port(&self) -> u16 {
        Self::port(self)
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Box<dyn Connection>> {
        Self::poll_accept(self, cx).map(|stream| Box::new(stream) as _)
    }
}

impl Connection for TcpStream {
    fn local(&self) -> SocketAddr {
        Self::local(self)
    }

    fn remote(&self) -> SocketAddr {
        Self::remote(self)
    }

    fn stats(&self) -> Stats {
        Self::stats(self)
    }
}
