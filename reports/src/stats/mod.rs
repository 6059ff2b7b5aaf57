//! Statistics over seeds: histograms, intervals, differences, and how many seeds would do.
//!
//! Owns every figure that a report states about more than one run. It must not depend on the
//! order in which seeds arrive, on a host clock or on the platform: the bootstrap draws from a
//! stream of its own whose seed is the name of what it estimates.

mod bootstrap;
mod histogram;
mod recorder;
mod share;
mod stat;
mod summarise;
mod zeros;

pub use bootstrap::{PAIRS_MIN, RESAMPLES, interval, needed_seeds};
pub use histogram::{decode, encode, merge, quantile};
pub(crate) use recorder::scale_of;
pub use recorder::{BUCKET_S, BUCKETS_MAX, Recorder};
pub(crate) use share::Shares;
pub use stat::{STATS, Stat};
pub(crate) use summarise::{Wanted, figures, paired};
pub use summarise::{metric_value, summarise};
pub(crate) use zeros::Zeros;

/// Rounds to nine significant digits, so that the last bit of a platform's arithmetic does not
/// reach the record.
pub(crate) fn round9(value: f64) -> f64 {
    if value == 0.0 {
        // Never a negative zero.
        return 0.0;
    }
    format!("{value:.8e}").parse().unwrap_or(value)
}
