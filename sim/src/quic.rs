//! UDP sockets of simulated hosts, as quinn wants them.
//!
//! Owns the translation only. What a socket of Linux would do for quinn-udp, this one
//! does: it serves one address family, splits no datagrams, and does not tell of those
//! that were refused on their way.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use crate::kernel::HostId;
use crate::net::udp::{Received, UdpSocket};

/// Binds `local` of `host` for quinn: one of its addresses or an unspecified one, and a
/// port or 0 for a free one. Of a host with several interfaces, what answers a datagram leaves
/// from the address to which that came.
///
/// # Errors
/// `AddrNotAvailable` if the host has no such address; `AddrInUse`; `NetworkDown` if
/// the host is down.
pub fn bind(host: HostId, local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = if local.ip().is_unspecified() {
        UdpSocket::bind(host, local.port())?
    } else {
        UdpSocket::bind_at(host, local.ip(), local.port())?
    };
    let local = SocketAddr::new(local.ip(), socket.port());
    Ok(Arc::new(QuicSocket { socket, local }))
}

#[derive(Debug)]
struct QuicSocket {
    socket: UdpSocket,
    local: SocketAddr,
}

impl QuicSocket {
    /// The next datagram of this socket's family. Those of the other find no socket
    /// on Linux, where one of IPv6 is bound for IPv6 only.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        loop {
            let received = std::task::ready!(self.socket.poll_receive(cx))?;
            if received.from.is_ipv4() == self.local.is_ipv4() {
                return Poll::Ready(Ok(received));
            }
        }
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let length = transmit.segment_size.unwrap_or(transmit.contents.len());
        for datagram in transmit.contents.chunks(length.max(1)) {
            let payload = Bytes::copy_from_slice(datagram);
            let to = transmit.destination;
            let sent = match transmit.src_ip {
                Some(from) => self.socket.send_from(from, to, payload),
                None => self.socket.send_to(to, payload),
            };
            match sent {
                // As quinn-udp: a probe of the MTU that does not fit is one that is lost.
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {}
                // And what finds no way is lost: it may find one again before the connection ends.
                Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            match self.poll_next(cx) {
                Poll::Ready(Ok(Received { from, to, payload })) => {
                    // What is longer than the buffer is cut, as by `recvmsg`.
                    let length = payload.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&payload[..length]);
                    *meta = RecvMeta {
                        addr: from,
                        len: length,
                        stride: length,
                        ecn: None,
                        dst_ip: to,
                    };
                    count += 1;
                }
                Poll::Ready(Err(error)) if count == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// Sending never blocks: what finds no room is dropped on the link.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
