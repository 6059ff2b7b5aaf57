//! The store: everything that one identity's device keeps.
//!
//! Own posts and contacts are files, and everything else is a redb index (see `tables`).
//! Both are durable in files and index before they are acknowledged, and the files are the
//! truth; of others' ops the index is, and what of it is lost is pulled again, but for what others
//! signed of their keys and logs, of which there is a copy (`proof_file`). All calls are
//! synchronous and wait for nothing but the disk: they are made within storage jobs. Nothing here reads
//! a clock; entropy is drawn for names and keys, and to tell of some logs out of too many.

mod answer;
mod backend;
mod chat_index;
mod contact_file;
mod contacts;
mod conversation;
mod error;
mod forks;
mod index;
mod ingest;
mod lapsed;
mod not_taken;
mod opening;
mod overlay;
mod owed;
mod own_logs;
mod post;
mod post_files;
mod proof_file;
mod receipts;
mod record;
mod recover;
mod serial_file;
mod settling;
mod tables;
mod timeline;
mod viewer_feed;
mod whole_file;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::environment::Disk;
use crate::keys::Keys;

pub use answer::{Answer, Unanswered};
pub use chat_index::News;
pub use contact_file::Contacts;
pub use conversation::{Acknowledged, Talk, UNREAD_MAX};
pub(crate) use error::Cure;
pub use error::StoreError;
pub use forks::Fork;
pub use ingest::{Ingested, Received};
pub use opening::{Opened, Rebuilt, SetAside, Trust};
pub use own_logs::{EndReason, EndedLog};
pub use post::{Granted, Posted};
pub use proof_file::Proofs;
pub use recover::Reindexed;
pub use timeline::Shown;

/// Everything that one identity's device keeps.
///
/// One store at a time may be open on a disk.
pub struct Store {
    disk: Arc<dyn Disk>,
    keys: Keys,
    index: Database,
    /// Whether the whole index was checked when it was opened, or made anew.
    is_checked: bool,
    /// Set while files and index may differ: before the next write, what is
    /// in files only is entered.
    unsettled: bool,
    /// Why it takes no changes, if the disk refuses them.
    read_only: Option<String>,
    /// Most bytes of ops that are kept of one author.
    author_bytes_max: u64,
    /// How it was opened, and what was set aside, until it is asked for.
    opened: Opened,
}

impl Store {
    /// The secrets the store works with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Keeps no more than so many bytes of ops of each author from now on.
    pub fn set_author_bytes_max(&mut self, bytes: u64) {
        self.author_bytes_max = bytes;
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
