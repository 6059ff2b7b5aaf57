//! Criterion's settings for all benches: short, so that a run of everything is
//! over in two minutes.

use std::time::Duration;

use criterion::Criterion;

/// Half a second of warming up, one and a half of measuring.
pub fn brief() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(50)
}
