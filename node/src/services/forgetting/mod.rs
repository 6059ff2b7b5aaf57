//! Dropping what authors want forgotten, while the node runs.
//!
//! Owns when that is done: as the first of it is due, and a little at a time, after what pulls bring.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::core::Core;
use crate::core::StartError;
use crate::core::signal::Signal;
use crate::environment::Lane;
use crate::store::StoreError;
use crate::wall_clock::wall_clock_ms;

use super::Service;

/// The shortest time between two rounds, each of which is bounded.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest, for the wall clock may be set.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// When some of it is dropped next.
#[derive(Debug, Default)]
pub struct Forgetting {
    forget_at: Option<Instant>,
}

impl Service for Forgetting {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
        self.forget_in_time(core);
        Ok(())
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        if matches!(signal, Signal::FeedPulled) {
            self.forget_in_time(core);
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.forget_at
    }

    fn on_timer(&mut self, core: &mut Core, _: Instant) {
        self.forget_at = None;
        forget(core);
    }
}

impl Forgetting {
    /// Plans to drop what is due, if anything came that is to be forgotten.
    fn forget_in_time(&mut self, core: &Core) {
        if core.context.expiring.swap(false, Ordering::Relaxed) {
            self.forget_at = Some(Instant::now() + PAUSE_MIN);
        }
    }
}

/// Drops some of what is due, and plans the next round.
fn forget(core: &mut Core) {
    let store = core.context.store.clone();
    let job = async move {
        store
            .with_in(Lane::Intake, move |store| {
                let wall_ms = wall_clock_ms();
                let posts = store.forget_expired(wall_ms)?;
                let next_ms = store.next_expiry()?;
                let next_ms = next_ms.map(|next_ms| next_ms.saturating_sub(wall_ms));
                Ok::<_, StoreError>((posts, next_ms))
            })
            .await
    };
    core.start_job(job, |forgetting: &mut Forgetting, core, forgotten| {
        let next_ms = match forgotten {
            Ok(Ok((posts, next_ms))) => {
                core.context.outlet.add("items-forgotten", posts);
                let Some(next_ms) = next_ms else { return };
                next_ms
            }
            Ok(Err(error)) => {
                // What has expired is not shown all the same.
                core.context
                    .storage_failed("forgetting expired posts", &error);
                u64::MAX
            }
            Err(error) => {
                tracing::warn!(%error, "expired posts are not cleared away");
                u64::MAX
            }
        };
        let pause = Duration::from_millis(next_ms).clamp(PAUSE_MIN, PAUSE_MAX);
        forgetting.forget_at = Some(Instant::now() + pause);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn a_round_is_planned_when_something_came_that_is_to_be_forgotten() {
        let (mut core, _) = fake::core(Config::default());
        let mut forgetting = Forgetting::default();
        let pulled = Signal::FeedPulled;
        forgetting.on_signal(&mut core, &pulled);
        assert_eq!(forgetting.next_time(), None);
        core.context.expiring.store(true, Ordering::Relaxed);
        forgetting.on_signal(&mut core, &pulled);
        let due = forgetting.next_time().expect("a round");
        forgetting.on_timer(&mut core, due);
        assert_eq!(forgetting.next_time(), None, "the job is under way");
        fake::run_jobs(&mut forgetting, &mut core);
        assert_eq!(forgetting.next_time(), None, "the store is empty");
    }
}
