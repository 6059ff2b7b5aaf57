//! Relays of friends before those of strangers.

use crate::relay::Candidate;

use super::{RelaySelector, smallest};

/// Prefers relays whose owner this node follows.
pub struct FriendFirst;

impl RelaySelector for FriendFirst {
    fn choose(&self, candidates: &[&Candidate]) -> Option<usize> {
        smallest(candidates, |candidate| !candidate.friend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_friend_is_taken_and_else_anybody() {
        let stranger = Candidate::unknown();
        let friend = Candidate {
            friend: true,
            ..Candidate::unknown()
        };
        assert_eq!(FriendFirst.choose(&[&stranger, &friend]), Some(1));
        assert_eq!(FriendFirst.choose(&[&stranger]), Some(0));
    }
}
