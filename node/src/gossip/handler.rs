//! One connection of a group's peer: libp2p's handler says what is to be said, as long as this
//! connection is the one to speak on; what the peer says is read here.
//!
//! libp2p-gossipsub 0.50.1 closes its half of a stream at the first transmission that it does not
//! take, be it too large or wrong. A sender on Yamux never learns of that and writes on, so nothing
//! that it says is heard any more while the connection lives. It also takes two transmissions that
//! arrive together for one that is too large. So inbound streams are kept from libp2p's handler:
//! what it would not take is left out and told of, and the stream goes on. Messages of topics that were
//! not joined are taken out before libp2p verifies them, and a peer that says too much is not read for a while.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use asynchronous_codec::{Decoder, Encoder, Framed};
use futures::future::Either;
use futures::{AsyncRead, FutureExt};
use futures_timer::Delay;
use libp2p::Stream;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandlerEvent, FullyNegotiatedInbound, InboundUpgradeSend,
};
use libp2p::swarm::{
    ConnectionHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
};

use super::Gossipsub;
use super::budget::Budget;
use super::frames::{Frame, Frames, NoFrame};
use super::sift::{Joined, Sifted, sift};
use crate::named::named;

/// Streams that a peer may open on one connection, one after the other.
const STREAMS_MAX: u32 = 32;

/// Bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;

/// libp2p's handler.
type Inner = THandler<Gossipsub>;

/// What libp2p's handler tells its behaviour.
pub(super) type InnerEvent = THandlerOutEvent<Gossipsub>;

/// What an inbound stream of libp2p's handler is made of.
trait Upgraded {
    /// Reads transmissions.
    type Codec;
    /// A version of the protocol.
    type Kind;
}

impl<C, K> Upgraded for Either<(Framed<Stream, C>, K), Infallible> {
    type Codec = C;
    type Kind = K;
}

type UpgradedStream = <<Inner as ConnectionHandler>::InboundProtocol as InboundUpgradeSend>::Output;

/// Reads transmissions.
type Codec = <UpgradedStream as Upgraded>::Codec;

/// A version of the protocol.
type Kind = <UpgradedStream as Upgraded>::Kind;

/// Whether a connection is the one on which its peer is spoken to, as the behaviour decides, and whether
/// the peer is a friend's.
#[derive(Debug, Default)]
pub struct Voice {
    speaks: AtomicBool,
    trusted: AtomicBool,
    /// Whether a stream for it has been opened.
    opened: AtomicBool,
}

impl Voice {
    /// A voice that speaks, or does not, to a friend or a known node, or a stranger.
    pub fn new(speaks: bool, trusted: bool) -> Self {
        Self {
            speaks: speaks.into(),
            trusted: trusted.into(),
            opened: false.into(),
        }
    }

    /// Lets the connection speak from now on, or keeps it from doing so.
    pub fn set(&self, speaks: bool) {
        self.speaks.store(speaks, Ordering::Release);
    }

    /// Takes the peer for a friend or a known node, or for a stranger.
    pub fn trusts(&self, trusted: bool) {
        self.trusted.store(trusted, Ordering::Release);
    }

    fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Acquire)
    }

    /// Whether the connection speaks.
    pub fn speaks(&self) -> bool {
        self.speaks.load(Ordering::Acquire)
    }

    /// Whether it has had a stream to speak on. With one, it is woken by what there is to say.
    pub fn has_opened(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }
}

named! {
    /// Why a transmission was not taken.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Refusal {
        /// It is larger than `gossip.max_message_bytes`.
        TooLarge = "too-large",
        /// It is not as the protocol wants it, or holds nothing, or more than we take at once.
        Unreadable = "unreadable",
        /// Messages in it are not signed, or not as the protocol wants them. Others in it are taken.
        Invalid = "invalid",
    }
}

/// What the handler tells the behaviour.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are of the large one, and the node puts events of groups in boxes"
)]
pub enum HandlerEvent {
    /// What libp2p's handler would.
    Inner(InnerEvent),
    /// A transmission of so many bytes was left out.
    Refused(Refusal, u64),
    /// What the peer sends are no transmissions: its stream was reset. It may open another.
    Reset,
    /// The peer has opened more streams than it may: this one was reset.
    TooManyStreams,
    /// The peer has said so much that it is not read for a while.
    Waits,
}

/// One connection.
pub struct Handler {
    inner: Inner,
    voice: Arc<Voice>,
    heard: Option<Heard>,
    /// Streams that the peer has opened.
    streams: u32,
    /// Largest transmission, its length included.
    bytes_max: usize,
    joined: Arc<Joined>,
    /// What the peer may say, over whatever streams.
    budget: Budget,
    /// Until when it is not read.
    wait: Option<Delay>,
    told: VecDeque<HandlerEvent>,
}

/// A stream on which the peer speaks.
struct Heard {
    stream: Stream,
    codec: Codec,
    frames: Frames,
    /// A transmission that has come, and has not been counted yet.
    next: Option<Transmission>,
}

/// What a peer has sent at once.
enum Transmission {
    /// Messages and what is said of meshes, perhaps without some messages.
    Sifted(Sifted),
    /// It is left out, as the peer is told to be.
    Refused(Refusal, u64),
}

impl Transmission {
    fn of(frame: Frame, joined: &Joined) -> Self {
        let frame = match frame {
            Frame::Whole(frame) => frame,
            Frame::TooLarge(bytes) => return Self::Refused(Refusal::TooLarge, bytes),
        };
        let bytes = frame.len() as u64;
        match sift(frame, joined) {
            Ok(sifted) => Self::Sifted(sifted),
            Err(error) => {
                tracing::debug!(%error, "a transmission cannot be read");
                Self::Refused(Refusal::Unreadable, bytes)
            }
        }
    }

    /// Messages whose signatures are to be verified.
    fn messages(&self) -> u32 {
        match self {
            Self::Sifted(sifted) => sifted.messages,
            Self::Refused(..) => 0,
        }
    }
}

impl Heard {
    /// What has come next, without it being taken; nothing once the peer has ended the stream.
    fn poll_next(
        &mut self,
        joined: &Joined,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<&Transmission>, NoFrame>> {
        while self.next.is_none() {
            if let Some(frame) = self.frames.next()? {
                self.next = Some(Transmission::of(frame, joined));
                break;
            }
            let mut bytes = [0; READ_BYTES];
            match Pin::new(&mut self.stream).poll_read(cx, &mut bytes) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(read)) => self.frames.add(&bytes[..read]),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(self.next.as_ref()))
    }

    /// Reads what has come; nothing where nothing is left of it.
    fn take(&mut self) -> Option<HandlerEvent> {
        let sifted = match self.next.take()? {
            Transmission::Sifted(sifted) => sifted,
            Transmission::Refused(why, bytes) => return Some(HandlerEvent::Refused(why, bytes)),
        };
        let mut frame = sifted.frame?;
        let bytes = frame.len() as u64;
        Some(match self.codec.decode(&mut frame) {
            Ok(Some(event)) => HandlerEvent::Inner(event),
            Ok(None) => HandlerEvent::Refused(Refusal::Unreadable, bytes),
            Err(error) => {
                tracing::debug!(%error, "a transmission cannot be read");
                HandlerEvent::Refused(Refusal::Unreadable, bytes)
            }
        })
    }
}

impl Handler {
    /// The handler of a connection for which libp2p has `inner`; transmissions have `bytes_max`
    /// bytes at most, and messages are of topics that were `joined`.
    pub fn new(inner: Inner, voice: Arc<Voice>, bytes_max: usize, joined: Arc<Joined>) -> Self {
        Self {
            inner,
            voice,
            heard: None,
            streams: 0,
            bytes_max,
            joined,
            budget: Budget::default(),
            wait: None,
            told: VecDeque::new(),
        }
    }

    /// What the peer says next that is of use.
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<HandlerEvent> {
        loop {
            if let Some(wait) = &mut self.wait {
                futures::ready!(wait.poll_unpin(cx));
                self.wait = None;
            }
            let Some(heard) = &mut self.heard else {
                return Poll::Pending;
            };
            let messages = match futures::ready!(heard.poll_next(&self.joined, cx)) {
                Ok(Some(next)) => next.messages(),
                Ok(None) => {
                    self.heard = None;
                    return Poll::Pending;
                }
                Err(NoFrame) => {
                    // Dropped rather than closed: a peer whose stream is reset notices at its next
                    // word, one that has not read our end never does.
                    self.heard = None;
                    return Poll::Ready(HandlerEvent::Reset);
                }
            };
            let trusted = self.voice.is_trusted();
            if let Err(wait) = self.budget.spend(messages, trusted, Instant::now()) {
                self.wait = Some(Delay::new(wait));
                return Poll::Ready(HandlerEvent::Waits);
            }
            if let Some(told) = heard.take() {
                return Poll::Ready(told);
            }
        }
    }

    /// The peer has opened a stream. It takes the place of the last.
    fn hear(&mut self, framed: Framed<Stream, Codec>, kind: Kind)
    where
        Codec: Decoder + Encoder,
    {
        self.streams += 1;
        if self.streams > STREAMS_MAX {
            // HandlerEvent once: what a peer does over and over must not fill a queue.
            if self.streams == STREAMS_MAX + 1 {
                self.told.push_back(HandlerEvent::TooManyStreams);
            }
            return;
        }
        if self.streams == 1 {
            self.told
                .push_back(HandlerEvent::Inner(InnerEvent::PeerKind(kind)));
        }
        let parts = framed.into_parts();
        self.heard = Some(Heard {
            stream: parts.io,
            codec: parts.codec,
            frames: Frames::new(parts.read_buffer, self.bytes_max),
            next: None,
        });
    }
}

impl ConnectionHandler for Handler {
    /// What libp2p's handler is told; nothing only has the handler polled.
    type FromBehaviour = Option<THandlerInEvent<Gossipsub>>;
    type ToBehaviour = HandlerEvent;
    type InboundProtocol = <Inner as ConnectionHandler>::InboundProtocol;
    type OutboundProtocol = <Inner as ConnectionHandler>::OutboundProtocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), HandlerEvent>> {
        if let Some(told) = self.told.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
        }
        // All connections with a peer take what there is to say out of one queue.
        if self.voice.speaks()
            && let Poll::Ready(event) = self.inner.poll(cx)
        {
            return Poll::Ready(event.map_custom(HandlerEvent::Inner));
        }
        self.poll_heard(cx)
            .map(ConnectionHandlerEvent::NotifyBehaviour)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<HandlerEvent>> {
        let polled = self.inner.poll_close(cx);
        polled.map(|event| event.map(HandlerEvent::Inner))
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        if let Some(event) = event {
            self.inner.on_behaviour_event(event);
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: Either::Left((framed, kind)),
                ..
            }) => self.hear(framed, kind),
            event => {
                if matches!(event, ConnectionEvent::FullyNegotiatedOutbound(_)) {
                    self.voice.opened.store(true, Ordering::Release);
                }
                self.inner.on_connection_event(event);
            }
        }
    }
}
