//! The store, as the rest of the node reaches it: through storage jobs only.
//!
//! Owns what becomes of a store on which a job has panicked: it is opened again with less trust
//! in its index each time, and after the last it is lost, with which the node ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::environment::{JobLost, Lane, Storage, StorageClosed};
use crate::keys::Keys;
use crate::outlet::Outlet;
use crate::store::{Cure, Opened, Store, StoreError, Trust};

/// How often an index that holds damaged entries is made anew from the files before it is thrown away, if
/// that is within [`REINDEXES_WITHIN`].
const REINDEXES_MAX: u32 = 3;
const REINDEXES_WITHIN: Duration = Duration::from_hours(1);

/// Why no work could be done on the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreHandleError {
    /// There is no disk any more.
    #[error(transparent)]
    Closed(#[from] StorageClosed),
    /// The work did not come to its end. The next opens the store anew.
    #[error("the storage job panicked")]
    Panicked,
    /// Work has panicked even on an index that was made anew.
    #[error("the store cannot be used, not even with an index that was made anew")]
    Lost,
    /// The store cannot be opened.
    #[error("cannot open the store: {0}")]
    Open(#[from] StoreError),
}

impl From<JobLost> for StoreHandleError {
    fn from(error: JobLost) -> Self {
        match error {
            JobLost::Closed(error) => Self::Closed(error),
            JobLost::Panicked => Self::Panicked,
        }
    }
}

/// A store behind the storage seam. Copies share one store.
#[derive(Clone)]
pub struct StoreHandle {
    storage: Arc<dyn Storage>,
    keys: Keys,
    outlet: Outlet,
    author_bytes_max: u64,
    state: Arc<Mutex<StoreState>>,
    lost: Arc<AtomicBool>,
}

/// Where the store is.
#[derive(Default)]
struct StoreState {
    /// Empty until the store is opened, and again after a failure.
    store: Option<Store>,
    /// How far its index is relied on when it is opened next; nothing if not even an empty one
    /// would do.
    trust: Option<Trust>,
    /// Set where the index is to be made anew from the files when the store is opened next.
    reindex: bool,
    /// How often that was wanted since the first time that counts.
    reindexes: u32,
    first_reindex: Option<Instant>,
    /// Set while a job opens the store or works on it: still set when the next one comes, it
    /// has panicked.
    at_work: bool,
}

impl StoreState {
    /// Opens the store, if it is not open.
    fn open(
        &mut self,
        disk: &Arc<dyn crate::environment::Disk>,
        keys: &Keys,
        author_bytes_max: u64,
    ) -> Result<(), StoreError> {
        if self.store.is_some() {
            return Ok(());
        }
        let trust = self.trust.unwrap_or_default();
        let mut store = Store::open_trusting(disk, keys.clone(), trust)?;
        store.set_author_bytes_max(author_bytes_max);
        if std::mem::take(&mut self.reindex) {
            match store.reindex() {
                Ok(done) => tracing::info!(ops = done.ops, "the index was made anew"),
                Err(error) => tracing::warn!(%error, "the index cannot be made anew"),
            }
        }
        self.store = Some(store);
        Ok(())
    }

    /// Has the store opened anew and cured by the next job.
    fn close(&mut self, cure: Cure) {
        let checked = Some(self.trust.unwrap_or(Trust::Checked));
        match cure {
            Cure::Reopen => {}
            Cure::Check => self.trust = checked,
            // Several jobs may have met the same entry.
            Cure::Reindex if self.reindex => {}
            Cure::Reindex => {
                self.count_reindex(Instant::now());
                if self.reindexes <= REINDEXES_MAX {
                    self.trust = checked;
                    self.reindex = true;
                } else if self.reindexes == REINDEXES_MAX + 1 {
                    self.trust = Some(Trust::Nothing);
                }
            }
        }
        // The old store must be gone before a new one is opened on the same files: it may still
        // write when it is dropped.
        drop(self.store.take());
    }

    /// Counts that the index is to be made anew, beside what was so within the last hour.
    fn count_reindex(&mut self, now: Instant) {
        let first = *self.first_reindex.get_or_insert(now);
        if now.duration_since(first) >= REINDEXES_WITHIN {
            (self.reindexes, self.first_reindex) = (0, Some(now));
        }
        self.reindexes = self.reindexes.saturating_add(1);
    }

    /// Lets go of a store on which a job has panicked.
    fn clear_away(&mut self) {
        self.trust = match self.trust {
            None => Some(Trust::Checked),
            Some(trust) => Some(trust.less()),
        };
        // Closing a store whose index is damaged may panic, too; it is gone from here then.
        drop(self.store.take());
    }
}

impl StoreHandle {
    /// The store of `keys` on the disk of `storage`. It is opened by the first
    /// work done on it, and keeps up to `author_bytes_max` of each author; an index that had to
    /// be made anew is told at `outlet`.
    pub fn new(
        storage: Arc<dyn Storage>,
        keys: Keys,
        outlet: Outlet,
        author_bytes_max: u64,
    ) -> Self {
        Self {
            storage,
            keys,
            outlet,
            author_bytes_max,
            state: Arc::default(),
            lost: Arc::default(),
        }
    }

    /// Runs `work` of the owner's on the store: after all that was given earlier, before what
    /// pulls bring and others ask for.
    ///
    /// # Errors
    /// [`StoreHandleError`]; `work` has not run then, or did not come to its end.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, StoreHandleError> {
        self.with_in(Lane::Owner, work).await
    }

    /// As [`StoreHandle::with`], with the work of another lane.
    ///
    /// # Errors
    /// As [`StoreHandle::with`].
    pub async fn with_in<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, StoreHandleError> {
        let (state, keys) = (Arc::clone(&self.state), self.keys.clone());
        let author_bytes_max = self.author_bytes_max;
        let done = self
            .storage
            .run_in(lane, move |disk| {
                // Jobs run one after the other, so nobody ever waits for this lock.
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if std::mem::replace(&mut state.at_work, true) {
                    if state.trust == Some(Trust::Nothing) {
                        return Err(StoreHandleError::Lost);
                    }
                    state.clear_away();
                }
                let opened = state.open(disk, &keys, author_bytes_max);
                let result = match (opened, state.store.as_mut()) {
                    (Ok(()), Some(store)) => {
                        let value = work(store);
                        Ok((value, store.opened()))
                    }
                    (Err(error), _) => Err(StoreHandleError::Open(error)),
                    (Ok(()), None) => Err(StoreHandleError::Panicked),
                };
                state.at_work = false;
                if result.is_ok() {
                    state.trust = None;
                }
                result
            })
            .await
            .map_err(StoreHandleError::from)
            .flatten();
        match done {
            Ok((value, opened)) => {
                self.tell(&opened);
                Ok(value)
            }
            Err(error) => {
                if matches!(error, StoreHandleError::Closed(_) | StoreHandleError::Lost) {
                    self.lost.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    fn tell(&self, opened: &Opened) {
        if let Some(rebuilt) = &opened.rebuilt {
            tracing::warn!(
                reason = rebuilt.reason,
                "the index is made anew from the files; others' posts are pulled again"
            );
        }
        if opened.keyless > 0 {
            tracing::warn!(
                posts = opened.keyless,
                "own posts are sealed to a key that is gone: these keys are from before it was made. \
                 Their text is here, and no reader who lacks it can be sent it"
            );
        }
        for event in opened.events() {
            self.outlet.emit(&event);
        }
    }

    /// Whether no work can be done any more, so that the node should end.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all work given earlier has run.
    ///
    /// # Errors
    /// [`JobLost`] when there is no disk any more.
    pub async fn settle(&self) -> Result<(), JobLost> {
        for lane in Lane::ALL {
            self.storage.run_in(lane, |_| ()).await?;
        }
        Ok(())
    }

    /// Closes the store after a failure, so that the next work opens it anew with this `cure`.
    ///
    /// # Errors
    /// [`JobLost`] when there is no disk any more.
    pub(crate) async fn close(&self, cure: Cure) -> Result<(), JobLost> {
        let state = Arc::clone(&self.state);
        self.storage
            .run(move |_| {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.close(cure);
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_thrown_away_for_damage_of_one_hour_alone() {
        let (mut state, start) = (StoreState::default(), Instant::now());
        for hours in 0..10 {
            state.count_reindex(start + Duration::from_hours(hours));
            assert!(state.reindexes <= REINDEXES_MAX, "after {hours} hours");
        }
        for _ in 0..=REINDEXES_MAX {
            state.reindex = false;
            state.close(Cure::Reindex);
        }
        assert_eq!(state.trust, Some(Trust::Nothing));
    }
}
