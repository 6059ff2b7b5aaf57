//! The relay with the largest share of free places, by its own account.

use crate::relay::{Candidate, Terms};

use super::{RelaySelector, smallest};

/// Prefers the lowest load; relays that have not told theirs come last.
pub struct LeastLoaded;

impl RelaySelector for LeastLoaded {
    fn choose(&self, candidates: &[&Candidate]) -> Option<usize> {
        smallest(candidates, |candidate| {
            candidate
                .terms
                .as_ref()
                .map_or(u64::MAX, Terms::load_per_mille)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_free_places_counts_and_not_their_number() {
        let told = |reservations, max_reservations| Candidate {
            terms: Some(Terms {
                reservations,
                max_reservations,
                price: 0,
            }),
            ..Candidate::unknown()
        };
        let (silent, large, small) = (Candidate::unknown(), told(64, 128), told(1, 16));
        assert_eq!(LeastLoaded.choose(&[&silent, &large, &small]), Some(2));
        assert_eq!(LeastLoaded.choose(&[&silent]), Some(0));
    }
}
