//! The relay with the lowest price, by its own account.

use crate::relay::Candidate;

use super::{RelaySelector, smallest};

/// Prefers the lowest price; relays that have not told theirs come last.
pub struct Cheapest;

impl RelaySelector for Cheapest {
    fn choose(&self, candidates: &[&Candidate]) -> Option<usize> {
        smallest(candidates, |candidate| {
            candidate
                .terms
                .map_or(u64::MAX, |terms| u64::from(terms.price))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Terms;

    #[test]
    fn the_lowest_price_is_taken_and_the_silent_come_last() {
        let at = |price| Candidate {
            terms: Some(Terms {
                reservations: 0,
                max_reservations: 1,
                price,
            }),
            ..Candidate::unknown()
        };
        let (silent, dear, cheap) = (Candidate::unknown(), at(u32::MAX), at(2));
        assert_eq!(Cheapest.choose(&[&silent, &dear, &cheap]), Some(2));
        assert_eq!(Cheapest.choose(&[&silent, &dear]), Some(1));
    }
}
