//! The store, as the rest of the node reaches it: through storage jobs only.

use std::sync::{Arc, Mutex, PoisonError};

use crate::environment::{Storage, StorageClosed};
use crate::keys::Keys;
use crate::store::{Store, StoreError};

/// Why no work could be done on the store.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// There is no disk any more.
    #[error(transparent)]
    Closed(#[from] StorageClosed),
    /// The store cannot be opened.
    #[error("cannot open the store: {0}")]
    Open(#[from] StoreError),
}

/// A store behind the storage seam. Copies share one store.
#[derive(Clone)]
pub struct Shelf {
    storage: Arc<dyn Storage>,
    keys: Keys,
    /// Empty until the store is opened, and again after a failure.
    store: Arc<Mutex<Option<Store>>>,
}

impl Shelf {
    /// The store of `keys` on the disk of `storage`. It is opened by the first
    /// work done on it.
    pub fn new(storage: Arc<dyn Storage>, keys: Keys) -> Self {
        Self {
            storage,
            keys,
            store: Arc::default(),
        }
    }

    /// Runs `work` on the store, after all work given earlier.
    ///
    /// # Errors
    /// [`ShelfError`]; `work` has not run then.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, ShelfError> {
        let place = Arc::clone(&self.store);
        let keys = self.keys.clone();
        let result = self
            .storage
            .run(move |disk| {
                // Jobs run one after the other, so nobody ever waits for this
                // lock; a panicked job leaves the store as its last commit did.
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                let store = match place.take() {
                    Some(store) => store,
                    None => Store::open(disk, keys)?,
                };
                Ok::<_, StoreError>(work(place.insert(store)))
            })
            .await?;
        Ok(result?)
    }

    /// Waits until all work given earlier has run.
    ///
    /// # Errors
    /// [`StorageClosed`] when there is no disk any more.
    pub async fn settle(&self) -> Result<(), StorageClosed> {
        self.storage.run(|_| ()).await
    }

    /// Closes the store after a failure of the disk, so that the next work
    /// opens it anew: what an unfinished write left behind is found out only
    /// by reading it again.
    ///
    /// # Errors
    /// [`StorageClosed`] when there is no disk any more.
    pub async fn close(&self) -> Result<(), StorageClosed> {
        let place = Arc::clone(&self.store);
        self.storage
            .run(move |_| {
                // The old store must be gone before a new one is opened on
                // the same files: it may still write when it is dropped.
                drop(place.lock().unwrap_or_else(PoisonError::into_inner).take());
            })
            .await
    }
}
