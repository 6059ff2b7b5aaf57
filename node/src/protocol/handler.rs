//! The node's protocols on one connection: the proof of identity, the pulls
//! being answered, and the pulls being made.
//!
//! Owns the conversations of its connection and ends them with it. Decides
//! nothing: what happened goes up to the [behaviour](super::behaviour).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::future::{BoxFuture, Shared};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use futures_timer::Delay;
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, DialUpgradeError,
    FullyNegotiatedInbound, FullyNegotiatedOutbound, StreamUpgradeError, SubstreamProtocol,
};
use libp2p::{PeerId, Stream};

use crate::entry::Origin;
use crate::identity::IdentityId;

use super::auth::{AuthError, Ends, prove};
use super::context::Context;
use super::pull::{self, Asked, PullError, PullOrder, Pulled};
use super::refusal::Reason;
use super::room::{CircuitLimit, Room};
use super::serve::{ServeEnd, refuse, serve};
use super::streams::{AUTH_PROTOCOL, FEED_PROTOCOL, OneOf};

/// Refusals being told at once on one connection; more are not told at all.
const REFUSALS_MAX: usize = 4;

/// Refusals on one connection in [`REFUSED_PERIOD`] after which it is closed.
const REFUSED_MAX: u32 = 64;
/// The time over which they are counted, whatever is answered in it.
const REFUSED_PERIOD: Duration = Duration::from_mins(1);

/// The part of the time for a proof after which the other end is not waited for any longer.
const SILENCE: u32 = 15;

/// What a handler tells its behaviour.
#[derive(Debug)]
pub enum HandlerEvent {
    /// The proof of identity ended.
    Proved(Result<IdentityId, AuthError>),
    /// A pull ended.
    Pulled(PullOrder, Result<Pulled, PullError>),
    /// The peer is refused again and again.
    RefusedTooOften,
}

/// When this end opens the substream on which identities are proved, and so says first who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// At once: it has dialled whom it wants.
    AtOnce,
    /// If the other end does not in time, which is wanted here and has dialled for something else.
    IfSilent,
    /// Not before the peer is wanted: until then the other end says first who it is, if it likes.
    IfWanted,
}

/// What a handler is told to do.
#[derive(Debug)]
pub enum Request {
    /// The peer is wanted from now on: identities are proved if they have not been.
    Prove,
    /// Pull.
    Pull(PullOrder),
    /// Send no more than a relay allows.
    Limit(CircuitLimit),
    /// The connection leads to a friend, or to a stranger.
    OfFriend(bool),
}

/// Why an outbound substream is opened.
#[derive(Debug)]
pub enum Purpose {
    /// To prove identities.
    Auth,
    /// To pull a feed.
    Pull(PullOrder),
}

/// Ends with the identity that the peer proved, or nothing.
type Viewer = Shared<BoxFuture<'static, Option<IdentityId>>>;

/// The proof of identity on this connection.
enum Auth {
    /// We are to open the substream.
    Due,
    /// We are opening it.
    Opening,
    /// The peer is to open it.
    Expected,
    /// Nobody has to; the peer may.
    Idle,
    /// The proofs are being exchanged.
    Running {
        proof: BoxFuture<'static, Result<IdentityId, AuthError>>,
        /// Whether we have opened the substream.
        ours: bool,
    },
    /// It ended, one way or the other.
    Over,
}

/// For how long the connection stays, beside what is under way on it.
enum Stays {
    /// Nobody has proved an identity, or has had its time.
    Unproved,
    /// As long as it lasts.
    Always,
    /// A stranger's, since something was last asked for on it.
    For(Delay),
}

/// The protocols of one connection.
pub struct Handler {
    context: Arc<Context>,
    ends: Ends,
    auth: Auth,
    /// After which time we open what the peer has not opened.
    silence: Option<Delay>,
    stays: Stays,
    /// The identity that the peer proved.
    proved: Option<IdentityId>,
    deadline: Delay,
    viewer: Viewer,
    prove_viewer: Option<oneshot::Sender<IdentityId>>,
    room: Room,
    /// From where the peer comes, as far as its pulls are concerned.
    origin: Arc<Origin>,
    orders: VecDeque<PullOrder>,
    /// Pulls whose substreams are being opened.
    opening: usize,
    /// Pulls of the peer that wait for their turn.
    waiting: VecDeque<Stream>,
    serving: FuturesUnordered<BoxFuture<'static, ServeEnd>>,
    /// Refusals since something was answered.
    /// When requests of the peer began to be counted that were refused, and how many were since.
    refused: Option<(Instant, u32)>,
    refusing: FuturesUnordered<BoxFuture<'static, ()>>,
    pulling: FuturesUnordered<BoxFuture<'static, (PullOrder, Result<Pulled, PullError>)>>,
    told: VecDeque<HandlerEvent>,
}

impl Handler {
    /// The protocols of a new connection to `remote` at `origin`, which has this `room`; whether we are
    /// its `dialer`, and when identities are proved.
    pub fn new(
        context: Arc<Context>,
        remote: PeerId,
        (dialer, opens): (bool, Opens),
        room: Room,
        origin: Origin,
    ) -> Self {
        let (prove_viewer, viewer) = new_viewer();
        let timeout = context.config.auth.timeout.get();
        Self {
            ends: Ends {
                keys: context.keys.clone(),
                remote,
                dialer,
            },
            auth: match (dialer, opens) {
                (_, Opens::AtOnce) => Auth::Due,
                (true, Opens::IfSilent | Opens::IfWanted) => Auth::Idle,
                (false, Opens::IfSilent | Opens::IfWanted) => Auth::Expected,
            },
            silence: (opens == Opens::IfSilent).then(|| Delay::new(timeout / SILENCE)),
            stays: Stays::Unproved,
            proved: None,
            deadline: Delay::new(timeout),
            viewer,
            prove_viewer: Some(prove_viewer),
            room,
            origin: Arc::new(origin),
            orders: VecDeque::new(),
            opening: 0,
            waiting: VecDeque::new(),
            serving: FuturesUnordered::new(),
            refused: None,
            refusing: FuturesUnordered::new(),
            pulling: FuturesUnordered::new(),
            told: VecDeque::new(),
            context,
        }
    }

    /// Exchanges proofs on a substream that is `ours`, or else the peer's.
    fn start_auth(&mut self, stream: Stream, ours: bool) {
        self.begin_anew();
        let context = Arc::clone(&self.context);
        let ends = Ends {
            dialer: ours,
            ..self.ends.clone()
        };
        let proof = async move {
            prove(stream, &ends, |identity| {
                if context.is_blocked(&identity) {
                    Err(Reason::Blocked)
                } else {
                    Ok(())
                }
            })
            .await
        };
        let proof = proof.boxed();
        self.auth = Auth::Running { proof, ours };
    }

    /// Gives a proof its time where none was expected any more.
    fn begin_anew(&mut self) {
        if !matches!(self.auth, Auth::Idle) {
            return;
        }
        self.deadline.reset(self.context.config.auth.timeout.get());
        if self.prove_viewer.is_none() {
            let (prove_viewer, viewer) = new_viewer();
            (self.prove_viewer, self.viewer) = (Some(prove_viewer), viewer);
        }
    }

    /// The peer is wanted from now on.
    fn want(&mut self) {
        match self.auth {
            Auth::Idle => {
                self.begin_anew();
                self.auth = Auth::Due;
            }
            Auth::Expected => {
                let timeout = self.context.config.auth.timeout.get();
                self.silence.get_or_insert(Delay::new(timeout / SILENCE));
            }
            Auth::Due | Auth::Opening | Auth::Running { .. } | Auth::Over => {}
        }
    }

    /// The peer has opened a substream to prove who it is. The connection's dialer decides where both
    /// have: what the other end has opened comes to nothing.
    fn take_proof(&mut self, stream: Stream) {
        match self.auth {
            Auth::Expected | Auth::Idle => self.start_auth(stream, false),
            Auth::Due | Auth::Opening | Auth::Running { ours: true, .. } => {
                if !self.ends.dialer {
                    self.start_auth(stream, false);
                }
            }
            Auth::Running { ours: false, .. } | Auth::Over => {
                // One proof per connection.
                self.has_refused();
                let protocol = AUTH_PROTOCOL;
                self.context
                    .refused(&self.ends.remote, protocol.as_ref(), Reason::Malformed);
            }
        }
    }

    fn end_auth(&mut self, result: Result<IdentityId, AuthError>) {
        self.silence = None;
        self.auth = if matches!(result, Err(AuthError::NotSpoken)) {
            Auth::Idle
        } else {
            Auth::Over
        };
        // Dropping the sender tells those who wait that nobody was proved.
        let prove_viewer = self.prove_viewer.take();
        if let (Ok(identity), Some(sender)) = (&result, prove_viewer) {
            self.stays = Stays::Always;
            self.proved = Some(*identity);
            // Nobody may be waiting yet; the shared future keeps the answer.
            let _ = sender.send(*identity);
        }
        self.told.push_back(HandlerEvent::Proved(result));
    }

    /// Whether this end sees to it that the two directions of a circuit do not use it at once:
    /// what either has to send might fit alone, and both together never.
    fn gives_turns(&self) -> bool {
        self.ends.dialer && self.room.is_shared()
    }

    /// Answers the pulls of the peer whose turn it is.
    fn serve_waiting(&mut self) {
        let pulls = self.opening + self.pulling.len();
        if pulls > 0 && self.gives_turns() {
            return;
        }
        while let Some(stream) = self.waiting.pop_front() {
            self.start_serving(stream);
        }
    }

    /// The next pull of ours, if it may be made now.
    fn next_order(&mut self) -> Option<PullOrder> {
        if !self.serving.is_empty() && self.gives_turns() {
            return None;
        }
        let order = self.orders.pop_front()?;
        self.opening += 1;
        Some(order)
    }

    /// Takes a pull of the peer, to be answered in its turn, or refuses it.
    fn take_request(&mut self, stream: Stream) {
        if !self.may_ask() {
            return self.start_refusing(Reason::Unauthenticated, stream);
        }
        let max = self.context.config.serve.max_pulls_per_peer as usize;
        if self.serving.len() + self.waiting.len() >= max {
            return self.refuse_as_busy(stream);
        }
        self.waiting.push_back(stream);
        // A reader may hold more of our logs than we do. A friend has been asked by now.
        if let Some(reader) = self.proved
            && self
                .context
                .gaps
                .may_ask_heads(reader, self.context.is_friend(&reader))
        {
            self.orders.push_back(PullOrder {
                author: reader,
                asked: Asked::OwnHeads,
                number: u64::MAX,
            });
        }
    }

    /// Whether the peer has proved an identity or may be about to.
    fn may_ask(&self) -> bool {
        match self.auth {
            Auth::Due | Auth::Opening => self.ends.dialer,
            Auth::Running { .. } => true,
            Auth::Expected | Auth::Idle | Auth::Over => self.proved.is_some(),
        }
    }

    fn refuse_as_busy(&mut self, stream: Stream) {
        self.context.limit_reached("pulls-served");
        self.start_refusing(Reason::Busy, stream);
    }

    /// Answers a pull of the peer.
    fn start_serving(&mut self, stream: Stream) {
        let (context, remote) = (Arc::clone(&self.context), self.ends.remote);
        let (room, viewer) = (self.room.clone(), self.viewer.clone());
        let origin = Arc::clone(&self.origin);
        self.serving.push(
            async move { serve(&context, remote, &origin, &room, viewer, stream).await }.boxed(),
        );
    }

    /// Counts a request of the peer that was refused. What is answered in between has nothing forgotten.
    fn has_refused(&mut self) {
        let now = Instant::now();
        let in_period = |(begun, _): &(Instant, u32)| now.duration_since(*begun) < REFUSED_PERIOD;
        let (begun, before) = self.refused.filter(in_period).unwrap_or((now, 0));
        let count = before.saturating_add(1);
        self.refused = Some((begun, count));
        if count == REFUSED_MAX {
            self.told.push_back(HandlerEvent::RefusedTooOften);
        }
    }

    fn start_refusing(&mut self, reason: Reason, stream: Stream) {
        self.has_refused();
        if self.refusing.len() >= REFUSALS_MAX {
            self.context
                .refused(&self.ends.remote, FEED_PROTOCOL.as_ref(), reason);
            return;
        }
        let (context, remote) = (Arc::clone(&self.context), self.ends.remote);
        self.refusing
            .push(async move { refuse(&context, remote, reason, stream).await }.boxed());
    }

    fn start_pulling(&mut self, order: PullOrder, stream: Stream) {
        let (context, room) = (Arc::clone(&self.context), self.room.clone());
        let pull = async move { (order, pull::make(&context, order, &room, stream).await) };
        self.opening -= 1;
        self.pulling.push(pull.boxed());
    }

    fn no_stream(&mut self, purpose: &Purpose, error: &StreamUpgradeError<Infallible>) {
        let reason = error.to_string();
        match (purpose, error) {
            // The peer has opened one meanwhile, or its time was over.
            (Purpose::Auth, _) if !matches!(self.auth, Auth::Opening) => {}
            (Purpose::Auth, StreamUpgradeError::NegotiationFailed) => {
                self.end_auth(Err(AuthError::NotSpoken));
            }
            (Purpose::Auth, _) => self.end_auth(Err(AuthError::NoStream(reason))),
            (Purpose::Pull(order), _) => {
                self.opening -= 1;
                let failed = Err(PullError::NoStream(reason));
                self.told.push_back(HandlerEvent::Pulled(*order, failed));
            }
        }
    }

    /// Lets the proof of identity go on, and ends it when its time is over.
    fn poll_auth(&mut self, cx: &mut TaskContext<'_>) {
        if let Auth::Running { proof, ours } = &mut self.auth
            && let Poll::Ready(result) = proof.poll_unpin(cx)
        {
            let (ours, nothing_said) = (*ours, matches!(result, Err(AuthError::Frame(_))));
            if ours && !self.ends.dialer && nothing_said {
                // Its dialer has opened another, or wants none.
                self.auth = Auth::Expected;
            } else {
                self.end_auth(result);
            }
        }
        if matches!(self.auth, Auth::Expected)
            && let Some(silence) = &mut self.silence
            && silence.poll_unpin(cx).is_ready()
        {
            self.silence = None;
            self.auth = Auth::Due;
        }
        if !self.is_proving() || self.deadline.poll_unpin(cx).is_pending() {
            return;
        }
        let error = match self.auth {
            Auth::Expected | Auth::Idle | Auth::Over => AuthError::NotSpoken,
            Auth::Due | Auth::Opening | Auth::Running { .. } => AuthError::TooSlow,
        };
        self.end_auth(Err(error));
    }

    /// Whether a proof is under way, or to come.
    fn is_proving(&self) -> bool {
        !matches!(self.auth, Auth::Idle | Auth::Over)
    }
}

fn new_viewer() -> (oneshot::Sender<IdentityId>, Viewer) {
    let (prove_viewer, viewer) = oneshot::channel();
    (prove_viewer, viewer.map(Result::ok).boxed().shared())
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Request;
    type ToBehaviour = HandlerEvent;
    type InboundProtocol = OneOf;
    type OutboundProtocol = OneOf;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Purpose;

    fn listen_protocol(&self) -> SubstreamProtocol<OneOf> {
        SubstreamProtocol::new(OneOf::served(), ())
    }

    /// A connection whose peer is known stays: either side may want to pull. That of a stranger
    /// does for as long as it does; how many there are is bounded by the connection limits.
    fn connection_keep_alive(&self) -> bool {
        let stays = match self.stays {
            Stays::Unproved => false,
            Stays::Always | Stays::For(_) => true,
        };
        stays || self.is_proving()
    }

    fn on_behaviour_event(&mut self, order: Request) {
        match order {
            Request::Prove => self.want(),
            Request::Pull(order) => self.orders.push_back(order),
            Request::Limit(limit) => self.room.limit(limit),
            Request::OfFriend(friend) => {
                let patience = self.context.config.connections.stranger_timeout.get();
                self.stays = if friend {
                    Stays::Always
                } else {
                    Stays::For(Delay::new(patience))
                };
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut TaskContext<'_>,
    ) -> Poll<ConnectionHandlerEvent<OneOf, Purpose, HandlerEvent>> {
        self.poll_auth(cx);
        while let Poll::Ready(Some((order, result))) = self.pulling.poll_next_unpin(cx) {
            self.told.push_back(HandlerEvent::Pulled(order, result));
        }
        self.serve_waiting();
        while let Poll::Ready(Some(served)) = self.serving.poll_next_unpin(cx) {
            if served == ServeEnd::Refused {
                self.has_refused();
            }
            if let Stays::For(delay) = &mut self.stays {
                delay.reset(self.context.config.connections.stranger_timeout.get());
            }
        }
        if let Stays::For(delay) = &mut self.stays
            && delay.poll_unpin(cx).is_ready()
        {
            self.stays = Stays::Unproved;
        }
        while let Poll::Ready(Some(())) = self.refusing.poll_next_unpin(cx) {}
        if let Some(told) = self.told.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(told));
        }
        let open = |protocol, purpose| {
            Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(OneOf::only(protocol), purpose),
            })
        };
        if matches!(self.auth, Auth::Due) {
            self.auth = Auth::Opening;
            return open(AUTH_PROTOCOL, Purpose::Auth);
        }
        if let Some(order) = self.next_order() {
            return open(FEED_PROTOCOL, Purpose::Pull(order));
        }
        Poll::Pending
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, OneOf, OneOf, (), Purpose>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                info: (),
            }) => {
                if protocol == FEED_PROTOCOL {
                    self.take_request(stream);
                } else {
                    self.take_proof(stream);
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                info,
            }) => match info {
                Purpose::Auth if matches!(self.auth, Auth::Opening) => {
                    self.start_auth(stream, true);
                }
                // Its time was over before the substream was open, or the peer has opened one.
                Purpose::Auth => {}
                Purpose::Pull(order) => self.start_pulling(order, stream),
            },
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.no_stream(&info, &error);
            }
            _ => {}
        }
    }
}
