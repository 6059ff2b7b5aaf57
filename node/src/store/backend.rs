//! The index's file: redb upon the environment's disk.
//!
//! A new index is made beside its place and renamed into it when it is whole,
//! since redb refuses a file that a crash left half-initialised. What it may
//! not do is know any table.

use std::io;
use std::sync::Arc;

use redb::{Database, StorageBackend};

use super::StoreError;
use super::overlay::Overlay;
use crate::environment::{Disk, DiskFile};
use crate::files::{self, TEMPORARY};

const INDEX_FILE: &str = "index.redb";
/// Enough for the index of some thousand posts; more is read again from the disk.
const CACHE_BYTES: usize = 4 * 1024 * 1024;

struct Backend(Box<dyn DiskFile>);

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        files::read_twice(INDEX_FILE, || self.0.read_at(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}

/// Opens the index; `None` if there is none.
///
/// # Errors
/// `Index` and `Disk`.
pub(super) fn open(disk: &Arc<dyn Disk>) -> Result<Option<Database>, StoreError> {
    match disk.open(INDEX_FILE, false) {
        Ok(file) => database(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the index for reading alone: what opening it writes stays in memory.
///
/// # Errors
/// `Index` and `Disk`.
pub(super) fn open_to_read(disk: &Arc<dyn Disk>) -> Result<Option<Database>, StoreError> {
    match disk.open(INDEX_FILE, false) {
        Ok(file) => database(Box::new(Overlay::new(file)?)).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The name of an index that has not taken its place yet.
pub(super) fn beside() -> String {
    format!("{INDEX_FILE}{TEMPORARY}")
}

/// Makes an index beside its place, which is `initialise`d then.
///
/// # Errors
/// `Index` and `Disk`, and those of `initialise`.
pub(super) fn make_beside(
    disk: &Arc<dyn Disk>,
    initialise: impl FnOnce(&Database) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let file = disk.open(&beside(), true)?;
    file.set_len(0)?;
    let new = database(file)?;
    initialise(&new)?;
    // Closing writes the file's last pages; only then may it be renamed.
    drop(new);
    Ok(sync_beside(disk)?)
}

/// Opens the index that was made beside its place.
///
/// # Errors
/// `Index` and `Disk`.
pub(super) fn open_beside(disk: &Arc<dyn Disk>) -> Result<Database, StoreError> {
    database(disk.open(&beside(), false)?)
}

/// Makes the content of the index beside its place durable; it must be closed.
///
/// # Errors
/// Whatever the disk reports.
pub(super) fn sync_beside(disk: &Arc<dyn Disk>) -> io::Result<()> {
    disk.open(&beside(), false)?.sync()
}

/// Gives the index that was made beside it its place, and opens it.
///
/// # Errors
/// `Index` and `Disk`.
pub(super) fn take_place(disk: &Arc<dyn Disk>) -> Result<Database, StoreError> {
    disk.rename(&beside(), INDEX_FILE)?;
    disk.sync_dir("")?;
    database(disk.open(INDEX_FILE, false)?)
}

/// Most indexes that are kept aside; the last of more gives way.
const ASIDE_MAX: usize = 8;

/// Moves the index out of the way, where it can be looked at: others' posts are in it alone. None
/// takes the place of one that was moved before, until there are [`ASIDE_MAX`].
///
/// # Errors
/// Whatever the disk reports; nothing to move is none.
pub(super) fn set_aside(disk: &Arc<dyn Disk>) -> io::Result<()> {
    let taken = disk.list("")?;
    let mut names = (1..=ASIDE_MAX).map(|number| match number {
        1 => format!("{INDEX_FILE}.damaged"),
        number => format!("{INDEX_FILE}.damaged-{number}"),
    });
    let last = format!("{INDEX_FILE}.damaged-{ASIDE_MAX}");
    let name = names.find(|name| !taken.contains(name)).unwrap_or(last);
    match disk.rename(INDEX_FILE, &name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.sync_dir(""),
    }
}

fn database(file: Box<dyn DiskFile>) -> Result<Database, StoreError> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(Backend(file))?;
    Ok(database)
}
