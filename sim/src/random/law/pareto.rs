//! Lifetimes with a tail that falls as a power.

use std::time::Duration;

use super::Law;
use super::fixed_point::{ONE, quotient, within};
use crate::random::Stream;
use crate::random::fixed::{self, LOG2_E};
use crate::time::saturating_nanos;

/// The Pareto law: longer than t ≥ `min` with probability (min / t)^shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pareto {
    /// In fixed point.
    shape: i64,
    min: Duration,
}

impl Pareto {
    /// The law with `shape` from 1.01 to 100; `None` outside. At 1 and below there is no mean.
    pub fn new(shape: f64, min: Duration) -> Option<Self> {
        let shape = within(shape, 1.01, 100.0)?;
        Some(Self { shape, min })
    }

    fn draw_with(&self, shape: i64, stream: &mut Stream) -> Duration {
        let minus_ln = fixed::minus_ln(stream.next_u64()) as i64;
        let exponent = quotient(fixed::product(minus_ln, LOG2_E), shape);
        Duration::from_nanos(fixed::scale_exp2(saturating_nanos(self.min), exponent))
    }
}

impl Law for Pareto {
    fn draw(&self, stream: &mut Stream) -> Duration {
        self.draw_with(self.shape, stream)
    }

    /// The same law with a shape smaller by one.
    fn draw_length_biased(&self, stream: &mut Stream) -> Duration {
        self.draw_with(self.shape - ONE, stream)
    }

    fn mean(&self) -> Duration {
        let factor = quotient(self.shape, self.shape - ONE) as u64;
        Duration::from_nanos(fixed::scale(saturating_nanos(self.min), factor))
    }
}
