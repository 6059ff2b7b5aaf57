//! Which seeds of a variant count as played.

use crate::record::Variant;

/// Seeds that were played to their end.
pub(crate) fn whole_seeds(variant: &Variant) -> usize {
    variant
        .seeds
        .iter()
        .filter(|seed| seed.failure.is_none())
        .count()
}
