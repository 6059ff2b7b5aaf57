//! Who is followed, and connections with friends: one with each is kept.
//!
//! Owns when a friend is dialled, and which peers are denied on account of whom (`blocks`). What is
//! exchanged over the connections is another service's; where a friend is who is not where the card
//! says is for others to find out.

mod blocks;
mod following;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};

use crate::api::{Event, Reply};
use crate::backoff::Backoff;
use crate::card::Card;
use crate::config::Config;
use crate::core::CommandError;
use crate::core::addresses::nearest_first;
use crate::core::dial_failure;
use crate::core::friends::FRIENDS_MAX;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::core::timers::Timers;
use crate::core::{ChosenBy, Core};
use crate::identity::IdentityId;

use super::Service;
use following::Awaited;

/// How dials of a friend fare.
#[derive(Debug, Default)]
struct Dials {
    backoff: Backoff,
    /// The circuit that is being closed is to be replaced at once.
    circuit_due: bool,
    /// Whether the next dial has been put off already, for the friend to dial.
    put_off: bool,
}

/// Connections with friends, and peers that are denied.
#[derive(Debug, Default)]
pub struct Friends {
    dials: BTreeMap<IdentityId, Dials>,
    /// When friends who are not connected are dialled.
    timers: Timers<IdentityId>,
    /// Peers denied on account of a blocked identity.
    denied: BTreeMap<IdentityId, BTreeSet<PeerId>>,
    /// Commands that wait to hear whether a friend can be connected with.
    awaited: Awaited,
}

impl Service for Friends {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected { peer, .. } => {
                for friend in core.friends.at(peer) {
                    self.timers.cancel(friend);
                }
            }
            Signal::PeerGone(peer) => {
                for friend in core.friends.at(peer) {
                    self.on_friend_disconnected(core, friend);
                }
            }
            Signal::DialFailed { peer, error } => {
                self.on_dial_failed(core, *peer, &dial_failure::plain(error));
            }
            Signal::Authenticated { peer, identity } => {
                self.on_authenticated(core, *peer, *identity);
            }
            Signal::Unwanted { peer, identity } => self.deny(core, *identity, [*peer].into()),
            Signal::Follow(card) => self.befriend(core, (**card).clone()),
            Signal::FriendWanted(identity) => self.dial(core, *identity),
            Signal::DialFriendAt(identity, time) => self.dial_at(*identity, *time),
            Signal::FriendAway { identity, reason } => {
                self.retry_later(core, *identity);
                self.awaited.ends(core, *identity, Some(reason));
            }
            Signal::CircuitSpent(identity) => {
                if let Some(dials) = self.dials.get_mut(identity) {
                    dials.circuit_due = true;
                }
            }
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        let times = self.timers.next_time().into_iter();
        times.chain(self.awaited.next_time()).min()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        self.awaited.give_up(core, now);
        if let Some(friend) = self.timers.take_due(now) {
            self.dial(core, friend);
        }
    }
}

impl Friends {
    /// Follows somebody no longer.
    pub fn unfollow(&mut self, core: &mut Core, identity: IdentityId, reply: ReplySender) {
        core.store_job(
            "unfollowing",
            reply,
            move |store| store.unfollow(identity),
            move |friends: &mut Self, core, reply, was_followed| {
                if !was_followed {
                    let error = format!("{identity} is not followed");
                    return answer(reply, Err(CommandError::invalid(&error)));
                }
                answer(reply, Ok(Reply::Done));
                friends.unfriend(core, identity);
            },
        );
    }

    /// Keeps a connection to the card's peer from now on.
    fn befriend(&mut self, core: &mut Core, card: Card) {
        let identity = card.identity();
        if core.context.is_blocked(&identity) {
            return;
        }
        if core.friends.len() >= FRIENDS_MAX && !core.friends.contains(&identity) {
            core.context.limit_reached("friends");
            return;
        }
        let peer = card.peer;
        self.permit(core, peer);
        core.trusts(peer);
        let dial_in = random_below(core.context.config.dial.backoff_first.get());
        if !core.links.has_peer(&peer) {
            self.timers.set(identity, Instant::now() + dial_in);
        }
        self.dials.entry(identity).or_default();
        let before = core.friends.insert(card).map(|card| card.peer);
        if let Some(before) = before.filter(|before| *before != peer) {
            forget_peer(core, before);
        }
        core.context.set_friend(identity, true);
        core.raise(Signal::FriendAdded(identity));
    }

    /// Lets go of a friend. The connection stays as long as it is used.
    fn unfriend(&mut self, core: &mut Core, identity: IdentityId) {
        let Some(card) = core.friends.remove(identity) else {
            return;
        };
        self.dials.remove(&identity);
        self.timers.cancel(identity);
        core.context.set_friend(identity, false);
        self.awaited
            .ends(core, identity, Some("they are followed no longer"));
        let peer_stays = !forget_peer(core, card.peer);
        core.raise(Signal::FriendRemoved {
            identity,
            peer_stays,
        });
    }

    /// Dials a friend at `time`, or before. Once that may put off a dial: anybody on a local network can
    /// announce a friend, again and again.
    fn dial_at(&mut self, identity: IdentityId, time: Instant) {
        let dials = self.dials.get_mut(&identity);
        let first = dials.is_some_and(|dials| !std::mem::replace(&mut dials.put_off, true));
        if first {
            self.timers.set(identity, time);
        } else {
            self.timers.bring_forward(identity, time);
        }
    }

    /// Dials a friend who is not connected.
    fn dial(&mut self, core: &mut Core, identity: IdentityId) {
        self.timers.cancel(identity);
        if let Some(dials) = self.dials.get_mut(&identity) {
            dials.put_off = false;
        }
        let Some(card) = core.friends.card(&identity) else {
            return;
        };
        let peer = card.peer;
        let addresses = nearest_first(core.neighbours.of(&peer), card.addresses.clone());
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(core.ways(addresses))
            .build();
        match core.dial(options, ChosenBy::Us) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            // The swarm makes no event of a dial that it refuses at once.
            Err(error) => {
                if let DialError::Denied { cause } = &error {
                    core.denied_by(Some(peer), cause);
                }
                friend_not_dialled(core, identity, &dial_failure::plain(&error));
            }
        }
    }

    /// A dial has failed. Those of peers who are connected, or being looked for, are no failures
    /// of friends.
    fn on_dial_failed(&mut self, core: &mut Core, peer: Option<PeerId>, reason: &str) {
        let failed = peer.filter(|peer| !core.links.has_peer(peer));
        let mut friends = failed.map_or_else(Vec::new, |peer| core.friends.at(&peer));
        friends.retain(|friend| !core.reaching.contains(friend));
        if friends.is_empty() {
            core.emit(&Event::DialFailed {
                peer,
                reason: reason.to_owned(),
            });
        }
        for friend in friends {
            friend_not_dialled(core, friend, reason);
        }
    }

    /// There is no connection with a friend any more.
    fn on_friend_disconnected(&mut self, core: &mut Core, identity: IdentityId) {
        let dials = self.dials.get_mut(&identity);
        if dials.is_some_and(|dials| std::mem::take(&mut dials.circuit_due)) {
            self.dial(core, identity);
        } else {
            self.retry_later(core, identity);
            let reason = "the connection has ended before they had proved who they are";
            self.awaited.ends(core, identity, Some(reason));
        }
    }

    /// Dials a friend again after a pause.
    fn retry_later(&mut self, core: &Core, identity: IdentityId) {
        if let Some(dials) = self.dials.get_mut(&identity) {
            let pause = dials.backoff.fail(&core.context.config.dial);
            // What has failed may have been a dial of what others have announced.
            self.timers.bring_forward(identity, Instant::now() + pause);
        }
    }

    /// A connection has proved to be a friend's, or another's.
    fn on_authenticated(&mut self, core: &mut Core, peer: PeerId, identity: IdentityId) {
        if let Some(dials) = self.dials.get_mut(&identity) {
            dials.backoff.reset();
            self.timers.cancel(identity);
            core.raise(Signal::Needed(peer));
            self.awaited.ends(core, identity, None);
        } else {
            core.acquaintances.meets(&peer);
        }
    }
}

/// A friend's card names `peer` no longer, which is a stranger's then unless it is wanted for
/// something else; whether it is.
fn forget_peer(core: &mut Core, peer: PeerId) -> bool {
    if core.friends.has_peer(&peer) || core.known.contains(&peer) {
        return false;
    }
    core.forgets(&peer);
    true
}

/// A friend could not be dialled where the card says.
fn friend_not_dialled(core: &mut Core, identity: IdentityId, reason: &str) {
    let Some(card) = core.friends.card(&identity) else {
        return;
    };
    core.emit(&Event::DialFailed {
        peer: Some(card.peer),
        reason: reason.to_owned(),
    });
    core.raise(Signal::FriendNotDialled {
        identity,
        reason: reason.to_owned(),
    });
}

/// A random span shorter than `bound`.
fn random_below(bound: Duration) -> Duration {
    rand::random_range(Duration::ZERO..bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    fn follow(friends: &mut Friends, core: &mut Core, card: &Card) {
        friends.on_signal(core, &Signal::Follow(Box::new(card.clone())));
    }

    #[test]
    fn a_friend_is_dialled_and_a_blocked_one_is_none() {
        let (mut core, _) = fake::core(Config::default());
        let mut friends = Friends::default();
        let [ada, bob] = [1, 2].map(|seed| fake::card(seed, Some("/ip4/192.0.2.1/tcp/1")));
        core.context.set_blocked(bob.identity(), true);
        follow(&mut friends, &mut core, &bob);
        assert!(fake::raised(&mut core).is_empty() && friends.next_time().is_none());
        follow(&mut friends, &mut core, &ada);
        let raised = fake::raised(&mut core);
        assert!(matches!(raised[..], [Signal::FriendAdded(who)] if who == ada.identity()));
        let due = friends.next_time().expect("a dial");
        friends.on_timer(&mut core, due);
        assert_eq!((fake::dials(&core), friends.next_time()), (1, None));
    }

    #[test]
    fn a_failed_dial_is_told_of_and_made_again_when_nobody_knows_better() {
        let (mut core, told) = fake::core(Config::default());
        let mut friends = Friends::default();
        let ada = fake::card(1, Some("/ip4/192.0.2.1/tcp/1"));
        follow(&mut friends, &mut core, &ada);
        fake::raised(&mut core);
        let failed = Signal::DialFailed {
            peer: Some(ada.peer),
            error: std::sync::Arc::new(DialError::Aborted),
        };
        friends.on_signal(&mut core, &failed);
        let raised = fake::raised(&mut core);
        assert!(matches!(raised[..], [Signal::FriendNotDialled { .. }]));
        assert!(matches!(told.take()[..], [Event::DialFailed { .. }]));
        friends.timers = Timers::default();
        let away = Signal::FriendAway {
            identity: ada.identity(),
            reason: "it is".to_owned(),
        };
        friends.on_signal(&mut core, &away);
        assert!(friends.next_time().is_some());
        // Who is being looked for has not failed yet.
        core.reaching.insert(ada.identity());
        friends.on_signal(&mut core, &failed);
        assert!(fake::raised(&mut core).is_empty());
    }

    /// As a machine on the local network may have it, ten times a second.
    #[test]
    fn announcements_of_a_friend_do_not_put_off_its_dial() {
        let (mut core, _) = fake::core(Config::default());
        let mut friends = Friends::default();
        let ada = fake::card(1, Some("/ip4/192.0.2.1/tcp/1"));
        follow(&mut friends, &mut core, &ada);
        fake::raised(&mut core);
        let begun = Instant::now();
        let step = Duration::from_millis(100);
        let wait = core.context.config.dial.backoff_first.get();
        let mut now = begun;
        while fake::dials(&core) == 0 {
            assert!(
                now < begun + Duration::from_secs(2),
                "the friend is not dialled"
            );
            friends.on_signal(&mut core, &Signal::DialFriendAt(ada.identity(), now + wait));
            now += step;
            friends.on_timer(&mut core, now);
        }
        // Nor does a dial that fails: others have said where.
        let due = now + Duration::from_millis(500);
        friends.timers.set(ada.identity(), due);
        for _ in 0..9 {
            let away = Signal::FriendAway {
                identity: ada.identity(),
                reason: "nobody is there".to_owned(),
            };
            friends.on_signal(&mut core, &away);
        }
        assert!(friends.next_time().is_some_and(|time| time <= due));
    }

    #[test]
    fn a_spent_circuit_is_replaced_at_once() {
        let (mut core, _) = fake::core(Config::default());
        let mut friends = Friends::default();
        let ada = fake::card(1, Some("/ip4/192.0.2.1/tcp/1"));
        follow(&mut friends, &mut core, &ada);
        friends.timers = Timers::default();
        friends.on_signal(&mut core, &Signal::CircuitSpent(ada.identity()));
        friends.on_signal(&mut core, &Signal::PeerGone(ada.peer));
        assert_eq!((fake::dials(&core), friends.next_time()), (1, None));
    }
}
