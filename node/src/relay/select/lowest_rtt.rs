//! The relay with the shortest round trip: the least detour for those who dial through it.

use std::time::Duration;

use crate::relay::Candidate;

use super::{RelaySelector, smallest};

/// Prefers the shortest last round trip; relays without a measured one come last.
pub struct LowestRtt;

impl RelaySelector for LowestRtt {
    fn choose(&self, candidates: &[&Candidate]) -> Option<usize> {
        smallest(candidates, |candidate| {
            candidate.rtt.unwrap_or(Duration::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_taken_and_the_unmeasured_comes_last() {
        let at = |ms: Option<u64>| Candidate {
            rtt: ms.map(Duration::from_millis),
            ..Candidate::unknown()
        };
        let (unmeasured, far, near) = (at(None), at(Some(90)), at(Some(9)));
        assert_eq!(LowestRtt.choose(&[&unmeasured, &far, &near]), Some(2));
        assert_eq!(LowestRtt.choose(&[&unmeasured]), Some(0));
    }
}
