//! A stream of chance: what a hostile peer draws comes from its seed and a purpose, and from nothing
//! else.

/// Bytes that look random and are decided by seed and purpose.
#[derive(Clone)]
pub struct Chance(blake3::OutputReader);

impl Chance {
    /// The stream of `seed` for `purpose`.
    pub fn new(seed: &[u8; 32], purpose: &str) -> Self {
        Self(
            blake3::Hasher::new_keyed(seed)
                .update(purpose.as_bytes())
                .finalize_xof(),
        )
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// A fixed number of bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `bound`, 0 if that is 0. The bias of the remainder is below one in 2^32 for all
    /// bounds that a `u32` has.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(self.array())
            .checked_rem(bound)
            .unwrap_or(0)
    }

    /// One of `items`; `None` if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_and_purpose_decide() {
        let draw = |seed: u8, purpose| Chance::new(&[seed; 32], purpose).array::<8>();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        let mut chance = Chance::new(&[3; 32], "below");
        assert!((0..100).all(|_| chance.below(7) < 7));
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.pick::<u8>(&[]), None);
    }
}
