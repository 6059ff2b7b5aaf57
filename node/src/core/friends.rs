//! Who is a friend, and which peer speaks for them: what all parts of the node ask.
//!
//! Owns the cards of friends, by identity and by peer. Connects nobody and stores nothing.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;

use crate::card::Card;
use crate::identity::IdentityId;

/// Most friends that a node keeps connections to.
pub const FRIENDS_MAX: usize = 10_000;

/// Identities that are followed and not blocked, each with its card.
#[derive(Debug, Default)]
pub struct Friends {
    cards: BTreeMap<IdentityId, Card>,
    at: BTreeMap<PeerId, BTreeSet<IdentityId>>,
}

impl Friends {
    /// Takes `card` in, in place of an earlier one of the same identity, which is returned.
    pub fn insert(&mut self, card: Card) -> Option<Card> {
        let (identity, peer) = (card.identity(), card.peer);
        let before = self.remove(identity);
        self.at.entry(peer).or_default().insert(identity);
        self.cards.insert(identity, card);
        before
    }

    /// Takes an identity's card out.
    pub fn remove(&mut self, identity: IdentityId) -> Option<Card> {
        let card = self.cards.remove(&identity)?;
        if let Some(others) = self.at.get_mut(&card.peer) {
            others.remove(&identity);
            if others.is_empty() {
                self.at.remove(&card.peer);
            }
        }
        Some(card)
    }

    /// The card of a friend.
    pub fn card(&self, identity: &IdentityId) -> Option<&Card> {
        self.cards.get(identity)
    }

    /// Whether an identity is a friend's.
    pub fn contains(&self, identity: &IdentityId) -> bool {
        self.cards.contains_key(identity)
    }

    /// Whether `peer` is that of a friend.
    pub fn has_peer(&self, peer: &PeerId) -> bool {
        self.at.contains_key(peer)
    }

    /// Friends whose card names `peer`, in order.
    pub fn at(&self, peer: &PeerId) -> Vec<IdentityId> {
        self.at.get(peer).into_iter().flatten().copied().collect()
    }

    /// All friends, in order.
    pub fn identities(&self) -> impl Iterator<Item = IdentityId> {
        self.cards.keys().copied()
    }

    /// The peers of all friends, in order of the friends.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.cards.values().map(|card| card.peer)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cards.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    #[test]
    fn friends_are_known_by_identity_and_by_peer_until_they_are_removed() {
        let [ada, bob] = [1, 2].map(|seed| Keys::generate(Some([seed; 32])));
        let card = |keys: &Keys| keys.card(&[]).expect("signs");
        let mut friends = Friends::default();
        friends.insert(card(&ada));
        friends.insert(card(&bob));
        friends.insert(card(&ada));
        assert_eq!(friends.len(), 2);
        assert_eq!(friends.at(&ada.peer()), [ada.identity()]);
        assert!(friends.has_peer(&bob.peer()));
        assert!(friends.remove(ada.identity()).is_some());
        assert!(friends.remove(ada.identity()).is_none());
        assert!(!friends.has_peer(&ada.peer()) && friends.at(&ada.peer()).is_empty());
        assert!(friends.contains(&bob.identity()));
    }
}
