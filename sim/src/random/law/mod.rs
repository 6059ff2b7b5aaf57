//! Laws of lifetimes: how long peers stay, and how long they stay away.
//!
//! Owns drawing from them in integers, also so that a population is in its steady state from the
//! first moment on. A lifetime that is under way at a moment is a long one more often than not:
//! the chance that it is met grows with its length. So what is left of it is a uniform share of a
//! *length-biased* draw (Cox, "Renewal Theory", 1962, §5).

use std::fmt::Debug;
use std::time::Duration;

use super::Stream;

mod empirical;
mod exponential;
mod fixed_point;
mod gamma;
mod log_normal;
mod pareto;
mod weibull;

pub use empirical::{BadQuantiles, Empirical};
pub use exponential::Exponential;
pub use log_normal::LogNormal;
pub use pareto::Pareto;
pub use weibull::Weibull;

/// A law with a finite mean. Durations beyond 584 years are cut there.
pub trait Law: Debug + Send + Sync {
    /// A lifetime that begins now.
    fn draw(&self, stream: &mut Stream) -> Duration;

    /// A lifetime that is under way now: each is drawn as often as it is long.
    fn draw_length_biased(&self, stream: &mut Stream) -> Duration;

    /// The mean lifetime, to about 10⁻⁴ of itself.
    fn mean(&self) -> Duration;
}

/// What is left, at a moment of the steady state, of the lifetime that is under way.
pub fn residual(law: &dyn Law, stream: &mut Stream) -> Duration {
    let whole = law.draw_length_biased(stream);
    stream.uniform(Duration::ZERO, whole)
}

#[cfg(test)]
mod tests;
