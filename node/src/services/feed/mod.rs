//! Pulling the feeds of friends, each in turn.
//!
//! Owns when a friend is asked for what is new and over which connection, and which commands wait
//! for that. Over a circuit a pull may end in the middle: it goes on over the next, at once as long
//! as each brings something, and after growing pauses if none does.

mod waiters;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use crate::api::Event;
use crate::backoff::Backoff;
use crate::config::Config;
use crate::core::CommandError;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::core::timers::Timers;
use crate::core::{Core, JOBS_MAX};
use crate::entry::Use;
use crate::identity::IdentityId;
use crate::protocol::{
    AUTH_PROTOCOL, Asked, AuthError, ProtocolEvent, PullError, PullOrder, Pulled, Reason,
};

use super::Service;
use waiters::Waiters;

/// Something to be done later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Pull a friend's feed.
    Pull(IdentityId),
    /// Answer a waiting command with what there is.
    GiveUp(u64),
}

/// How pulls of one friend stand.
#[derive(Default)]
struct Friend {
    /// A pull is owed, and made as soon as it can be.
    pull_due: bool,
    /// They are to be asked what they hold of our own logs.
    heads_due: bool,
    pulling: Option<Pulling>,
    /// Pulls over circuits that were cut off and had brought nothing.
    cut_off: Backoff,
    /// No pull over a circuit before this time.
    circuits_from: Option<Instant>,
}

/// A pull under way.
#[derive(Clone, Copy)]
struct Pulling {
    order: PullOrder,
    over: ConnectionId,
    /// Whether that is a circuit.
    relayed: bool,
    /// New items that earlier pulls had brought.
    kept_before: u64,
}

/// Pulls of the feeds of friends.
#[derive(Default)]
pub struct Feed {
    friends: BTreeMap<IdentityId, Friend>,
    waiters: Waiters,
    /// Number of the next pull.
    next_pull: u64,
    /// Pulls under way.
    pulls_running: usize,
    /// Friends whose pull waits for a place.
    pulls_waiting: VecDeque<IdentityId>,
    timers: Timers<Timer>,
}

impl Service for Feed {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Disconnected {
                connection,
                identity: Some(identity),
                ..
            } => self.on_pull_lost(core, *connection, *identity),
            Signal::CircuitLimited {
                peer,
                connection,
                limit,
            } => {
                if let Some(protocol) = core.swarm.behaviour_mut().protocol.as_mut() {
                    protocol.limit(*peer, *connection, *limit);
                }
            }
            Signal::Authenticated { identity, .. } => self.on_authenticated(core, *identity),
            Signal::FriendAdded(identity) => self.on_friend_added(core, *identity),
            Signal::FriendRemoved {
                identity,
                peer_stays,
            } => self.on_friend_removed(core, *identity, *peer_stays),
            Signal::FriendAway { identity, reason } => {
                // A command that waits for this pull has nothing to wait for now.
                let reason = format!("cannot connect: {reason}");
                self.waiters.ended(*identity, u64::MAX, Err(&reason));
            }
            Signal::PullWanted(identity) => self.want_pull(core, *identity),
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        match self.timers.take_due(now) {
            Some(Timer::Pull(friend)) => self.on_pull_due(core, friend, now),
            Some(Timer::GiveUp(waiter)) => self.waiters.give_up(waiter, "no answer in time"),
            None => {}
        }
    }
}

impl Feed {
    /// Pulls now, from one friend or from all.
    pub fn pull(&mut self, core: &mut Core, from: Option<IdentityId>, reply: ReplySender) {
        if self.waiters.len() >= JOBS_MAX {
            core.context.limit_reached("commands");
            return answer(reply, Err(CommandError::Busy));
        }
        let Some(reply) = core.needs_feed(reply) else {
            return;
        };
        let (friends, reply) = match from {
            None => (core.friends.identities().collect(), reply),
            Some(friend) => {
                if !core.friends.contains(&friend) {
                    let error = format!("{friend} is not followed, or is blocked");
                    return answer(reply, Err(CommandError::invalid(&error)));
                }
                (vec![friend], reply)
            }
        };
        let waiter = self.waiters.add(reply, &friends, self.next_pull);
        for friend in friends {
            if core.links.of_identity(friend).is_none() {
                core.raise(Signal::FriendWanted(friend));
            }
            self.want_pull(core, friend);
        }
        if self.waiters.contains(waiter) {
            let patience = core.context.config.sync.timeout.get();
            self.timers
                .set(Timer::GiveUp(waiter), Instant::now() + patience);
        }
    }

    /// Acts on what the node's own protocols tell.
    pub fn on_protocol(&mut self, core: &mut Core, happening: ProtocolEvent) {
        match happening {
            ProtocolEvent::Proved {
                connection,
                peer,
                result,
            } => match result {
                Ok(identity) => on_proved(core, peer, connection, identity),
                Err(error) => on_not_proved(core, peer, connection, &error),
            },
            ProtocolEvent::Pulled { order, result } => self.on_pull_ended(core, order, &result),
            ProtocolEvent::RefusedTooOften { connection } => {
                core.context.limit_reached("refusals");
                core.swarm.close_connection(connection);
            }
        }
    }

    /// The feed of a friend is pulled at intervals that begin at a random moment.
    fn on_friend_added(&mut self, core: &mut Core, identity: IdentityId) {
        holds_connections_of(core, identity, true);
        let pull_in = random_below(core.context.config.sync.pull_interval.get());
        self.timers
            .set(Timer::Pull(identity), Instant::now() + pull_in);
        self.friends.entry(identity).or_default();
    }

    fn on_friend_removed(&mut self, core: &mut Core, identity: IdentityId, peer_stays: bool) {
        let Some(friend) = self.friends.remove(&identity) else {
            return;
        };
        self.timers.cancel(Timer::Pull(identity));
        self.pulls_waiting.retain(|waiting| *waiting != identity);
        if let Some(Pulling { order, .. }) = friend.pulling {
            self.pulls_running -= 1;
            self.waiters
                .ended(identity, order.number, Err("no longer followed"));
        }
        if !peer_stays {
            holds_connections_of(core, identity, false);
        }
    }

    /// A connection has proved to be a friend's.
    fn on_authenticated(&mut self, core: &mut Core, identity: IdentityId) {
        if let Some(friend) = self.friends.get_mut(&identity) {
            friend.heads_due |= core.context.gaps.may_ask_heads(identity, true);
            self.try_pull(core, identity);
        }
    }

    /// The time of a friend's regular pull has come.
    fn on_pull_due(&mut self, core: &mut Core, identity: IdentityId, now: Instant) {
        let interval = core.context.config.sync.pull_interval.get();
        self.timers.set(Timer::Pull(identity), now + interval);
        self.want_pull(core, identity);
    }

    /// Pulls a friend's feed as soon as possible.
    fn want_pull(&mut self, core: &mut Core, identity: IdentityId) {
        if let Some(friend) = self.friends.get_mut(&identity) {
            friend.pull_due = true;
            self.try_pull(core, identity);
        }
    }

    /// Starts the pull that is owed to a friend, if it can be made now.
    fn try_pull(&mut self, core: &mut Core, identity: IdentityId) {
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        if !(friend.pull_due || friend.heads_due) || friend.pulling.is_some() {
            return;
        }
        let Some((connection, peer)) = core.links.of_identity(identity) else {
            return;
        };
        let relayed = core.links.is_relayed(connection);
        let wait_until = friend.circuits_from.filter(|_| relayed);
        if let Some(time) = wait_until.filter(|time| *time > Instant::now()) {
            self.timers.set(Timer::Pull(identity), time);
            return;
        }
        if self.pulls_running >= core.context.config.sync.max_pulls as usize {
            if !self.pulls_waiting.contains(&identity) {
                self.pulls_waiting.push_back(identity);
                core.context.limit_reached("pulls-running");
            }
            return;
        }
        // What others hold of us comes first: the sooner it is known, the fewer posts may follow
        // on what they do not hold.
        let asked = if std::mem::take(&mut friend.heads_due) {
            Asked::OwnHeads
        } else {
            friend.pull_due = false;
            Asked::Feed
        };
        let order = PullOrder {
            author: identity,
            asked,
            number: self.next_pull,
        };
        self.next_pull += 1;
        self.pulls_running += 1;
        friend.pulling = Some(Pulling {
            order,
            over: connection,
            relayed,
            kept_before: core.context.kept(&identity),
        });
        // Without the protocol no identity has ever been proved on a connection.
        if let Some(protocol) = core.swarm.behaviour_mut().protocol.as_mut() {
            protocol.pull(peer, connection, order);
        }
    }

    /// A pull ended; late answers to an earlier order are ignored.
    fn on_pull_ended(
        &mut self,
        core: &mut Core,
        order: PullOrder,
        result: &Result<Pulled, PullError>,
    ) {
        let identity = order.author;
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        let Some(pulling) = friend.pulling.take_if(|pulling| pulling.order == order) else {
            return;
        };
        self.pulls_running -= 1;
        match order.asked {
            Asked::OwnHeads => self.on_heads_ended(core, identity, result),
            Asked::Feed => self.on_feed_ended(core, &pulling, result),
        }
        self.try_pull(core, identity);
        while self.pulls_running < core.context.config.sync.max_pulls as usize
            && let Some(waiting) = self.pulls_waiting.pop_front()
        {
            self.try_pull(core, waiting);
        }
    }

    /// A friend has said what they hold of our own logs, or has not.
    fn on_heads_ended(
        &mut self,
        core: &mut Core,
        identity: IdentityId,
        result: &Result<Pulled, PullError>,
    ) {
        let Err(error) = result else { return };
        tracing::debug!(%identity, %error, "does not say what they hold of our logs");
        self.pull_failure(core, error);
    }

    /// A pull of a friend's feed ended.
    fn on_feed_ended(
        &mut self,
        core: &mut Core,
        pulling: &Pulling,
        result: &Result<Pulled, PullError>,
    ) {
        let order = pulling.order;
        let identity = order.author;
        let from = identity;
        core.raise(Signal::FeedPulled);
        match result {
            Ok(pulled) if !pulled.more || pulling.relayed => {
                core.emit(&Event::PullEnded {
                    from,
                    items: pulled.items,
                    took_us: u64::try_from(pulled.took.as_micros()).unwrap_or(u64::MAX),
                });
                if pulled.more {
                    self.on_circuit_spent(core, pulling);
                } else {
                    friend_pulled(self.friends.get_mut(&identity));
                    self.waiters.ended(identity, order.number, Ok(pulled.items));
                }
            }
            Ok(_) => {
                let reason = PullError::Refused(Reason::CircuitSpent).to_string();
                self.waiters.ended(identity, order.number, Err(&reason));
                core.emit(&Event::PullFailed { from, reason });
            }
            Err(error) => {
                let reason = error.to_string();
                if !pulling.relayed || !error.is_of_way() || !self.circuit_was_cut(core, pulling) {
                    self.waiters.ended(identity, order.number, Err(&reason));
                }
                self.pull_failure(core, error);
                core.emit(&Event::PullFailed { from, reason });
            }
        }
    }

    /// A circuit has carried what it may, and there is more: another one takes its place.
    fn on_circuit_spent(&mut self, core: &mut Core, pulling: &Pulling) {
        let goes_on = self.circuit_was_cut(core, pulling);
        core.links.retire(pulling.over);
        core.swarm.close_connection(pulling.over);
        if !goes_on {
            return;
        }
        let identity = pulling.order.author;
        core.raise(Signal::CircuitSpent(identity));
        if let Some(friend) = self.friends.get_mut(&identity) {
            // Nothing is asked for on the old one any more.
            friend.circuits_from = None;
        }
    }

    /// A pull over a circuit has ended before all was there, and is made again: after a pause that
    /// grows as long as nothing comes. Whether something has come this time.
    fn circuit_was_cut(&mut self, core: &mut Core, pulling: &Pulling) -> bool {
        let identity = pulling.order.author;
        let now = Instant::now();
        let items = core.context.kept(&identity) - pulling.kept_before;
        if let Some(friend) = self.friends.get_mut(&identity) {
            friend.pull_due = true;
            if items > 0 {
                friend.cut_off.reset();
            }
            let pause = friend.cut_off.fail(&core.context.config.dial);
            friend.circuits_from = Some(now + pause);
        }
        if items > 0 {
            let patience = core.context.config.sync.timeout.get();
            for waiter in self.waiters.part(identity, pulling.order.number, items) {
                self.timers.set(Timer::GiveUp(waiter), now + patience);
            }
        }
        items > 0
    }

    fn pull_failure(&mut self, core: &mut Core, error: &PullError) {
        let doing = "keeping a pulled page";
        match error {
            PullError::Store(error) if error.is_storage() => {
                core.context.storage_failed(doing, error);
            }
            PullError::Closed(reason) => core.context.storage_unreached(doing, reason),
            PullError::Store(_)
            | PullError::Refused(_)
            | PullError::TooSlow(_)
            | PullError::Frame(_)
            | PullError::Malformed(_)
            | PullError::Endless
            | PullError::NoStream(_)
            | PullError::ConnectionClosed => {}
        }
    }

    /// The pull over a closed connection, on which `identity` was proved: made again if there is
    /// another one, as soon as it has been proved whose it is, failed otherwise.
    fn on_pull_lost(&mut self, core: &mut Core, connection: ConnectionId, identity: IdentityId) {
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        let Some(pulling) = friend.pulling.filter(|pulling| pulling.over == connection) else {
            return;
        };
        let peer = core.friends.card(&identity).map(|card| card.peer);
        let has_other = core.links.of_identity(identity).is_some();
        if has_other || peer.is_some_and(|peer| core.links.has_peer(&peer)) {
            friend.pulling = None;
            match pulling.order.asked {
                Asked::OwnHeads => friend.heads_due = true,
                Asked::Feed => friend.pull_due = true,
            }
            self.pulls_running -= 1;
            self.try_pull(core, identity);
        } else {
            self.on_pull_ended(core, pulling.order, &Err(PullError::ConnectionClosed));
        }
    }
}

fn on_proved(core: &mut Core, peer: PeerId, connection: ConnectionId, identity: IdentityId) {
    core.links.prove(connection, identity);
    core.raise(Signal::Proved {
        peer,
        connection,
        identity,
    });
    core.emit(&Event::Authenticated { peer, identity });
    // The identity may have been blocked while the proof was on its way.
    if core.context.is_blocked(&identity) {
        return core.raise(Signal::Unwanted { peer, identity });
    }
    let is_friends = core.friends.contains(&identity);
    let known = is_friends || core.known.contains(&peer) || core.friends.has_peer(&peer);
    let behaviour = core.swarm.behaviour_mut();
    behaviour.limits.is_good_for(&peer, Use::Proved);
    if !known && let Some(protocol) = behaviour.protocol.as_mut() {
        protocol.is_of_friend(peer, connection, false);
    }
    core.raise(Signal::Authenticated { peer, identity });
}

fn on_not_proved(core: &mut Core, peer: PeerId, connection: ConnectionId, error: &AuthError) {
    tracing::info!(%peer, %error, "a connection's peer is not known");
    if let Some(reason) = error.reason() {
        core.context.refused(&peer, AUTH_PROTOCOL.as_ref(), reason);
    }
    match error {
        AuthError::Unwanted(identity, Reason::Blocked) => core.raise(Signal::Unwanted {
            peer,
            identity: *identity,
        }),
        // A peer without feeds may be here for something else. Unused, the connection ends.
        AuthError::NotSpoken => {}
        _ => {
            core.swarm.close_connection(connection);
        }
    }
}

/// Connections on which `identity` has been proved stay for as long as they last, or else as
/// those of any stranger.
fn holds_connections_of(core: &mut Core, identity: IdentityId, friend: bool) {
    let connections = core.links.all_of_identity(identity);
    if let Some(protocol) = core.swarm.behaviour_mut().protocol.as_mut() {
        for (connection, peer) in connections {
            protocol.is_of_friend(peer, connection, friend);
        }
    }
}

/// A friend's feed is here, as far as it goes.
fn friend_pulled(friend: Option<&mut Friend>) {
    if let Some(friend) = friend {
        friend.cut_off.reset();
        friend.circuits_from = None;
    }
}

/// A random span shorter than `bound`.
fn random_below(bound: Duration) -> Duration {
    rand::random_range(Duration::ZERO..bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reply;
    use crate::services::fake;

    #[test]
    fn a_friends_feed_is_pulled_at_intervals() {
        let (mut core, _) = fake::core(Config::default());
        let mut feed = Feed::default();
        let ada = fake::friend(&mut core, fake::card(1, None));
        feed.on_signal(&mut core, &Signal::FriendAdded(ada));
        let first = feed.next_time().expect("a pull is due");
        feed.on_timer(&mut core, first);
        let interval = core.context.config.sync.pull_interval.get();
        assert_eq!(feed.next_time(), Some(first + interval));
        assert!(feed.friends[&ada].pull_due, "not connected yet");
        let connection = fake::connect(&mut core, PeerId::random(), 1);
        core.links.prove(connection, ada);
        let peer = PeerId::random();
        let authenticated = Signal::Authenticated {
            peer,
            identity: ada,
        };
        feed.on_signal(&mut core, &authenticated);
        assert!(feed.friends[&ada].pulling.is_some());
        core.links.remove(connection);
        let disconnected = Signal::Disconnected {
            peer,
            connection,
            identity: Some(ada),
        };
        feed.on_signal(&mut core, &disconnected);
        assert!(feed.friends[&ada].pulling.is_none(), "it has failed");
        assert_eq!(feed.pulls_running, 0);
    }

    #[test]
    fn a_command_that_pulls_from_somebody_away_is_answered_so() {
        let (mut core, _) = fake::core(Config::default());
        let mut feed = Feed::default();
        let ada = fake::friend(&mut core, fake::card(1, None));
        feed.on_signal(&mut core, &Signal::FriendAdded(ada));
        let (reply, mut replied) = fake::caller();
        feed.pull(&mut core, Some(ada), reply);
        let raised = fake::raised(&mut core);
        assert!(matches!(raised[..], [Signal::FriendWanted(who)] if who == ada));
        assert_eq!(fake::reply(&mut replied), None);
        let away = Signal::FriendAway {
            identity: ada,
            reason: "no way".to_owned(),
        };
        feed.on_signal(&mut core, &away);
        let failed = vec![(ada, "cannot connect: no way".to_owned())];
        let answered = fake::reply(&mut replied).expect("answered");
        assert_eq!(answered, Ok(Reply::Pulled { items: 0, failed }));
    }
}
