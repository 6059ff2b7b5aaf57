//! Friends: keeping a connection to each, and pulling each one's feed in turn.
//!
//! Over a circuit a pull may end in the middle: it goes on over the next, at once as long as each
//! brings something, and after growing pauses if none does.

use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};

use crate::api::Event;
use crate::card::Card;
use crate::identity::IdentityId;
use crate::protocol::{Asked, PullError, PullOrder, Pulled, Reason};

use super::agenda::Errand;
use super::backoff::Backoff;
use super::driver::Driver;

/// Most friends that a node keeps connections to.
pub(super) const FRIENDS_MAX: usize = 10_000;

/// Somebody followed and not blocked.
pub(super) struct Friend {
    /// Where to find them.
    pub(super) card: Card,
    backoff: Backoff,
    /// A pull is owed, and made as soon as it can be.
    pull_due: bool,
    /// They are to be asked what they hold of our own logs.
    heads_due: bool,
    pulling: Option<Pulling>,
    /// Pulls over circuits that were cut off and had brought nothing.
    cut_off: Backoff,
    /// No pull over a circuit before this time.
    circuits_from: Option<Instant>,
    /// The circuit that is being closed is to be replaced at once.
    circuit_due: bool,
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

impl Driver {
    /// Keeps a connection to the card's peer from now on, and pulls its feed
    /// at intervals that begin at a random moment.
    pub(super) fn befriend(&mut self, card: Card) {
        let identity = card.identity();
        if self.context.is_blocked(&identity) {
            return;
        }
        if self.friends.len() >= FRIENDS_MAX && !self.friends.contains_key(&identity) {
            self.context.limit_reached("friends");
            return;
        }
        self.permit(card.peer);
        self.swarm.behaviour_mut().limits.bypass_peer_id(&card.peer);
        self.acquaintances.trusts(card.peer);
        self.holds_connections_of(identity, true);
        let config = &self.context.config;
        let dial_in = random_below(config.dial.backoff_first.get());
        let pull_in = random_below(config.sync.pull_interval.get());
        let now = Instant::now();
        if !self.links.has_peer(&card.peer) {
            self.agenda.set(Errand::Dial(identity), now + dial_in);
        }
        self.agenda.set(Errand::Pull(identity), now + pull_in);
        let friend = self.friends.entry(identity).or_insert_with(|| Friend {
            card: card.clone(),
            backoff: Backoff::default(),
            pull_due: false,
            heads_due: false,
            pulling: None,
            cut_off: Backoff::default(),
            circuits_from: None,
            circuit_due: false,
        });
        let peer = card.peer;
        let before = std::mem::replace(&mut friend.card, card).peer;
        self.friend_peers.entry(peer).or_default().insert(identity);
        if before != peer {
            self.peer_is_no_friends(before, identity);
        }
        self.context.set_friend(identity, true);
        self.door_knows_friends();
    }

    /// Lets go of a friend. The connection stays as long as it is used.
    pub(super) fn unfriend(&mut self, identity: IdentityId) {
        let Some(friend) = self.friends.remove(&identity) else {
            return;
        };
        self.context.set_friend(identity, false);
        self.door_knows_friends();
        self.inquiries.forget(identity);
        self.agenda.cancel(Errand::Dial(identity));
        self.agenda.cancel(Errand::Pull(identity));
        self.pulls_waiting.retain(|waiting| *waiting != identity);
        if let Some(Pulling { order, .. }) = friend.pulling {
            self.pulls_running -= 1;
            self.waiters
                .ended(identity, order.number, Err("no longer followed"));
        }
        if self.peer_is_no_friends(friend.card.peer, identity) {
            self.holds_connections_of(identity, false);
        }
    }

    /// The card of `identity` names `peer` no longer, which is a stranger's then unless it is wanted
    /// for something else; whether it is.
    fn peer_is_no_friends(&mut self, peer: PeerId, identity: IdentityId) -> bool {
        if let Some(friends) = self.friend_peers.get_mut(&peer) {
            friends.remove(&identity);
            if !friends.is_empty() {
                return false;
            }
            self.friend_peers.remove(&peer);
        }
        if self.known.contains_key(&peer) {
            return false;
        }
        self.swarm.behaviour_mut().limits.remove_peer_id(&peer);
        self.acquaintances.forgets(&peer);
        true
    }

    /// Whether `peer` is that of a friend.
    pub(super) fn is_friend(&self, peer: &PeerId) -> bool {
        self.friend_peers.contains_key(peer)
    }

    /// Friends whose card names `peer`.
    pub(super) fn friends_at(&self, peer: &PeerId) -> Vec<IdentityId> {
        let friends = self.friend_peers.get(peer);
        friends.into_iter().flatten().copied().collect()
    }

    /// Connections on which `identity` has been proved stay for as long as they last, or else as
    /// those of any stranger.
    fn holds_connections_of(&mut self, identity: IdentityId, friend: bool) {
        let connections = self.links.all_of_identity(identity);
        if let Some(protocol) = self.swarm.behaviour_mut().protocol.as_mut() {
            for (connection, peer) in connections {
                protocol.is_of_friend(peer, connection, friend);
            }
        }
    }

    /// Dials a friend who is not connected.
    pub(super) fn dial(&mut self, identity: IdentityId) {
        self.agenda.cancel(Errand::Dial(identity));
        let Some(friend) = self.friends.get(&identity) else {
            return;
        };
        let peer = friend.card.peer;
        let mut addresses = self.neighbours.of(&peer);
        addresses.extend(friend.card.addresses.iter().cloned());
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(self.ways(addresses))
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            // The swarm makes no event of a dial that it refuses at once.
            Err(error) => {
                if let DialError::Denied { cause } = &error {
                    self.denied_by(Some(peer), cause);
                }
                self.dial_failed(identity, &error.to_string());
            }
        }
    }

    /// Tries a friend again later.
    pub(super) fn dial_failed(&mut self, identity: IdentityId, reason: &str) {
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        self.context.outlet.emit(&Event::DialFailed {
            peer: Some(friend.card.peer.to_string()),
            reason: reason.to_owned(),
        });
        if !self.seek_friend(identity) {
            self.friend_is_away(identity, reason);
        }
    }

    /// A friend cannot be connected with now.
    pub(super) fn friend_is_away(&mut self, identity: IdentityId, reason: &str) {
        self.retry_later(identity);
        // Who waits for this pull has nothing to wait for now.
        self.waiters.ended(
            identity,
            u64::MAX,
            Err(&format!("cannot connect: {reason}")),
        );
    }

    /// There is no connection with a friend any more.
    pub(super) fn friend_is_gone(&mut self, identity: IdentityId) {
        let friend = self.friends.get_mut(&identity);
        if friend.is_some_and(|friend| std::mem::take(&mut friend.circuit_due)) {
            self.dial(identity);
        } else {
            self.retry_later(identity);
        }
    }

    /// Puts the next dial of a friend on the agenda.
    pub(super) fn retry_later(&mut self, identity: IdentityId) {
        if let Some(friend) = self.friends.get_mut(&identity) {
            let pause = friend.backoff.fail(&self.context.config.dial);
            self.agenda
                .set(Errand::Dial(identity), Instant::now() + pause);
        }
    }

    /// A friend's connection has proved to be theirs.
    pub(super) fn friend_is_here(&mut self, identity: IdentityId) {
        if let Some(friend) = self.friends.get_mut(&identity) {
            friend.backoff.reset();
            friend.heads_due |= self.context.gaps.may_ask_heads(identity, true);
            self.agenda.cancel(Errand::Dial(identity));
            self.try_pull(identity);
        }
    }

    /// The time of a friend's regular pull has come.
    pub(super) fn pull_is_due(&mut self, identity: IdentityId, now: Instant) {
        let interval = self.context.config.sync.pull_interval.get();
        self.agenda.set(Errand::Pull(identity), now + interval);
        self.want_pull(identity);
    }

    /// Pulls a friend's feed as soon as possible.
    pub(super) fn want_pull(&mut self, identity: IdentityId) {
        if let Some(friend) = self.friends.get_mut(&identity) {
            friend.pull_due = true;
            self.try_pull(identity);
        }
    }

    /// Starts the pull that is owed to a friend, if it can be made now.
    fn try_pull(&mut self, identity: IdentityId) {
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        if !(friend.pull_due || friend.heads_due) || friend.pulling.is_some() {
            return;
        }
        let Some((connection, peer)) = self.links.of_identity(identity) else {
            return;
        };
        let relayed = self.links.is_relayed(connection);
        let wait_until = friend.circuits_from.filter(|_| relayed);
        if let Some(time) = wait_until.filter(|time| *time > Instant::now()) {
            self.agenda.set(Errand::Pull(identity), time);
            return;
        }
        if self.pulls_running >= self.context.config.sync.max_pulls as usize {
            if !self.pulls_waiting.contains(&identity) {
                self.pulls_waiting.push_back(identity);
                self.context.limit_reached("pulls-running");
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
            kept_before: self.context.kept(&identity),
        });
        // Without the protocol no identity has ever been proved on a connection.
        if let Some(protocol) = self.swarm.behaviour_mut().protocol.as_mut() {
            protocol.pull(peer, connection, order);
        }
    }

    /// A pull ended; late answers to an earlier order are ignored.
    pub(super) fn pull_ended(&mut self, order: PullOrder, result: &Result<Pulled, PullError>) {
        let identity = order.author;
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        let Some(pulling) = friend.pulling.take_if(|pulling| pulling.order == order) else {
            return;
        };
        self.pulls_running -= 1;
        match order.asked {
            Asked::OwnHeads => self.heads_ended(identity, result),
            Asked::Feed => self.feed_ended(&pulling, result),
        }
        self.try_pull(identity);
        while self.pulls_running < self.context.config.sync.max_pulls as usize
            && let Some(waiting) = self.pulls_waiting.pop_front()
        {
            self.try_pull(waiting);
        }
    }

    /// A friend has said what they hold of our own logs, or has not.
    fn heads_ended(&mut self, identity: IdentityId, result: &Result<Pulled, PullError>) {
        let Err(error) = result else { return };
        tracing::debug!(%identity, %error, "does not say what they hold of our logs");
        self.pull_failure(error);
    }

    /// A pull of a friend's feed ended.
    fn feed_ended(&mut self, pulling: &Pulling, result: &Result<Pulled, PullError>) {
        let order = pulling.order;
        let identity = order.author;
        let from = identity.to_string();
        self.forget_in_time();
        match result {
            Ok(pulled) if !pulled.more || pulling.relayed => {
                self.emit(&Event::PullEnded {
                    from,
                    items: pulled.items,
                    took_us: u64::try_from(pulled.took.as_micros()).unwrap_or(u64::MAX),
                });
                if pulled.more {
                    self.circuit_is_spent(pulling);
                } else {
                    friend_pulled(self.friends.get_mut(&identity));
                    self.waiters.ended(identity, order.number, Ok(pulled.items));
                }
            }
            Ok(_) => {
                let reason = PullError::Refused(Reason::CircuitSpent).to_string();
                self.waiters.ended(identity, order.number, Err(&reason));
                self.emit(&Event::PullFailed { from, reason });
            }
            Err(error) => {
                let reason = error.to_string();
                if !pulling.relayed || !error.is_of_way() || !self.circuit_was_cut(pulling) {
                    self.waiters.ended(identity, order.number, Err(&reason));
                }
                self.pull_failure(error);
                self.emit(&Event::PullFailed { from, reason });
            }
        }
    }

    /// A circuit has carried what it may, and there is more: another one takes its place.
    fn circuit_is_spent(&mut self, pulling: &Pulling) {
        let goes_on = self.circuit_was_cut(pulling);
        self.links.retire(pulling.over);
        self.swarm.close_connection(pulling.over);
        if let Some(friend) = self
            .friends
            .get_mut(&pulling.order.author)
            .filter(|_| goes_on)
        {
            friend.circuit_due = true;
            // Nothing is asked for on the old one any more.
            friend.circuits_from = None;
        }
    }

    /// A pull over a circuit has ended before all was there, and is made again: after a pause that
    /// grows as long as nothing comes. Whether something has come this time.
    fn circuit_was_cut(&mut self, pulling: &Pulling) -> bool {
        let identity = pulling.order.author;
        let now = Instant::now();
        let items = self.context.kept(&identity) - pulling.kept_before;
        if let Some(friend) = self.friends.get_mut(&identity) {
            friend.pull_due = true;
            if items > 0 {
                friend.cut_off.reset();
            }
            let pause = friend.cut_off.fail(&self.context.config.dial);
            friend.circuits_from = Some(now + pause);
        }
        if items > 0 {
            let patience = self.context.config.sync.timeout.get();
            for waiter in self.waiters.part(identity, pulling.order.number, items) {
                self.agenda.set(Errand::GiveUp(waiter), now + patience);
            }
        }
        items > 0
    }

    fn pull_failure(&mut self, error: &PullError) {
        let doing = "keeping a pulled page";
        match error {
            PullError::Store(error) if error.is_storage() => {
                self.context.storage_failed(doing, error);
            }
            PullError::Closed(reason) => self.context.storage_unreached(doing, reason),
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
    pub(super) fn pull_lost(&mut self, connection: ConnectionId, identity: IdentityId) {
        let Some(friend) = self.friends.get_mut(&identity) else {
            return;
        };
        let peer = friend.card.peer;
        let Some(pulling) = friend.pulling.filter(|pulling| pulling.over == connection) else {
            return;
        };
        let has_other = self.links.of_identity(identity).is_some();
        if has_other || self.links.has_peer(&peer) {
            friend.pulling = None;
            match pulling.order.asked {
                Asked::OwnHeads => friend.heads_due = true,
                Asked::Feed => friend.pull_due = true,
            }
            self.pulls_running -= 1;
            self.try_pull(identity);
        } else {
            self.pull_ended(pulling.order, &Err(PullError::ConnectionClosed));
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
