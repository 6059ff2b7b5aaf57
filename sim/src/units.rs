//! Quantities that decide: rates and ratios, as integers with their units.
//!
//! Owns their arithmetic and rounding. Parsing and presenting them belongs to
//! the readers and writers of files.

use std::num::NonZeroU64;
use std::time::Duration;

/// A rate in bits per second, never zero.
///
/// ```
/// use std::time::Duration;
/// use orrery_sim::units::Rate;
///
/// let fast = Rate::from_mbps(100);
/// assert_eq!(fast.transmit_time(1_250), Duration::from_micros(100));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// A rate of `bits` per second; `None` if that is zero.
    pub const fn from_bps(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// A rate of `megabits` million bits per second.
    ///
    /// # Panics
    /// If that is zero or beyond `u64` bits per second. For constants; read
    /// files with [`Rate::from_bps`].
    pub const fn from_mbps(megabits: u64) -> Self {
        let bits = megabits.checked_mul(1_000_000);
        match bits {
            Some(bits) => Self::from_bps(bits).expect("a rate is not zero"),
            None => panic!("a rate fits 64 bits"),
        }
    }

    /// Bits per second.
    pub const fn bits_per_second(self) -> u64 {
        self.0.get()
    }

    /// How long `bytes` take at this rate, rounded up to a nanosecond.
    pub const fn transmit_time(self, bytes: u64) -> Duration {
        // 8 bits a byte and 10⁹ ns a second; up to 2.3 GB fit 64 bits, and
        // 128-bit division is an order of magnitude slower.
        const NANOBITS: u64 = 8_000_000_000;
        if let Some(nanobits) = bytes.checked_mul(NANOBITS) {
            return Duration::from_nanos(nanobits.div_ceil(self.0.get()));
        }
        let nanos = (bytes as u128 * NANOBITS as u128).div_ceil(self.0.get() as u128);
        if nanos > u64::MAX as u128 {
            Duration::from_nanos(u64::MAX)
        } else {
            Duration::from_nanos(nanos as u64)
        }
    }
}

/// A share or probability from 0 to 1, in parts per billion.
///
/// Billionths hold every ratio that people write in decimal exactly, down to
/// a loss of 10⁻⁹.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ratio(u32);

impl Ratio {
    /// Nothing, or never.
    pub const ZERO: Self = Self(0);
    /// The whole, or always.
    pub const ONE: Self = Self(1_000_000_000);

    /// `parts` in a billion; `None` above one billion.
    pub const fn from_ppb(parts: u32) -> Option<Self> {
        if parts <= Self::ONE.0 {
            Some(Self(parts))
        } else {
            None
        }
    }

    /// `parts` in a million.
    ///
    /// # Panics
    /// Above one million. For constants; read files with [`Ratio::from_ppb`].
    pub const fn from_ppm(parts: u32) -> Self {
        assert!(parts <= 1_000_000, "a ratio is at most one");
        Self(parts * 1_000)
    }

    /// `parts` in a hundred.
    ///
    /// # Panics
    /// Above one hundred. For constants; read files with [`Ratio::from_ppb`].
    pub const fn from_percent(parts: u32) -> Self {
        assert!(parts <= 100, "a ratio is at most one");
        Self(parts * 10_000_000)
    }

    /// The nearest ratio to `value`; `None` unless 0 ≤ `value` ≤ 1.
    ///
    /// One multiplication and one rounding: the same on every platform.
    pub fn from_f64(value: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&value)
            .then(|| Self((value * 1e9).round() as u32))
    }

    /// Parts per billion.
    pub const fn ppb(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn transmit_time_rounds_up() {
        let check = |bps: u64, bytes: u64, nanos: u64| {
            let rate = Rate::from_bps(bps).expect("not zero");
            assert_eq!(rate.transmit_time(bytes), Duration::from_nanos(nanos));
        };
        check(100_000_000, 1_250, 100_000);
        check(3, 1, 2_666_666_667);
        check(8_000_000_000, 1, 1);
        check(u64::MAX, 1, 1);
        check(u64::MAX, 0, 0);
        check(8_000_000_000, 3_000_000_000, 3_000_000_000);
        check(1, u64::MAX, u64::MAX);
    }

    #[test]
    fn ratios_refuse_what_is_not_between_zero_and_one() {
        assert_eq!(Ratio::from_ppb(1_000_000_001), None);
        assert_eq!(Ratio::from_f64(1.000_1), None);
        assert_eq!(Ratio::from_f64(-0.1), None);
        assert_eq!(Ratio::from_f64(f64::NAN), None);
        assert_eq!(Ratio::from_f64(0.015), Some(Ratio::from_ppm(15_000)));
        assert_eq!(Ratio::from_percent(100), Ratio::ONE);
        assert_eq!(Rate::from_bps(0), None);
    }

    proptest! {
        #[test]
        fn transmit_times_never_undercut_the_rate(bps in 1u64.., bytes in 0u64..10_000_000_000) {
            let rate = Rate::from_bps(bps).expect("not zero");
            let nanos = rate.transmit_time(bytes).as_nanos();
            let bits = u128::from(bytes) * 8_000_000_000;
            if nanos < u128::from(u64::MAX) {
                prop_assert!(nanos * u128::from(bps) >= bits);
                prop_assert!(nanos == 0 || (nanos - 1) * u128::from(bps) < bits);
            }
        }
    }
}
