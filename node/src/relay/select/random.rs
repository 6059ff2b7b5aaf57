//! Any relay: the load spreads by itself, and nobody can attract clients.

use crate::relay::Candidate;

use super::RelaySelector;

/// Takes the first, since candidates come in random order.
pub struct Random;

impl RelaySelector for Random {
    fn choose(&self, candidates: &[&Candidate]) -> Option<usize> {
        (!candidates.is_empty()).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_random_order_is_taken() {
        let (a, b) = (Candidate::unknown(), Candidate::unknown());
        assert_eq!(Random.choose(&[&a, &b]), Some(0));
        assert_eq!(Random.choose(&[]), None);
    }
}
