//! What all services of the node work with: the swarm, its connections, who is known, work beside
//! the loop, and signals.
//!
//! Knows no service: what follows from a signal, a timer or a piece of work is decided by those in
//! `services/`, each of which is handed the core whenever it is called.

mod address_tests;
pub(crate) mod addresses;
pub(crate) mod behaviour;
mod boxed;
pub(crate) mod cached_protocols;
mod candidates;
pub(crate) mod dial_failure;
mod error;
pub(crate) mod friends;
mod hole_punch;
pub(crate) mod known;
pub(crate) mod links;
pub(crate) mod neighbours;
mod refusals;
pub(crate) mod replies;
pub(crate) mod router;
mod scoped_identify;
pub(crate) mod signal;
pub(crate) mod timers;

use std::any::{Any, TypeId};
use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;
use libp2p::allow_block_list::Blocked;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionDenied, ConnectionId, DialError, Swarm};

use crate::api::{Event, FriendLink, Path, Reply, Transport};
use crate::card::Card;
use crate::dials::ChosenDials;
use crate::entry::{Acquaintances, Anybodys, NoPlace};
use crate::identity::IdentityId;
use crate::peer_names::PeerNames;
use crate::protocol::{Context, Reason};
use crate::scope::Scope;
use crate::store::{Store, StoreError};
use crate::store_handle::StoreHandleError;

use behaviour::NodeBehaviour;
use cached_protocols::CachedProtocols;
pub use error::{CommandError, StartError};
use friends::Friends;
use known::KnownNodes;
use links::Links;
use neighbours::Neighbours;
use refusals::Refusals;
use replies::{ReplySender, answer};
use signal::{Signal, Whereabouts};

/// Pieces of work beside the loop; commands beyond it are refused.
pub const JOBS_MAX: usize = 1024;

/// All connections and behaviours of a node.
pub type NodeSwarm = Swarm<CachedProtocols<ChosenDials<NodeBehaviour>>>;

/// What the loop does when a piece of work has ended.
pub type Completion = Box<dyn FnOnce(&mut dyn Registry, &mut Core) + Send>;

/// The services of a node, of which a piece of work finds its own when it has ended.
pub trait Registry {
    /// The service of that type.
    fn find(&mut self, service: TypeId) -> Option<&mut dyn Any>;
}

/// Something that is done when whoever raised it has returned.
pub enum Raised {
    /// Services are told.
    Signal(Signal),
    /// A command is answered.
    Reply(ReplySender, Result<Reply, CommandError>),
}

/// Who has chosen whom the node dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// The node itself: a friend, a known node, or whom its owner seeks. Who is dialled is told who we are.
    Us,
    /// Others, by what they have said. There the other end says first who it is.
    Others,
    /// The same, those on the local network, by what they announce there.
    Neighbours,
}

/// What services share.
pub struct Core {
    /// All connections and behaviours.
    pub swarm: NodeSwarm,
    /// Who we are, what we were told to do, and the posts.
    pub context: Arc<Context>,
    /// The connections that are up.
    pub links: Links,
    /// How well peers are known, as far as transports care.
    pub acquaintances: Acquaintances,
    /// Who is followed and not blocked.
    pub friends: Friends,
    /// Nodes of the configuration.
    pub known: KnownNodes,
    /// Peers on the local network.
    pub neighbours: Neighbours,
    /// Identities that are being reached.
    pub reaching: BTreeSet<IdentityId>,
    /// How peers are spelt that were told of lately.
    pub names: PeerNames,
    refusals: Refusals,
    pub(super) jobs: FuturesUnordered<BoxFuture<'static, Completion>>,
    /// What was raised since the last of `pending` was taken, in order.
    raised: Vec<Raised>,
    /// What was raised before, the next at the end.
    pending: Vec<Raised>,
}

impl Core {
    /// A core without connections that knows `known` nodes and has nothing to do.
    pub fn new(
        swarm: NodeSwarm,
        context: Arc<Context>,
        acquaintances: Acquaintances,
        known: KnownNodes,
    ) -> Self {
        Self {
            links: Links::new(*swarm.local_peer_id()),
            swarm,
            context,
            acquaintances,
            friends: Friends::default(),
            known,
            neighbours: Neighbours::default(),
            reaching: BTreeSet::new(),
            names: PeerNames::default(),
            refusals: Refusals::default(),
            jobs: FuturesUnordered::new(),
            raised: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Dials a peer that was chosen `by` the node itself, or by others, as those are whom behaviours of
    /// libp2p dial: within the same bounds.
    ///
    /// # Errors
    /// As the swarm's.
    pub fn dial(&mut self, options: DialOpts, by: ChosenBy) -> Result<(), DialError> {
        let (connection, peer) = (options.connection_id(), options.get_peer_id());
        let behaviour = self.swarm.behaviour_mut();
        match by {
            ChosenBy::Us => behaviour.limits.wants(connection),
            ChosenBy::Others => behaviour.chosen(connection, None),
            ChosenBy::Neighbours => behaviour.chosen(connection, Some(Scope::Lan)),
        }
        let dialled = self.swarm.dial(options);
        if by != ChosenBy::Us {
            return dialled;
        }
        match (&dialled, peer) {
            (Ok(()), _) => {
                if let Some(protocol) = self.swarm.behaviour_mut().protocol.as_mut() {
                    protocol.dials(connection);
                }
            }
            // It is connected, or a behaviour dials it.
            (Err(DialError::DialPeerConditionFalse(_)), Some(peer)) => self.wants_proof(peer),
            (Err(_), _) => {}
        }
        dialled
    }

    /// A dial that was to make `connection` has come to nothing: by whom its peer was chosen. Asked once.
    pub fn dial_ended(&mut self, connection: ConnectionId) -> ChosenBy {
        let protocol = self.swarm.behaviour_mut().protocol.as_mut();
        if protocol.is_some_and(|protocol| protocol.dial_ended(connection)) {
            ChosenBy::Us
        } else {
            ChosenBy::Others
        }
    }

    /// Has identities be proved on the connections with `peer`, also on one that is being made.
    pub fn wants_proof(&mut self, peer: PeerId) {
        let unproved = self.links.unproved(&peer);
        let is_connected = self.links.has_peer(&peer);
        let Some(protocol) = self.swarm.behaviour_mut().protocol.as_mut() else {
            return;
        };
        if !is_connected {
            protocol.wants_next(peer);
        }
        for connection in unproved {
            protocol.prove(peer, connection);
        }
    }

    /// Takes `peer` for a friend or a known node from now on, wherever strangers are bounded.
    pub fn trusts(&mut self, peer: PeerId) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.trusts(peer, true);
        behaviour.limits.bypass_peer_id(&peer);
        behaviour.identify.trusts(peer, true);
        if let Some(tests) = behaviour.autonat_client.as_mut() {
            tests.trusts(peer, true);
        }
        if let Some(local) = behaviour.local.as_mut() {
            local.trusts(peer, true);
        }
        if let Some(kad) = behaviour.kad.as_mut() {
            kad.trusts(peer, true);
        }
        if let Some(groups) = behaviour.gossip.as_mut() {
            groups.trusts(peer, true);
        }
        if let Some(protocol) = behaviour.protocol.as_mut() {
            protocol.wants(peer, true);
            for connection in self.links.unproved(&peer) {
                protocol.prove(peer, connection);
            }
        }
        self.acquaintances.trusts(peer);
    }

    /// Takes `peer` for a stranger again.
    pub fn forgets(&mut self, peer: &PeerId) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.trusts(*peer, false);
        behaviour.limits.remove_peer_id(peer);
        behaviour.identify.trusts(*peer, false);
        if let Some(tests) = behaviour.autonat_client.as_mut() {
            tests.trusts(*peer, false);
        }
        if let Some(local) = behaviour.local.as_mut() {
            local.trusts(*peer, false);
        }
        if let Some(kad) = behaviour.kad.as_mut() {
            kad.trusts(*peer, false);
        }
        if let Some(groups) = behaviour.gossip.as_mut() {
            groups.trusts(*peer, false);
        }
        if let Some(protocol) = behaviour.protocol.as_mut() {
            protocol.wants(*peer, false);
        }
        self.acquaintances.forgets(peer);
    }

    /// Lets all services know of something, once the caller has returned.
    pub fn raise(&mut self, signal: Signal) {
        self.raised.push(Raised::Signal(signal));
    }

    /// Answers a command, once what was raised before has been settled.
    pub fn answer_then(&mut self, reply: ReplySender, result: Result<Reply, CommandError>) {
        self.raised.push(Raised::Reply(reply, result));
    }

    /// What is to be done next of what was raised: what followed from the last comes before what
    /// was raised beside it.
    pub fn take_raised(&mut self) -> Option<Raised> {
        while let Some(raised) = self.raised.pop() {
            self.pending.push(raised);
        }
        self.pending.pop()
    }

    /// Shows an event.
    pub fn emit(&self, event: &Event) {
        self.context.outlet.emit(event);
    }

    /// Runs `job` beside the loop; the service `S` hears of its end by `done`.
    pub fn start_job<S: Any, T: Send + 'static>(
        &mut self,
        job: impl Future<Output = T> + Send + 'static,
        done: impl FnOnce(&mut S, &mut Self, T) + Send + 'static,
    ) {
        let completed = job.map(move |value| {
            let completion: Completion = Box::new(move |services, core| {
                let service = services.find(TypeId::of::<S>());
                let service = service.and_then(<dyn Any>::downcast_mut);
                done(service.expect("jobs are those of services"), core, value);
            });
            completion
        });
        self.jobs.push(completed.boxed());
    }

    /// Waits for the next piece of work to end; nothing if none is under way.
    #[cfg(test)]
    pub async fn next_completion(&mut self) -> Option<Completion> {
        futures::StreamExt::next(&mut self.jobs).await
    }

    /// Runs `work` on the store for a command, which is answered at `reply` if that fails;
    /// otherwise `done` has the service `S` answer.
    pub fn store_job<S: Any, T: Send + 'static>(
        &mut self,
        doing: &'static str,
        reply: ReplySender,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
        done: impl FnOnce(&mut S, &mut Self, ReplySender, T) + Send + 'static,
    ) {
        let store = self.context.store.clone();
        let job = async move { store.with(work).await };
        self.start_job(job, move |service, core, result| {
            core.answer_job(doing, reply, result, |core, reply, value| {
                done(service, core, reply, value);
            });
        });
    }

    /// Goes on with what a job on the store has brought, or tells why it did not, and answers so.
    pub fn answer_job<T>(
        &mut self,
        doing: &str,
        reply: ReplySender,
        result: Result<Result<T, StoreError>, StoreHandleError>,
        done: impl FnOnce(&mut Self, ReplySender, T),
    ) {
        match result {
            Ok(Ok(value)) => done(self, reply, value),
            Ok(Err(error)) => {
                if error.is_storage() {
                    self.context.storage_failed(doing, &error);
                }
                answer(reply, Err(error.into()));
            }
            Err(error) => {
                self.context.storage_unreached(doing, &error.to_string());
                answer(reply, Err(error.into()));
            }
        }
    }

    /// Gives `then` the peer of `identity` and its addresses: as `given`, or as they stand on the
    /// card that we hold, if any.
    pub fn with_peer<S: Any>(
        &mut self,
        service: &mut S,
        identity: IdentityId,
        given: Option<Whereabouts>,
        then: impl FnOnce(&mut S, &mut Self, Option<Whereabouts>) + Send + 'static,
    ) {
        let of_card = |card: &Card| (card.peer, card.addresses.clone());
        let of_friend = || self.friends.card(&identity).map(of_card);
        if let Some(known) = given.or_else(of_friend) {
            return then(service, self, Some(known));
        }
        if !self.context.config.feed.enabled {
            return then(service, self, None);
        }
        let store = self.context.store.clone();
        let job = async move { store.with(move |store| store.card_of(identity)).await };
        self.start_job(job, move |service, core, read| {
            let doing = "reading a card";
            let card = match read {
                Ok(Ok(card)) => card,
                Ok(Err(error)) => {
                    core.context.storage_failed(doing, &error);
                    None
                }
                Err(error) => {
                    core.context.storage_unreached(doing, &error.to_string());
                    None
                }
            };
            then(service, core, card.as_ref().map(of_card));
        });
    }

    /// A dial has failed for good, or the swarm has refused it at once, of which it makes no event.
    pub fn dial_failed(&mut self, peer: Option<PeerId>, error: impl Into<Arc<DialError>>) {
        let error = error.into();
        if let DialError::Denied { cause } = &*error {
            self.denied_by(peer, cause);
        }
        let reason = dial_failure::plain(&error);
        self.raise(Signal::DialFailed { peer, error });
        if let Some(peer) = peer.filter(|peer| !self.links.has_peer(peer)) {
            self.raise(Signal::NotDialled { peer, reason });
        }
    }

    /// Tells which of our own rules denied a connection.
    pub fn denied_by(&self, peer: Option<PeerId>, cause: &ConnectionDenied) {
        if cause.downcast_ref::<NoPlace>().is_some() {
            self.context.limit_reached("connections");
        } else if cause.downcast_ref::<Blocked>().is_some()
            && let Some(peer) = peer
        {
            self.context.refused(&peer, "connection", Reason::Blocked);
        } else if cause.downcast_ref::<Anybodys>().is_some()
            && let Some(peer) = peer
        {
            self.context.refused(&peer, "connection", Reason::Forged);
        }
    }

    /// The connection that has proved to be that of `identity`, if there is one.
    pub fn link_with(&self, identity: IdentityId) -> Option<FriendLink> {
        let (_, peer) = self.links.of_identity(identity)?;
        Some(FriendLink {
            path: self.links.path(&peer).unwrap_or(Path::Direct),
            transport: self.links.transport(&peer).unwrap_or(Transport::Other),
        })
    }

    /// Asks for `feed.enabled`, without which what `reply` waits for cannot be done.
    pub fn needs_feed(&self, reply: ReplySender) -> Option<ReplySender> {
        if self.context.config.feed.enabled {
            return Some(reply);
        }
        let error = "feeds are off; set feed.enabled = true to exchange them";
        answer(reply, Err(CommandError::invalid(&error)));
        None
    }
}
