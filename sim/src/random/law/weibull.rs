//! Lifetimes of which the longer ones last ever longer (or, with a shape above one, shorter).

use std::time::Duration;

use super::fixed_point::{ONE, quotient, within};
use super::{Law, gamma};
use crate::random::{Stream, fixed};
use crate::time::saturating_nanos;

/// The Weibull law: longer than t with probability e^−(t / scale)^shape.
///
/// Sessions of peers have been found to follow it with shapes below one (Steiner, En-Najjary and
/// Biersack, "Long Term Study of Peer Behavior in the KAD DHT", 2009).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weibull {
    /// 1 / shape, in fixed point.
    inverse: i64,
    scale: Duration,
}

impl Weibull {
    /// The law with `shape` from 0.1 to 100; `None` outside.
    pub fn new(shape: f64, scale: Duration) -> Option<Self> {
        let inverse = quotient(ONE, within(shape, 0.1, 100.0)?);
        Some(Self { inverse, scale })
    }

    /// `scale · value^(1 / shape)`.
    fn power(&self, value: u64) -> Duration {
        let exponent = fixed::product(fixed::log2(value.max(1)), self.inverse);
        Duration::from_nanos(fixed::scale_exp2(saturating_nanos(self.scale), exponent))
    }
}

impl Law for Weibull {
    fn draw(&self, stream: &mut Stream) -> Duration {
        self.power(fixed::minus_ln(stream.next_u64()))
    }

    /// (t / scale)^shape of a length-biased lifetime follows the gamma law with shape
    /// 1 + 1 / shape.
    fn draw_length_biased(&self, stream: &mut Stream) -> Duration {
        self.power(gamma::draw(ONE + self.inverse, stream) as u64)
    }

    fn mean(&self) -> Duration {
        let exponent = gamma::log2_gamma(ONE + self.inverse);
        Duration::from_nanos(fixed::scale_exp2(saturating_nanos(self.scale), exponent))
    }
}
