//! The store: everything that one identity's device keeps.
//!
//! Own posts are files, and everything else is a redb index (see `tables`).
//! Own posts are durable in files and index before they are acknowledged; of
//! others' ops the index is the truth. All calls are synchronous and wait for
//! nothing but the disk: they are made within storage jobs. Nothing here reads
//! a clock; entropy is drawn only for names and keys.

mod answer;
mod backend;
mod contacts;
mod error;
mod forks;
mod index;
mod ingest;
mod lapsed;
mod post;
mod post_files;
mod record;
mod recover;
mod tables;
mod timeline;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::entropy;
use crate::environment::Disk;
use crate::keys::Keys;

pub use answer::Answer;
pub use error::StoreError;
pub use forks::Fork;
pub use ingest::{Ingested, Received};
pub use post::{Granted, Posted};
pub use recover::Reindexed;

use tables::Derived;

/// Everything that one identity's device keeps.
///
/// One store at a time may be open on a disk.
pub struct Store {
    disk: Arc<dyn Disk>,
    keys: Keys,
    index: Database,
    /// Set while files and index may differ: before the next write, what is
    /// in files only is entered.
    unsettled: bool,
}

impl Store {
    /// Opens the store on `disk`, or makes an empty one, and enters what a
    /// crash left in files only.
    ///
    /// # Errors
    /// `Disk` and `Index`; `Damaged` when a post's files are not as written
    /// and the index knows the post, or posts that follow it.
    pub fn open(disk: &Arc<dyn Disk>, keys: Keys) -> Result<Self, StoreError> {
        let index = backend::open(disk, |index| {
            let txn = index.begin_write()?;
            {
                Derived::open(&txn)?;
                txn.open_table(tables::EPOCH)?
                    .insert((), &entropy::bytes::<16>())?;
                txn.open_table(tables::CARDS)?;
                txn.open_table(tables::FOLLOWS)?;
                txn.open_table(tables::BLOCKS)?;
                txn.open_table(tables::CURSORS)?;
                txn.open_table(tables::FORKS)?;
                txn.open_table(tables::CERTIFICATES)?;
                txn.open_table(tables::REVOCATIONS)?;
            }
            txn.commit()?;
            Ok(())
        })?;
        let mut store = Self {
            disk: Arc::clone(disk),
            keys,
            index,
            unsettled: true,
        };
        store.settle()?;
        Ok(store)
    }

    /// The secrets the store works with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn read(&self) -> Result<ReadTransaction, StoreError> {
        Ok(self.index.begin_read()?)
    }

    /// Runs `change` in one transaction, which is durable on return or did nothing.
    fn write<T>(
        &mut self,
        change: impl FnOnce(&WriteTransaction, &Keys) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.settle()?;
        let txn = self.index.begin_write()?;
        let result = change(&txn, &self.keys)?;
        txn.commit()?;
        Ok(result)
    }
}
