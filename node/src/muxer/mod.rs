//! Yamux as the node has it: what a peer may leave unread is bounded, in bytes and in frames.
//!
//! libp2p-yamux 0.48 has windows grow up to 1 GiB a connection, at a speed that the peer decides, who answers the
//! pings by which round trips are measured; and it does not show substreams' numbers. So this uses yamux
//! itself. Owns how far windows grow and that frames are counted; the protocol is yamux's.

mod guard;
mod unread;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::iter::{Once, once};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Config, Connection, ConnectionError, DEFAULT_CREDIT, Mode};

use crate::outlet::Outlet;
use guard::Guarded;
use unread::Unread;

const PROTOCOL: &str = "/yamux/1.0.0";
/// What the windows of a connection may grow by, all together: one substream may have 2 MiB, which carries 160
/// Mbit/s over a round trip of 100 ms.
const GROWTH_BYTES: usize = 7 * DEFAULT_CREDIT as usize;
/// Substreams of others that wait to be taken; of more the newest are reset, as libp2p-yamux does.
const WAITING_MAX: usize = 256;

/// Makes Yamux connections.
#[derive(Clone)]
pub struct Muxing {
    substreams_max: usize,
    outlet: Outlet,
}

impl Muxing {
    /// Those with up to so many substreams; bounds that peers reach are told to `outlet`.
    pub fn new(substreams_max: usize, outlet: Outlet) -> Self {
        Self {
            substreams_max,
            outlet,
        }
    }

    fn muxer<C>(self, below: C, mode: Mode) -> Muxer<C>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = Config::default();
        config.set_max_num_streams(self.substreams_max);
        let least = self.substreams_max * DEFAULT_CREDIT as usize;
        config.set_max_connection_receive_window(Some(least + GROWTH_BYTES));
        let unread = Arc::new(Mutex::new(Unread::new(self.substreams_max)));
        let below = Guarded::new(below, Arc::clone(&unread), self.outlet);
        Muxer {
            connection: Connection::new(below, config, mode),
            unread,
            waiting: VecDeque::new(),
            waker: None,
        }
    }
}

impl UpgradeInfo for Muxing {
    type Info = &'static str;
    type InfoIter = Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        once(PROTOCOL)
    }
}

impl<C> InboundConnectionUpgrade<C> for Muxing
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Muxer<C>, Infallible>>;

    fn upgrade_inbound(self, below: C, _: Self::Info) -> Self::Future {
        ready(Ok(self.muxer(below, Mode::Server)))
    }
}

impl<C> OutboundConnectionUpgrade<C> for Muxing
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Muxer<C>, Infallible>>;

    fn upgrade_outbound(self, below: C, _: Self::Info) -> Self::Future {
        ready(Ok(self.muxer(below, Mode::Client)))
    }
}

/// A Yamux connection.
pub struct Muxer<C> {
    connection: Connection<Guarded<C>>,
    unread: Arc<Mutex<Unread>>,
    /// Substreams of the other end that came up while something else was asked for.
    waiting: VecDeque<Substream>,
    /// Who waits for one of them.
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Substream, ConnectionError>> {
        let next = ready!(self.connection.poll_next_inbound(cx));
        let stream = next.unwrap_or(Err(ConnectionError::Closed));
        Poll::Ready(stream.map(|stream| Substream::new(stream, &self.unread)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Substream;
    type Error = ConnectionError;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Substream, ConnectionError>> {
        let this = self.get_mut();
        if let Some(stream) = this.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = this.next(cx);
        if next.is_pending() {
            this.waker = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Substream, ConnectionError>> {
        let this = self.get_mut();
        let stream = ready!(this.connection.poll_new_outbound(cx))?;
        Poll::Ready(Ok(Substream::new(stream, &this.unread)))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.get_mut().connection.poll_close(cx)
    }

    /// Everything else on a connection happens while it is asked for the next substream of the other end.
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        let this = self.get_mut();
        let stream = ready!(this.next(cx))?;
        if this.waiting.len() < WAITING_MAX {
            this.waiting.push_back(stream);
            if let Some(waker) = this.waker.take() {
                waker.wake();
            }
        }
        // Others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A substream whose frames are counted until they are read.
pub struct Substream {
    stream: yamux::Stream,
    unread: Arc<Mutex<Unread>>,
}

impl Substream {
    fn new(stream: yamux::Stream, unread: &Arc<Mutex<Unread>>) -> Self {
        let unread = Arc::clone(unread);
        let new = Self { stream, unread };
        new.unread().opened(new.number());
        new
    }

    fn number(&self) -> u32 {
        self.stream.id().val()
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Substream {
    fn drop(&mut self) {
        self.unread().closed(self.number());
    }
}

impl AsyncRead for Substream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.unread().read(this.number(), bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for Substream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests;
