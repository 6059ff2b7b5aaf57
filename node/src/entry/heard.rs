//! Byte streams of others that tell when their first byte has come.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::transport::{DialOpts, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};

use crate::forward::forward_to;

/// Whether something has come on a connection.
pub type Sign = Arc<AtomicBool>;

/// The sign of the stream that has just come in, for the anteroom, which is asked after the wire
/// has told of it and before anything else comes.
#[derive(Debug, Clone, Default)]
pub struct Arrivals(Arc<Mutex<Option<Sign>>>);

impl Arrivals {
    fn put(&self, sign: Sign) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sign);
    }

    /// The sign of the stream that came in last, if it has not been taken.
    pub fn take(&self) -> Option<Sign> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A stream that gives a sign with its first byte.
pub struct Heard<S> {
    stream: S,
    sign: Option<Sign>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.sign.is_some()
            && matches!(read, Poll::Ready(Ok(1..)))
            && let Some(sign) = self.sign.take()
        {
            sign.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// A transport of byte streams that gives a sign of each that comes in.
pub struct Listening<T> {
    inner: T,
    arrivals: Arrivals,
}

impl<T> Listening<T> {
    /// `inner`, whose streams give signs to `arrivals`.
    pub fn new(inner: T, arrivals: Arrivals) -> Self {
        Self { inner, arrivals }
    }
}

/// A stream that is being made.
pub struct Hearing<F> {
    making: F,
    sign: Option<Sign>,
}

impl<S, E, F: Future<Output = Result<S, E>> + Unpin> Future for Hearing<F> {
    type Output = Result<Heard<S>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let made = std::task::ready!(Pin::new(&mut self.making).poll(cx));
        let sign = self.sign.take();
        Poll::Ready(made.map(|stream| Heard { stream, sign }))
    }
}

impl<T> Transport for Listening<T>
where
    T: Transport + Unpin,
    T::ListenerUpgrade: Unpin,
    T::Dial: Unpin,
{
    type Output = Heard<T::Output>;
    type Error = T::Error;
    type ListenerUpgrade = Hearing<T::ListenerUpgrade>;
    type Dial = Hearing<T::Dial>;

    forward_to!(inner: listening);

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<T::Error>> {
        let making = self.inner.dial(address, options)?;
        Ok(Hearing { making, sign: None })
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, T::Error>> {
        let polled = Pin::new(&mut self.inner).poll(cx);
        let arrivals = &self.arrivals;
        polled.map(|event| {
            event.map_upgrade(|making| {
                let sign = Sign::default();
                arrivals.put(Arc::clone(&sign));
                let sign = Some(sign);
                Hearing { making, sign }
            })
        })
    }
}
