//! Lifetimes whose logarithms are normal.

use std::time::Duration;

use super::Law;
use super::fixed_point::within;
use crate::random::Stream;
use crate::random::fixed::{self, LOG2_E};
use crate::time::saturating_nanos;

/// The log-normal law: the median, times e to a normal deviate times `deviation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogNormal {
    median: Duration,
    /// σ of the logarithm, in fixed point.
    deviation: i64,
}

impl LogNormal {
    /// The law whose natural logarithm deviates by `deviation`, from 0 to 5; `None` outside.
    pub fn new(median: Duration, deviation: f64) -> Option<Self> {
        let deviation = within(deviation, 0.0, 5.0)?;
        Some(Self { median, deviation })
    }

    /// The median times e^`exponent`.
    fn times_exp(&self, exponent: i64) -> Duration {
        let exponent = fixed::product(exponent, LOG2_E);
        Duration::from_nanos(fixed::scale_exp2(saturating_nanos(self.median), exponent))
    }

    fn deviate(&self, stream: &mut Stream) -> i64 {
        let (magnitude, negative) = stream.standard_normal();
        let magnitude = fixed::product(magnitude as i64, self.deviation);
        if negative { -magnitude } else { magnitude }
    }
}

impl Law for LogNormal {
    fn draw(&self, stream: &mut Stream) -> Duration {
        let deviate = self.deviate(stream);
        self.times_exp(deviate)
    }

    /// The same law with a median e^σ² as large.
    fn draw_length_biased(&self, stream: &mut Stream) -> Duration {
        let deviate = self.deviate(stream);
        self.times_exp(deviate + fixed::product(self.deviation, self.deviation))
    }

    fn mean(&self) -> Duration {
        self.times_exp(fixed::product(self.deviation, self.deviation) / 2)
    }
}
