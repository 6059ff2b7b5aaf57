//! Lifetimes without memory.

use std::time::Duration;

use super::Law;
use crate::random::Stream;

/// The exponential law: that a lifetime ends in the next second is as likely at any age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exponential {
    mean: Duration,
}

impl Exponential {
    /// The law with this mean.
    pub const fn new(mean: Duration) -> Self {
        Self { mean }
    }
}

impl Law for Exponential {
    fn draw(&self, stream: &mut Stream) -> Duration {
        stream.exponential(self.mean)
    }

    /// The density grows with x·e^−x, which is that of the sum of two.
    fn draw_length_biased(&self, stream: &mut Stream) -> Duration {
        let first = stream.exponential(self.mean);
        first.saturating_add(stream.exponential(self.mean))
    }

    fn mean(&self) -> Duration {
        self.mean
    }
}
