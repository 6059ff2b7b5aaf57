//! Dropping what authors want forgotten, while the node runs.
//!
//! Owns when that is done: as the first of it is due, and a little at a time, after what pulls bring.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::environment::Lane;
use crate::store::StoreError;
use crate::wall_clock::wall_clock_ms;

use super::agenda::Errand;
use super::driver::{Driver, Then};

/// The shortest time between two rounds, each of which is bounded.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest, for the wall clock may be set.
const PAUSE_MAX: Duration = Duration::from_mins(10);

impl Driver {
    /// Plans to drop what is due, if anything came that is to be forgotten.
    pub(super) fn forget_in_time(&mut self) {
        if self.context.expiring.swap(false, Ordering::Relaxed) {
            self.agenda.set(Errand::Forget, Instant::now() + PAUSE_MIN);
        }
    }

    /// Drops some of what is due, and plans the next round.
    pub(super) fn forget(&mut self) {
        let shelf = self.context.shelf.clone();
        self.start_job(async move {
            let forgotten = shelf
                .with_in(Lane::Intake, move |store| {
                    let wall_ms = wall_clock_ms();
                    let posts = store.forget_expired(wall_ms)?;
                    let next_ms = store.next_expiry()?;
                    let next_ms = next_ms.map(|next_ms| next_ms.saturating_sub(wall_ms));
                    Ok::<_, StoreError>((posts, next_ms))
                })
                .await;
            let then: Then = Box::new(move |driver| {
                let next_ms = match forgotten {
                    Ok(Ok((posts, next_ms))) => {
                        driver.context.outlet.add("items-forgotten", posts);
                        let Some(next_ms) = next_ms else { return };
                        next_ms
                    }
                    Ok(Err(error)) => {
                        // What has expired is not shown all the same.
                        driver
                            .context
                            .storage_failed("forgetting expired posts", &error);
                        u64::MAX
                    }
                    Err(error) => {
                        tracing::warn!(%error, "expired posts are not cleared away");
                        u64::MAX
                    }
                };
                let pause = Duration::from_millis(next_ms).clamp(PAUSE_MIN, PAUSE_MAX);
                driver.agenda.set(Errand::Forget, Instant::now() + pause);
            });
            then
        });
    }
}
