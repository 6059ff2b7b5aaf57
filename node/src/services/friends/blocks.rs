//! Blocking: whose requests are refused, and which peers are denied on account of whom.

use std::collections::BTreeSet;

use libp2p::PeerId;

use crate::api::Reply;
use crate::card::Card;
use crate::core::CommandError;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer};
use crate::identity::IdentityId;

use super::Friends;

/// Peers that are denied at most on account of one blocked identity: it may have as many as it
/// likes.
const DENIED_MAX: usize = 64;

impl Friends {
    /// Refuses every request of `identity` and denies its peers.
    pub fn block(&mut self, core: &mut Core, identity: IdentityId, reply: ReplySender) {
        core.store_job(
            "blocking",
            reply,
            move |store| {
                store.block(identity)?;
                store.card_of(identity)
            },
            move |friends: &mut Self, core, reply, card| {
                answer(reply, Ok(Reply::Done));
                core.context.set_blocked(identity, true);
                let mut peers: BTreeSet<_> = core.links.peers_of(identity).into_iter().collect();
                peers.extend(card.filter(Card::is_signed_by_peer).map(|card| card.peer));
                friends.unfriend(core, identity);
                friends.deny(core, identity, peers);
            },
        );
    }

    /// Undoes [`Self::block`].
    pub fn unblock(&mut self, core: &mut Core, identity: IdentityId, reply: ReplySender) {
        core.store_job(
            "unblocking",
            reply,
            move |store| {
                let was_blocked = store.unblock(identity)?;
                let mut following = store.following()?;
                following.retain(|card| card.identity() == identity);
                Ok((was_blocked, following.pop()))
            },
            move |friends: &mut Self, core, reply, (was_blocked, followed)| {
                if !was_blocked {
                    let error = format!("{identity} is not blocked");
                    return answer(reply, Err(CommandError::invalid(&error)));
                }
                answer(reply, Ok(Reply::Done));
                core.context.set_blocked(identity, false);
                for peer in friends.denied.remove(&identity).unwrap_or_default() {
                    friends.permit(core, peer);
                }
                if let Some(card) = followed {
                    friends.befriend(core, card);
                }
            },
        );
    }

    /// Denies connections with `peers`, which proved or signed that they speak for a blocked
    /// identity, and closes those there are. A friend's peer is never denied, whoever else
    /// claims it.
    pub(super) fn deny(&mut self, core: &mut Core, identity: IdentityId, peers: BTreeSet<PeerId>) {
        let denied = self.denied.entry(identity).or_default();
        for peer in peers {
            if core.friends.has_peer(&peer) || denied.contains(&peer) {
                continue;
            }
            if denied.len() >= DENIED_MAX {
                core.context.limit_reached("denied-peers");
                // It is refused by its proof, each time.
                let _ = core.swarm.disconnect_peer_id(peer);
                continue;
            }
            denied.insert(peer);
            core.swarm.behaviour_mut().denied.block_peer(peer);
        }
    }

    /// Lets a peer connect, for whomever it spoke before.
    pub(super) fn permit(&mut self, core: &mut Core, peer: PeerId) {
        for peers in self.denied.values_mut() {
            peers.remove(&peer);
        }
        core.swarm.behaviour_mut().denied.unblock_peer(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Event;
    use crate::config::Config;
    use crate::services::fake;

    #[test]
    fn a_friends_peer_is_never_denied_and_of_others_so_many() {
        let (mut core, told) = fake::core(Config::default());
        let mut friends = Friends::default();
        let card = fake::card(1, None);
        let of_friend = card.peer;
        fake::friend(&mut core, card);
        let blocked = IdentityId([7; 32]);
        friends.deny(&mut core, blocked, [of_friend].into());
        assert_eq!(friends.denied[&blocked], BTreeSet::new());
        let limit = |told: Vec<Event>| {
            let reached = |event: &&Event| matches!(event, Event::LimitReached { limit } if limit == "denied-peers");
            told.iter().filter(reached).count()
        };
        for _ in 0..DENIED_MAX {
            friends.deny(&mut core, blocked, [PeerId::random()].into());
        }
        assert_eq!(limit(told.take()), 0);
        friends.deny(&mut core, blocked, [PeerId::random()].into());
        assert_eq!(friends.denied[&blocked].len(), DENIED_MAX);
        assert_eq!(limit(told.take()), 1);
        // Of another identity there is room.
        friends.deny(&mut core, IdentityId([8; 32]), [PeerId::random()].into());
        assert_eq!(limit(told.take()), 0);
    }
}
