//! When the two sides of a pair begin: together, once both know where the other is seen, the
//! second as much later as the scenario says.
//!
//! Owns who waits for the other. That the sides agree on a moment is the experiment's doing, not
//! the network's: nothing is sent for it, so that the offset between them is exact.

use std::collections::BTreeMap;
use std::future::Future;

use futures::channel::oneshot;
use futures_timer::Delay;

use super::Punch;
use super::side::Side;
use crate::play::run::Run;

/// Sides that know where the other is seen and wait until that side does, by pair.
#[derive(Debug, Default)]
pub struct Starts(BTreeMap<u32, oneshot::Sender<()>>);

/// A side knows where the other is seen: ends when it is to begin. A side whose other never
/// comes to know that waits for good.
pub(super) fn start(run: &Run, side: &Side) -> impl Future<Output = ()> + use<> {
    let mut state = run.state();
    let waits = if let Some(other) = state.trackers.get::<Punch>().starts.0.remove(&side.punch) {
        // It may have lost its power meanwhile.
        let _ = other.send(());
        None
    } else {
        let (other, here) = oneshot::channel();
        state
            .trackers
            .get::<Punch>()
            .starts
            .0
            .insert(side.punch, other);
        Some(here)
    };
    let delay = side.delay();
    async move {
        if let Some(here) = waits
            && here.await.is_err()
        {
            std::future::pending::<()>().await;
        }
        if !delay.is_zero() {
            Delay::new(delay).await;
        }
    }
}
