//! Local networks of the operating system, for the node's own local discovery.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::BoxStream;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::config::{Mdns, MdnsImplementation};
use crate::discovery::local::{GROUP, LocalDiscovery, LocalNetwork, LocalSocket};
use crate::quic::{InterfaceChange, UdpNetwork};

use super::quic::SystemUdp;

/// The port of multicast DNS.
const PORT: u16 = 5353;
/// How far packets to the group may go; the group's addresses never leave a network
/// (RFC 6762 §11).
const HOPS: u32 = 255;

/// Local discovery as `config` has it.
pub(super) fn local(config: &Mdns) -> LocalDiscovery {
    match config.implementation {
        MdnsImplementation::Stock => LocalDiscovery::Stock,
        MdnsImplementation::Own => LocalDiscovery::Own(Arc::new(SystemLan)),
    }
}

/// The operating system's networks, on the tokio runtime of whoever uses them.
pub struct SystemLan;

impl LocalNetwork for SystemLan {
    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        // On its own a machine has nobody to find.
        let others = |change: &io::Result<InterfaceChange>| {
            let ip = match change {
                Ok(InterfaceChange::Up(ip) | InterfaceChange::Down(ip)) => Some(ip),
                Err(_) => None,
            };
            let kept = ip.is_none_or(|ip| !ip.is_loopback());
            futures::future::ready(kept)
        };
        Ok(SystemUdp.interfaces()?.filter(others).boxed())
    }

    fn open(&self, interface: Ipv4Addr) -> io::Result<Box<dyn LocalSocket>> {
        let receive = udp()?;
        // Every program of a machine that speaks multicast DNS holds the port.
        receive.set_reuse_address(true)?;
        receive.set_reuse_port(true)?;
        receive.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
        // Otherwise it would hear of groups that others have joined, on other networks.
        receive.set_multicast_all_v4(false)?;
        receive.join_multicast_v4(&GROUP, &interface)?;
        let send = udp()?;
        send.bind(&SocketAddr::from((interface, 0)).into())?;
        send.set_multicast_if_v4(&interface)?;
        send.set_multicast_loop_v4(true)?;
        send.set_multicast_ttl_v4(HOPS)?;
        Ok(Box::new(SystemSocket {
            receive: UdpSocket::from_std(receive.into())?,
            send: UdpSocket::from_std(send.into())?,
        }))
    }
}

fn udp() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

struct SystemSocket {
    receive: UdpSocket,
    send: UdpSocket,
}

impl LocalSocket for SystemSocket {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let received = self.receive.poll_recv_from(cx, &mut buffer);
        received.map_ok(|from| (buffer.filled().len(), from))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<()>> {
        let group = SocketAddr::V4(SocketAddrV4::new(GROUP, PORT));
        let sent = self.send.poll_send_to(cx, packet, group);
        sent.map_ok(|_| ())
    }
}
