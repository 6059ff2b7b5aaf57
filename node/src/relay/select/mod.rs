//! Ways to choose a relay, one file each.

mod cheapest;
mod friend_first;
mod least_loaded;
mod lowest_rtt;
mod random;

use crate::config::RelayChoice;

use super::candidate::Candidate;

/// Chooses one of several relays.
///
/// ```
/// use libp2p::{Multiaddr, PeerId};
/// use orrery_node::config::RelayChoice;
/// use orrery_node::relay::{Candidate, selector};
///
/// let far = Candidate {
///     peer: PeerId::random(),
///     address: Multiaddr::empty(),
///     rtt: Some(std::time::Duration::from_millis(90)),
///     friend: false,
///     terms: None,
/// };
/// let near = Candidate { rtt: Some(std::time::Duration::from_millis(9)), ..far.clone() };
/// let chosen = selector(RelayChoice::LowestRtt).choose(&[&far, &near]);
/// assert_eq!(chosen, Some(1));
/// ```
pub trait RelaySelector: Send {
    /// The place of the chosen one in `candidates`, which come in random order, so that a
    /// selector that takes the first of several equal ones leaves the choice to chance;
    /// `None` only if there are none.
    fn choose(&self, candidates: &[&Candidate]) -> Option<usize>;
}

/// The selector of a configuration's name.
pub fn selector(choice: RelayChoice) -> Box<dyn RelaySelector> {
    match choice {
        RelayChoice::Random => Box::new(random::Random),
        RelayChoice::LowestRtt => Box::new(lowest_rtt::LowestRtt),
        RelayChoice::LeastLoaded => Box::new(least_loaded::LeastLoaded),
        RelayChoice::FriendFirst => Box::new(friend_first::FriendFirst),
        RelayChoice::Cheapest => Box::new(cheapest::Cheapest),
    }
}

/// The place of the first candidate whose `key` is smallest.
fn smallest<K: Ord>(candidates: &[&Candidate], key: impl Fn(&Candidate) -> K) -> Option<usize> {
    (0..candidates.len()).min_by_key(|&place| key(candidates[place]))
}
