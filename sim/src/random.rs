//! The world's randomness: named streams of integers, and distributions drawn
//! from them without floating point.
//!
//! Owns every random decision of the world. One stream serves one (seed,
//! purpose, host), so a new consumer shifts no other's draws. It never takes
//! entropy from the operating system.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::time::saturating_nanos;
use crate::units::Ratio;

mod fixed;
pub mod law;

/// A stream of random integers, the same for the same seed, purpose and host.
///
/// ```
/// use orrery_sim::random::Stream;
///
/// let mut a = Stream::new(7, "loss", 3);
/// let mut b = Stream::new(7, "loss", 3);
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
#[derive(Debug, Clone)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// The stream of `seed` for `purpose` on `host`.
    ///
    /// The key is BLAKE3's key derivation over the three, so streams are
    /// independent of each other and of the order in which they are made.
    pub fn new(seed: u64, purpose: &str, host: u32) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("orrery 2026 world stream");
        hasher.update(&seed.to_le_bytes());
        hasher.update(&host.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self {
            rng: ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()),
        }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// Fills `buffer` with random bytes.
    pub fn fill_bytes(&mut self, buffer: &mut [u8]) {
        self.rng.fill_bytes(buffer);
    }

    /// A uniform integer below `bound`, without bias.
    ///
    /// Lemire, "Fast Random Integer Generation in an Interval", 2019.
    ///
    /// # Panics
    /// If `bound` is zero: nothing is below it.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no integer is below zero");
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// True with probability `ratio`. Always takes one draw, so that a changed
    /// ratio shifts no later draw.
    pub fn chance(&mut self, ratio: Ratio) -> bool {
        // `ppb / 10⁹` of the 2⁶⁴ values, rounded down; one needs all of them.
        // 2⁶⁴ is taken apart by 10⁹, for dividing 128 bits is far slower.
        const BILLION: u64 = Ratio::ONE.ppb() as u64;
        const QUOTIENT: u64 = ((1 << 64) / BILLION as u128) as u64;
        const REST: u64 = ((1 << 64) % BILLION as u128) as u64;
        let ppb = u64::from(ratio.ppb());
        let threshold = u128::from(ppb) * u128::from(QUOTIENT) + u128::from(ppb * REST / BILLION);
        u128::from(self.next_u64()) < threshold
    }

    /// A uniform duration from `min` to `max`, both included, in nanoseconds.
    /// `min` if `max` is not above it.
    pub fn uniform(&mut self, min: Duration, max: Duration) -> Duration {
        let min = saturating_nanos(min);
        let span = saturating_nanos(max).saturating_sub(min);
        let offset = match span.checked_add(1) {
            Some(bound) => self.below(bound),
            None => self.next_u64(),
        };
        Duration::from_nanos(min.saturating_add(offset))
    }

    /// An exponentially distributed duration with the given mean; at most 45
    /// times the mean, for the 2⁻⁶⁴ tail is cut.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        let factor = fixed::minus_ln(self.next_u64());
        Duration::from_nanos(fixed::scale(saturating_nanos(mean), factor))
    }

    /// A normally distributed deviation, in nanoseconds, around zero.
    ///
    /// Marsaglia's polar method on fixed-point integers: a varying number of
    /// draws, exact but for rounding, no tail cut below 9 deviations.
    pub fn normal_nanos(&mut self, deviation: Duration) -> i64 {
        let (magnitude, negative) = self.standard_normal();
        let nanos = fixed::scale(saturating_nanos(deviation), magnitude);
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        if negative { -nanos } else { nanos }
    }

    /// A normally distributed duration, cut at zero.
    pub fn normal(&mut self, mean: Duration, deviation: Duration) -> Duration {
        let offset = self.normal_nanos(deviation);
        Duration::from_nanos(saturating_nanos(mean).saturating_add_signed(offset))
    }

    /// Magnitude (fixed point) and sign of a standard normal variate.
    fn standard_normal(&mut self) -> (u64, bool) {
        loop {
            let bits = self.next_u64();
            // Two coordinates in (−1, 1) with 31 fraction bits, kept odd so
            // that neither is zero.
            let x = i64::from((bits >> 32) as i32 | 1);
            let y = i64::from(bits as i32 | 1);
            // Square of the distance, 62 fraction bits.
            let square = (x * x) as u64 + (y * y) as u64;
            if square < 1 << 62 {
                let magnitude = fixed::polar_factor(square, x.unsigned_abs());
                return (magnitude, x < 0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
