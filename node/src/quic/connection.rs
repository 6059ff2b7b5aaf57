//! A QUIC connection: first a handshake, then a peer and its streams.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, Select, select};
use futures_timer::Delay;
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::tls::certificate;
use quinn::rustls::pki_types::CertificateDer;
use quinn::{ConnectionError, VarInt};

use super::config::Settings;
use super::error::Error;
use super::stream::Stream;
use crate::entry::{Acquaintance, Acquaintances};

/// What a handshake goes by.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) timeout: Duration,
    pub(super) settings: Settings,
    pub(super) acquaintances: Acquaintances,
}

/// A connection whose handshake runs.
#[derive(Debug)]
pub struct Connecting {
    handshake: Select<quinn::Connecting, Delay>,
    terms: Terms,
    /// Counts it among those of its listener.
    place: Option<Arc<()>>,
}

impl Connecting {
    pub(super) fn new(connecting: quinn::Connecting, terms: Terms) -> Self {
        Self {
            handshake: select(connecting, Delay::new(terms.timeout)),
            terms,
            place: None,
        }
    }

    /// The same, with what counts it until it has ended.
    pub(super) fn counted(mut self, place: Arc<()>) -> Self {
        self.place = Some(place);
        self
    }
}

impl Future for Connecting {
    type Output = Result<(PeerId, Connection), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let connection = match ready!(self.handshake.poll_unpin(cx)) {
            Either::Left((connection, _)) => connection?,
            Either::Right(((), _)) => return Poll::Ready(Err(Error::HandshakeTimedOut)),
        };
        let peer = peer_of(&connection)?;
        let (widened, settings) = (connection.clone(), self.terms.settings);
        let widen = move |standing| {
            widened.set_receive_window(settings.window_bytes(standing).into());
        };
        let acquaintance = self.terms.acquaintances.connects(peer, Box::new(widen));
        Poll::Ready(Ok((peer, Connection::new(connection, acquaintance))))
    }
}

/// The peer whose certificate the handshake has verified.
fn peer_of(connection: &quinn::Connection) -> Result<PeerId, Error> {
    let missing = |what: &str| Error::Certificate(what.to_owned());
    let identity = connection
        .peer_identity()
        .ok_or_else(|| missing("there is none"))?;
    let chain: Box<Vec<CertificateDer<'static>>> = identity
        .downcast()
        .map_err(|_| missing("it is none of X.509"))?;
    let certificate = chain.first().ok_or_else(|| missing("there is none"))?;
    let certificate =
        certificate::parse(certificate).map_err(|error| Error::Certificate(error.to_string()))?;
    Ok(certificate.peer_id())
}

type Opening = BoxFuture<'static, Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>>;

/// An established connection, which multiplexes streams.
pub struct Connection {
    inner: quinn::Connection,
    accepting: Option<Opening>,
    opening: Option<Opening>,
    closing: Option<BoxFuture<'static, ConnectionError>>,
    /// By which its window is widened.
    _acquaintance: Acquaintance,
}

impl Connection {
    fn new(inner: quinn::Connection, acquaintance: Acquaintance) -> Self {
        Self {
            inner,
            accepting: None,
            opening: None,
            closing: None,
            _acquaintance: acquaintance,
        }
    }
}

impl StreamMuxer for Connection {
    type Substream = Stream;
    type Error = Error;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let this = self.get_mut();
        let accepting = this.accepting.get_or_insert_with(|| {
            let connection = this.inner.clone();
            async move { connection.accept_bi().await }.boxed()
        });
        let halves = ready!(accepting.poll_unpin(cx))?;
        this.accepting = None;
        Poll::Ready(Ok(Stream::new(halves)))
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let this = self.get_mut();
        let opening = this.opening.get_or_insert_with(|| {
            let connection = this.inner.clone();
            async move { connection.open_bi().await }.boxed()
        });
        let halves = ready!(opening.poll_unpin(cx))?;
        this.opening = None;
        Poll::Ready(Ok(Stream::new(halves)))
    }

    /// Never has news: connections do not migrate.
    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        let closing = this.closing.get_or_insert_with(|| {
            this.inner.close(VarInt::from_u32(0), &[]);
            let connection = this.inner.clone();
            async move { connection.closed().await }.boxed()
        });
        match ready!(closing.poll_unpin(cx)) {
            ConnectionError::LocallyClosed => Poll::Ready(Ok(())),
            error => Poll::Ready(Err(error.into())),
        }
    }
}
