//! TCP sockets of simulated hosts, as programs hold them.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};

use super::tcp_stack::FlowRef;
use super::{Net, try_with, with};
use crate::kernel::{HostId, Sleeper};
use crate::tcp::{Stats, TcpError};

/// A listening socket of one port, for both address families, of a host or of one of its
/// interfaces.
#[derive(Debug)]
pub struct TcpListener {
    /// The host, or the further interface that it is bound to.
    host: HostId,
    port: u16,
}

impl TcpListener {
    /// Listens on `port` of `host`, or on a free one if it is 0.
    ///
    /// # Errors
    /// `AddrInUse`; `NetworkDown` if the host is down.
    pub fn bind(host: HostId, port: u16) -> io::Result<Self> {
        with(|net| {
            if !net.fabric.is_up(host) {
                return Err(io::ErrorKind::NetworkDown.into());
            }
            let port = net.tcp(host).listen(port, false)?;
            Ok(Self { host, port })
        })
    }

    /// Listens on `port` of the interface of `host` that has the address `ip`: for what comes by
    /// that alone. Of a host with one interface as [`Self::bind`].
    ///
    /// # Errors
    /// As [`Self::bind`]; `AddrNotAvailable` if no interface has it.
    pub fn bind_at(host: HostId, ip: IpAddr, port: u16) -> io::Result<Self> {
        with(|net| {
            if !net.fabric.is_up(host) {
                return Err(io::ErrorKind::NetworkDown.into());
            }
            let interface = net.fabric.interface_with(host, ip);
            let host_has_several = net.fabric.multihomed.has_several(host);
            let host = interface.ok_or(io::ErrorKind::AddrNotAvailable)?;
            let port = net.tcp(host).listen(port, host_has_several)?;
            Ok(Self { host, port })
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next incoming connection.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<TcpStream> {
        with(|net| {
            let Some(flow) = net.tcp_accept(self.host, self.port, cx.waker()) else {
                return Poll::Pending;
            };
            let entry = net.tcp(flow.host).flow_mut(flow);
            entry.map_or(Poll::Pending, |entry| {
                Poll::Ready(TcpStream {
                    flow,
                    local: entry.tcp.local(),
                    remote: entry.tcp.remote(),
                })
            })
        })
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        try_with(|net| net.tcp_unlisten(self.host, self.port));
    }
}

/// One end of a TCP connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct TcpStream {
    flow: FlowRef,
    local: SocketAddr,
    remote: SocketAddr,
}

impl TcpStream {
    /// Connects `host` to `remote`, from `port` if one is given, by the interface that the route
    /// says.
    ///
    /// # Errors
    /// `NetworkDown`; `NetworkUnreachable` if no interface is up; `AddrInUse` if `port` is connected to `remote` already or
    /// no port is free; `ConnectionRefused`, `TimedOut`.
    pub async fn connect(host: HostId, remote: SocketAddr, port: Option<u16>) -> io::Result<Self> {
        let stream = with(|net| {
            let flow = net.tcp_connect(host, remote, port)?;
            let entry = net.tcp(flow.host).flow_mut(flow);
            let local = entry.map(|entry| entry.tcp.local());
            let local = local
                .unwrap_or_else(|| SocketAddr::new(net.fabric.address(flow.host, remote.ip()), 0));
            Ok::<_, io::Error>(Self {
                flow,
                local,
                remote,
            })
        })?;
        poll_fn(|cx| {
            stream.with(|net, flow| {
                let Some(entry) = net.tcp(flow.host).flow_mut(flow) else {
                    return Poll::Ready(Err(lost()));
                };
                if let Some(error) = entry.tcp.error() {
                    return Poll::Ready(Err(into_io(error)));
                }
                if entry.tcp.is_established() {
                    return Poll::Ready(Ok(()));
                }
                entry.writer = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await?;
        Ok(stream)
    }

    /// The address of this end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address of the other end.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// What this end has done so far; nothing if the host lost power since.
    pub fn stats(&self) -> Stats {
        self.with(|net, flow| {
            let entry = net.tcp(flow.host).flow_mut(flow);
            entry.map_or_else(Stats::default, |entry| entry.tcp.stats())
        })
    }

    /// Writes as much of `parts`, one after the other, as the send buffer takes,
    /// and sends it as one write is sent; returns how many bytes. Never waits.
    ///
    /// # Errors
    /// Why the connection ended; `BrokenPipe` after it was shut down.
    pub(crate) fn try_write(&self, parts: &[&[u8]]) -> io::Result<usize> {
        // Destructors of programs write too, when there may be no network any more.
        try_with(|net| {
            let Some(entry) = net.tcp(self.flow.host).flow_mut(self.flow) else {
                return Err(lost());
            };
            if let Some(error) = entry.tcp.error() {
                return Err(into_io(error));
            }
            if !entry.tcp.is_write_open() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let mut written = 0;
            for part in parts {
                let taken = entry.tcp.write(part);
                written += taken;
                if taken < part.len() {
                    break;
                }
            }
            if written > 0 {
                net.tcp_drive(self.flow);
            }
            Ok(written)
        })
        .unwrap_or_else(|| Err(lost()))
    }

    /// Hands over all that was received and not read, as it arrived. True at the
    /// end of the stream; else `waker` is woken when there is more.
    ///
    /// # Errors
    /// Why the connection ended; what was received before is handed over.
    pub(crate) fn take_received(
        &self,
        waker: &Waker,
        mut each: impl FnMut(Bytes),
    ) -> io::Result<bool> {
        self.with(|net, flow| {
            let Some(entry) = net.tcp(flow.host).flow_mut(flow) else {
                return Err(lost());
            };
            let mut any = false;
            while let Some(chunk) = entry.tcp.read_chunk() {
                each(chunk);
                any = true;
            }
            let end = match entry.tcp.error() {
                _ if entry.tcp.eof() => Ok(true),
                Some(error) => Err(into_io(error)),
                None => {
                    entry.reader = Some(Sleeper::new(waker));
                    Ok(false)
                }
            };
            if any {
                // Reading may open the window, which the other side must learn.
                net.tcp_drive(flow);
            }
            end
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Net, FlowRef) -> T) -> T {
        with(|net| f(net, self.flow))
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|net, flow| {
            let Some(entry) = net.tcp(flow.host).flow_mut(flow) else {
                return Poll::Ready(Err(lost()));
            };
            let read = entry.tcp.read(buffer);
            if read > 0 {
                // Reading may open the window, which the other side must learn.
                net.tcp_drive(flow);
                return Poll::Ready(Ok(read));
            }
            if buffer.is_empty() || entry.tcp.eof() {
                return Poll::Ready(Ok(0));
            }
            if let Some(error) = entry.tcp.error() {
                return Poll::Ready(Err(into_io(error)));
            }
            entry.reader = Some(Sleeper::new(cx.waker()));
            Poll::Pending
        })
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|net, flow| {
            let Some(entry) = net.tcp(flow.host).flow_mut(flow) else {
                return Poll::Ready(Err(lost()));
            };
            if let Some(error) = entry.tcp.error() {
                return Poll::Ready(Err(into_io(error)));
            }
            let written = entry.tcp.write(data);
            if written > 0 {
                net.tcp_drive(flow);
                return Poll::Ready(Ok(written));
            }
            if data.is_empty() {
                return Poll::Ready(Ok(0));
            }
            if !entry.tcp.is_write_open() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            entry.writer = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written bytes are on their way; nothing is held back.
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|net, flow| {
            if let Some(entry) = net.tcp(flow.host).flow_mut(flow) {
                entry.tcp.shutdown_write();
                net.tcp_drive(flow);
            }
        });
        Poll::Ready(Ok(()))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        try_with(|net| net.tcp_release(self.flow));
    }
}

/// The host lost the connection with its power.
fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

fn into_io(error: TcpError) -> io::Error {
    let kind = match error {
        TcpError::Refused => io::ErrorKind::ConnectionRefused,
        TcpError::Reset => io::ErrorKind::ConnectionReset,
        TcpError::TimedOut => io::ErrorKind::TimedOut,
        TcpError::Aborted => io::ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, error)
}
