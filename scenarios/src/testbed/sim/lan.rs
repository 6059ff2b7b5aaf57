//! The node's local discovery on the LAN segments of simulated hosts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use orrery_node::discovery::local::{GROUP, LocalNetwork, LocalSocket};
use orrery_node::quic::{InterfaceChange, UdpNetwork};
use orrery_sim::HostId;
use orrery_sim::net::udp::UdpSocket;

use super::quic::HostUdp;

/// The port of multicast DNS.
const PORT: u16 = 5353;

/// The networks of a host, one by each interface. Without a segment it has no neighbours.
pub struct HostLan(pub HostId);

impl LocalNetwork for HostLan {
    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        HostUdp(self.0).interfaces()
    }

    fn open(&self, address: Ipv4Addr) -> io::Result<Box<dyn LocalSocket>> {
        let receive = UdpSocket::bind_at(self.0, address.into(), PORT)?;
        receive.join(GROUP.into())?;
        let send = UdpSocket::bind_at(self.0, address.into(), 0)?;
        Ok(Box::new(HostSocket { receive, send }))
    }
}

struct HostSocket {
    receive: UdpSocket,
    send: UdpSocket,
}

impl LocalSocket for HostSocket {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.receive.poll_recv_from(cx).map_ok(|(from, payload)| {
            let length = payload.len().min(buffer.len());
            buffer[..length].copy_from_slice(&payload[..length]);
            (length, from)
        })
    }

    fn poll_send(&mut self, _: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<()>> {
        let group = SocketAddr::from((GROUP, PORT));
        Poll::Ready(self.send.send_to(group, Bytes::copy_from_slice(packet)))
    }
}
