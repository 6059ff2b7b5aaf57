//! Reaching somebody: dialling what one way to look them up after the other finds.
//!
//! Owns who is being reached, at which way that stands, and how it ends. What ways find comes
//! through `lookup`; connections are the swarm's.

mod lookup;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};

use crate::api::{Event, LookupMethod, Miss, Missed, Path, Reply, Transport, Unreached};
use crate::config::Config;
use crate::core::CommandError;
use crate::core::addresses::nearest_first;
use crate::core::replies::{ReplySender, answer, now_or_then, parsed};
use crate::core::signal::{Signal, Whereabouts};
use crate::core::timers::Timers;
use crate::core::{ChosenBy, Core};
use crate::identity::IdentityId;

use super::Service;
use lookup::Lookups;

/// Most addresses that one can give with the command.
const ADDRESSES_MAX: usize = 16;

/// Something to be done later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Stop reaching somebody.
    EndReach(IdentityId),
    /// Stop waiting for what a way to look somebody up finds.
    EndSeek(IdentityId, LookupMethod),
}

/// Who is being looked up, and who is being reached.
#[derive(Default)]
pub struct Reach {
    lookups: Lookups,
    attempts: ReachAttempts,
    timers: Timers<Timer>,
}

impl Service for Reach {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected { peer, .. } => self.on_connected(core, *peer),
            Signal::NotDialled { peer, reason } => self.on_not_dialled(core, *peer, reason),
            Signal::FriendNotDialled { identity, reason } => {
                self.seek_friend(core, *identity, reason);
            }
            Signal::Found { identity, by, at } => self.on_found(core, *identity, *by, at.clone()),
            Signal::NotFound {
                identity,
                by,
                reason,
            } => self.on_not_found(core, *identity, *by, *reason),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        match self.timers.take_due(now) {
            Some(Timer::EndReach(identity)) => {
                self.not_reached(core, identity, Unreached::TimedOut);
            }
            Some(Timer::EndSeek(identity, by)) => {
                core.raise(Signal::SeekEnded { identity, by });
                self.on_not_found(core, identity, by, Miss::TimedOut);
            }
            None => {}
        }
    }
}

/// Identities that are being reached.
#[derive(Default)]
struct ReachAttempts(BTreeMap<IdentityId, ReachAttempt>);

/// One of them.
struct ReachAttempt {
    began: Instant,
    stage: Stage,
    /// The method that is being asked or whose addresses are dialled, and those after it.
    methods: VecDeque<LookupMethod>,
    /// Where they may be, as given with the command.
    given: Option<Whereabouts>,
    /// The methods that have not found them.
    missed: Vec<Missed>,
    last_error: Option<String>,
    /// Who waits for its end.
    reply: Option<ReplySender>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Waiting for what a method finds.
    Seeking,
    /// Waiting for a connection with this peer.
    Dialling(PeerId),
}

impl Reach {
    /// Begins to reach `identity`, perhaps at a peer with these addresses. Answers at `reply` when
    /// that has begun, or when it has ended.
    pub fn reach(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        peer: Option<PeerId>,
        addresses: Vec<String>,
        wait: bool,
        reply: ReplySender,
    ) {
        let given = match whereabouts(peer, &addresses) {
            Ok(given) => given,
            Err(error) => return answer(reply, Err(error)),
        };
        let connected = core
            .links
            .of_identity(identity)
            .map(|(_, peer)| peer)
            .or(given.as_ref().map(|(peer, _)| *peer))
            .filter(|peer| core.links.has_peer(peer));
        if connected.is_none()
            && let Err(error) = self.may_climb(core, identity)
        {
            return answer(reply, Err(error));
        }
        let (now, then) = now_or_then(reply, wait);
        if let Some(peer) = connected {
            reached(core, identity, peer, None, Duration::ZERO, then);
        } else {
            let methods = core.context.config.reach.lookup_order.clone();
            self.start_attempt(core, identity, given, methods.into(), then);
        }
        if let Some(reply) = now {
            core.answer_then(reply, Ok(Reply::Done));
        }
    }

    /// Looks for a friend who could not be dialled where their card says, unless that is not wanted,
    /// or cannot be done now: then the friend is away, for that `reason`.
    fn seek_friend(&mut self, core: &mut Core, identity: IdentityId, reason: &str) {
        if !core.context.config.reach.seek_friends || self.may_climb(core, identity).is_err() {
            return core.raise(Signal::FriendAway {
                identity,
                reason: reason.to_owned(),
            });
        }
        let others = core.context.config.reach.lookup_order.iter().copied();
        let others = others
            .filter(|method| *method != LookupMethod::Known)
            .collect();
        self.start_attempt(core, identity, None, others, None);
    }

    fn may_climb(&self, core: &Core, identity: IdentityId) -> Result<(), CommandError> {
        if self.attempts.0.contains_key(&identity) {
            let error = format!("{identity} is being reached");
            return Err(CommandError::invalid(&error));
        }
        if self.attempts.0.len() >= core.context.config.reach.max_lookups as usize {
            core.context.limit_reached("reaching");
            return Err(CommandError::Busy);
        }
        Ok(())
    }

    fn start_attempt(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        given: Option<Whereabouts>,
        methods: VecDeque<LookupMethod>,
        reply: Option<ReplySender>,
    ) {
        let began = Instant::now();
        let patience = core.context.config.reach.timeout.get();
        self.timers.set(Timer::EndReach(identity), began + patience);
        let attempt = ReachAttempt {
            began,
            stage: Stage::Seeking,
            methods,
            given,
            missed: Vec::new(),
            last_error: None,
            reply,
        };
        self.attempts.0.insert(identity, attempt);
        core.reaching.insert(identity);
        self.next_method(core, identity);
    }

    /// Asks the method at which `identity` is being reached, or gives up after the last.
    fn next_method(&mut self, core: &mut Core, identity: IdentityId) {
        let Some(attempt) = self.attempts.0.get_mut(&identity) else {
            return;
        };
        attempt.stage = Stage::Seeking;
        match attempt.methods.front() {
            Some(method) => {
                let method = *method;
                self.seek(core, identity, method);
            }
            None if attempt.last_error.is_some() => {
                self.not_reached(core, identity, Unreached::NotConnected);
            }
            None => self.not_reached(core, identity, Unreached::NotFound),
        }
    }

    /// Where `identity` may be, as whoever wants to reach it has said.
    fn given(&self, identity: IdentityId) -> Option<Whereabouts> {
        self.attempts.0.get(&identity)?.given.clone()
    }

    /// Dials what `method` has found, if `identity` is being reached by it, and where the peer has
    /// announced itself on the local network: no way there is shorter.
    fn attempt_found(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        method: LookupMethod,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) {
        let Some(attempt) = self.attempts.0.get_mut(&identity) else {
            return;
        };
        if !attempt.waits_for(method) {
            return;
        }
        attempt.stage = Stage::Dialling(peer);
        if core.links.has_peer(&peer) {
            core.wants_proof(peer);
            self.on_connected(core, peer);
            return;
        }
        let everywhere = nearest_first(core.neighbours.of(&peer), addresses);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(core.ways(everywhere))
            .build();
        match core.dial(options, ChosenBy::Us) {
            // Whoever else dials this peer lets us know, too.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => core.dial_failed(Some(peer), error),
        }
    }

    /// Goes on to the next method, if `identity` is being reached by this one.
    fn attempt_not_found(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        method: LookupMethod,
        reason: Miss,
    ) {
        if let Some(attempt) = self.attempts.0.get_mut(&identity)
            && attempt.waits_for(method)
        {
            attempt.methods.pop_front();
            attempt.missed.push(Missed { by: method, reason });
            self.next_method(core, identity);
        }
    }

    /// A dial of `peer` failed: those who are reached there go on to their next method.
    fn on_not_dialled(&mut self, core: &mut Core, peer: PeerId, error: &str) {
        for identity in self.attempts.at(peer) {
            if let Some(attempt) = self.attempts.0.get_mut(&identity) {
                attempt.last_error = Some(error.to_owned());
                attempt.methods.pop_front();
            }
            self.next_method(core, identity);
        }
    }

    /// There is a connection with `peer`: whoever is being reached there has been.
    fn on_connected(&mut self, core: &mut Core, peer: PeerId) {
        for (identity, attempt) in self.attempts.take(peer) {
            core.reaching.remove(&identity);
            self.timers.cancel(Timer::EndReach(identity));
            let by = match attempt.stage {
                Stage::Dialling(_) => attempt.methods.front().copied(),
                Stage::Seeking => None,
            };
            reached(
                core,
                identity,
                peer,
                by,
                attempt.began.elapsed(),
                attempt.reply,
            );
        }
    }

    fn not_reached(&mut self, core: &mut Core, identity: IdentityId, reason: Unreached) {
        self.timers.cancel(Timer::EndReach(identity));
        let Some(attempt) = self.attempts.0.remove(&identity) else {
            return;
        };
        core.reaching.remove(&identity);
        core.emit(&Event::ReachFailed {
            identity,
            reason,
            last_error: attempt.last_error.clone(),
        });
        if let Some(reply) = attempt.reply {
            let not_reached = Reply::NotReached {
                reason,
                missed: attempt.missed,
                last_error: attempt.last_error.clone(),
            };
            answer(reply, Ok(not_reached));
        }
        let why = attempt
            .last_error
            .unwrap_or_else(|| "no way to them is known".to_owned());
        core.raise(Signal::FriendAway {
            identity,
            reason: why,
        });
    }
}

/// Tells that `identity` is connected, also whoever waits for that.
fn reached(
    core: &Core,
    identity: IdentityId,
    peer: PeerId,
    by: Option<LookupMethod>,
    took: Duration,
    reply: Option<ReplySender>,
) {
    let path = core.links.path(&peer).unwrap_or(Path::Direct);
    let transport = core.links.transport(&peer).unwrap_or(Transport::Other);
    let took_us = micros(took);
    core.emit(&Event::Reached {
        identity,
        peer,
        path,
        transport,
        by,
        took_us,
    });
    if let Some(reply) = reply {
        let reached = Reply::Reached {
            peer,
            path,
            transport,
            by,
            took_us,
        };
        answer(reply, Ok(reached));
    }
}

impl ReachAttempt {
    fn waits_for(&self, method: LookupMethod) -> bool {
        self.stage == Stage::Seeking && self.methods.front() == Some(&method)
    }

    /// Whether a connection with `peer` is what it wants.
    fn is_to(&self, peer: PeerId) -> bool {
        let given = self.given.as_ref().map(|(given, _)| *given);
        self.stage == Stage::Dialling(peer) || given == Some(peer)
    }
}

impl ReachAttempts {
    /// Those that dial `peer`.
    fn at(&self, peer: PeerId) -> Vec<IdentityId> {
        let dialling = self.0.iter();
        dialling
            .filter(|(_, attempt)| attempt.stage == Stage::Dialling(peer))
            .map(|(identity, _)| *identity)
            .collect()
    }

    /// Takes out those that want a connection with `peer`.
    fn take(&mut self, peer: PeerId) -> Vec<(IdentityId, ReachAttempt)> {
        self.0
            .extract_if(.., |_, attempt| attempt.is_to(peer))
            .collect()
    }
}

/// Where somebody may be, as the command says.
fn whereabouts(
    peer: Option<PeerId>,
    addresses: &[String],
) -> Result<Option<Whereabouts>, CommandError> {
    if addresses.len() > ADDRESSES_MAX {
        let error = format!("at most {ADDRESSES_MAX} addresses can be given");
        return Err(CommandError::invalid(&error));
    }
    let addresses = addresses.iter().map(|text| parsed(text));
    let addresses = addresses.collect::<Result<Vec<Multiaddr>, _>>()?;
    if peer.is_none() && !addresses.is_empty() {
        return Err(CommandError::invalid(&"addresses need the peer's name"));
    }
    Ok(peer.map(|peer| (peer, addresses)))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
