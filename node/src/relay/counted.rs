//! A circuit's byte stream that counts what is sent into it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use libp2p::relay::client::Connection;

use crate::outlet::Outlet;

/// The counter: bytes sent into circuits that end here, Noise and Yamux included.
pub const CIRCUIT_BYTES: &str = "circuit-bytes-sent";

/// Counts what is sent.
pub struct Counted {
    circuit: Connection,
    outlet: Outlet,
}

impl Counted {
    /// Counts in `outlet` what is sent into `circuit`.
    pub fn new(circuit: Connection, outlet: Outlet) -> Self {
        Self { circuit, outlet }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.circuit).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.circuit).poll_write(cx, data))?;
        self.outlet.add(CIRCUIT_BYTES, bytes as u64);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.circuit).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.circuit).poll_close(cx)
    }
}
