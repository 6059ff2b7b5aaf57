//! Lifetimes as they were measured: quantiles, and straight lines between them.

use std::time::Duration;

use super::Law;
use crate::random::Stream;
use crate::time::saturating_nanos;
use crate::units::Ratio;

/// A law that is given by some of its quantiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Empirical {
    /// The share of lifetimes up to a length; both grow, from nothing to the whole.
    quantiles: Box<[(Ratio, Duration)]>,
}

/// Why quantiles make no law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadQuantiles {
    /// The first share is not 0, or the last not 1.
    Ends,
    /// The one with this index does not follow from the one before: its share must be larger,
    /// its length not smaller.
    Falls(usize),
}

impl Empirical {
    /// The law through `quantiles`, each a share of all lifetimes and how long they are at most.
    ///
    /// # Errors
    /// When they do not grow from the share 0 to the share 1.
    pub fn new(quantiles: Vec<(Ratio, Duration)>) -> Result<Self, BadQuantiles> {
        for (index, pair) in quantiles.windows(2).enumerate() {
            let [(share, length), (next_share, next_length)] = pair else {
                continue;
            };
            if next_share <= share || next_length < length {
                return Err(BadQuantiles::Falls(index + 1));
            }
        }
        match (quantiles.first(), quantiles.last()) {
            (Some((Ratio::ZERO, _)), Some((Ratio::ONE, _))) => Ok(Self {
                quantiles: quantiles.into(),
            }),
            _ => Err(BadQuantiles::Ends),
        }
    }

    /// The pieces between quantiles: how many billionths fall into each, and from where to where.
    fn pieces(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.quantiles.windows(2).filter_map(|pair| match pair {
            [(share, from), (next, to)] => Some((
                u64::from(next.ppb() - share.ppb()),
                saturating_nanos(*from),
                saturating_nanos(*to),
            )),
            _ => None,
        })
    }

    /// Twice the sum of all billionth parts of lifetimes, in nanoseconds.
    fn twice_sum(&self) -> u128 {
        self.pieces().map(weight).sum()
    }
}

/// How often a piece is met at a moment: its share times its mean, here twice that.
fn weight((parts, from, to): (u64, u64, u64)) -> u128 {
    u128::from(parts) * (u128::from(from) + u128::from(to))
}

impl Law for Empirical {
    fn draw(&self, stream: &mut Stream) -> Duration {
        let mut part = stream.below(u64::from(Ratio::ONE.ppb()));
        let mut drawn = 0;
        for (parts, from, to) in self.pieces() {
            drawn = to;
            if part < parts {
                let offset = u128::from(to - from) * u128::from(part) / u128::from(parts);
                drawn = from + offset as u64;
                break;
            }
            part -= parts;
        }
        Duration::from_nanos(drawn)
    }

    /// A piece as often as it is long, and in it the density grows with x: the square of a
    /// lifetime is uniform.
    fn draw_length_biased(&self, stream: &mut Stream) -> Duration {
        let share = u128::from(stream.next_u64());
        let within = u128::from(stream.next_u64());
        // Both factors keep 96 bits at most: 2 · 10⁹ · 2⁶⁴ < 2⁹⁶.
        let mut left = ((self.twice_sum() >> 32) * share) >> 32;
        let mut drawn = 0;
        for piece in self.pieces() {
            let (_, from, to) = piece;
            drawn = to;
            let weight = weight(piece);
            if left < weight {
                let (low, high) = (
                    u128::from(from) * u128::from(from),
                    u128::from(to) * u128::from(to),
                );
                let offset = ((high - low) >> 64) * within
                    + ((u128::from((high - low) as u64) * within) >> 64);
                drawn = (low + offset).isqrt() as u64;
                break;
            }
            left -= weight;
        }
        Duration::from_nanos(drawn)
    }

    fn mean(&self) -> Duration {
        let nanos = self.twice_sum() / 2 / u128::from(Ratio::ONE.ppb());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
