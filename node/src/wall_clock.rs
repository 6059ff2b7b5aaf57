//! The host's wall clock, as posts, records of addresses and the timeline state it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock in milliseconds since 1970; 0 before.
pub(crate) fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
