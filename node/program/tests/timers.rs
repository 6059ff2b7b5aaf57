//! What the released crates do that the root's tests replace by stand-ins.

use std::time::Duration;

use futures_timer::Delay;

/// A relay says until when a place lasts, and libp2p waits for three quarters of that: the release before
/// panicked, and with it ended the node (`a_place_for_ever_is_no_harm` runs on the stand-in).
#[test]
fn a_time_without_end_is_waited_for_without_a_panic() {
    let mut delay = Delay::new(Duration::MAX);
    delay.reset(Duration::from_secs(u64::MAX / 4 * 3));
}
