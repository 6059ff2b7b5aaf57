//! A disk in memory that keeps what is durable apart from what is pending.
//!
//! Owns a tree of files below one root, its power cuts and its timing. It
//! knows nothing of what is stored. An operation is visible at once to those
//! that follow; it becomes durable when a sync that covers it completes in
//! virtual time, and a power cut takes everything else.
//!
//! Durability is POSIX's to the letter: syncing a file makes its bytes and
//! length durable, not its name; a name (of a file or a folder) is durable
//! after its folder was synced.
//!
//! ```
//! use orrery_sim::disk::{DiskConfig, SimDisk};
//! use orrery_sim::time::SimTime;
//!
//! let disk = SimDisk::new(DiskConfig::default());
//! disk.begin(SimTime::ZERO);
//! let file = disk.open("log", true)?;
//! file.write_at(0, b"kept")?;
//! file.sync()?;
//! disk.sync_dir("")?;
//! file.write_at(4, b" lost")?;
//! let done = SimTime::ZERO + disk.end();
//!
//! disk.power_cut(done);
//! assert_eq!(disk.open("log", false)?.len()?, 4);
//! # Ok::<(), std::io::Error>(())
//! ```

mod content;
mod file;
mod journal;
mod tree;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::journal::{Journal, Record};
use self::tree::{Folder, Node};
use crate::time::SimTime;
use crate::units::Rate;

pub use content::FILE_BYTES_MAX;
pub use file::SimFile;

/// How long operations take.
#[derive(Debug, Clone, Copy)]
pub struct DiskConfig {
    /// Any operation: reads and writes meet the page cache.
    pub op_latency: Duration,
    /// A sync, in addition.
    pub sync_latency: Duration,
    /// How fast a sync writes what is pending.
    pub rate: Rate,
}

impl Default for DiskConfig {
    /// A consumer SSD: 5 µs an operation, 1 ms a sync, 200 MB/s.
    fn default() -> Self {
        Self {
            op_latency: Duration::from_micros(5),
            sync_latency: Duration::from_millis(1),
            rate: Rate::from_mbps(1_600),
        }
    }
}

/// What a disk has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskStats {
    /// Operations of every kind, failed ones included.
    pub operations: u64,
    /// Syncs of files and folders.
    pub syncs: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Bytes written that power cuts took.
    pub lost_bytes: u64,
    /// Changes of names that power cuts took.
    pub lost_names: u64,
}

/// A disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    config: DiskConfig,
    root: Arc<Mutex<Folder>>,
    journal: Journal,
    /// When the current job was given, and when its last operation completes.
    began: SimTime,
    clock: SimTime,
    /// Power cuts so far; a file opened before one is of no use after it.
    epoch: u64,
    stats: DiskStats,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(config: DiskConfig) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                config,
                root: Arc::default(),
                journal: Journal::default(),
                began: SimTime::ZERO,
                clock: SimTime::ZERO,
                epoch: 0,
                stats: DiskStats::default(),
            })),
        }
    }

    /// How long its operations take.
    pub fn config(&self) -> DiskConfig {
        self.lock().config
    }

    /// What is at the top, as programs see it now. It is no operation of theirs.
    pub fn names(&self) -> Vec<String> {
        let root = Arc::clone(&self.lock().root);
        lock(&root).names()
    }

    /// Begins a job at `now`, or when the jobs before it are done. Operations
    /// complete one after the other from then on.
    pub fn begin(&self, now: SimTime) {
        let mut inner = self.lock();
        inner.began = now;
        inner.clock = inner.clock.max(now);
        inner.journal.settle(now);
    }

    /// Time from the job's beginning until its last operation completes,
    /// waiting for earlier jobs included.
    pub fn end(&self) -> Duration {
        let inner = self.lock();
        inner.clock - inner.began
    }

    /// Cuts the power at `now`: what no sync completed by then made durable is
    /// gone, and so are all open files.
    pub fn power_cut(&self, now: SimTime) {
        let mut inner = self.lock();
        inner.journal.settle(now);
        let mut lost = inner.journal.discard();
        lost += tree::recover(&inner.root);
        inner.stats.lost_bytes += lost.bytes;
        inner.stats.lost_names += lost.names;
        inner.stats.cuts += 1;
        inner.epoch += 1;
        inner.clock = now;
        inner.began = now;
    }

    /// Counters.
    pub fn stats(&self) -> DiskStats {
        self.lock().stats
    }

    /// Opens the file at `path`, creating it if `create` and it is missing.
    ///
    /// # Errors
    /// `NotFound` without `create` or without its folder, `IsADirectory`,
    /// `InvalidInput` for a path that is not relative and plain.
    pub fn open(&self, path: &str, create: bool) -> io::Result<SimFile> {
        let mut inner = self.lock();
        inner.operation();
        let (folder, name) = tree::parent(&inner.root, path)?;
        let mut folder = lock(&folder);
        let file = match folder.find(name) {
            Some(Node::File(file)) => file,
            Some(Node::Folder(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            None if create => {
                let file = Arc::default();
                folder.set(name, Some(Node::File(Arc::clone(&file))));
                file
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(SimFile::new(self.clone(), inner.epoch, file))
    }

    /// Makes the folder `path` and those above it.
    ///
    /// # Errors
    /// `NotADirectory` if a file is in the way, `InvalidInput` for a path that
    /// is not relative and plain.
    pub fn create_dir_all(&self, path: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.operation();
        tree::create_folders(&inner.root, path)
    }

    /// Names in the folder `path`, sorted; empty if there is no such folder.
    ///
    /// # Errors
    /// `InvalidInput` for a path that is not relative and plain.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut inner = self.lock();
        inner.operation();
        match tree::folder(&inner.root, path) {
            Ok(folder) => Ok(lock(&folder).names()),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(error),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Renames a file, replacing a file of the new name.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory` if either name is a folder's, `InvalidInput`
    /// for a path that is not relative and plain.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.operation();
        let (from_folder, from_name) = tree::parent(&inner.root, from)?;
        let (to_folder, to_name) = tree::parent(&inner.root, to)?;
        let file = lock(&from_folder).find_file(from_name)?;
        if let Some(Node::Folder(_)) = lock(&to_folder).find(to_name) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        lock(&from_folder).set(from_name, None);
        lock(&to_folder).set(to_name, Some(Node::File(file)));
        Ok(())
    }

    /// Removes a file. Those that have it open keep it until they close it.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, `InvalidInput` for a path that is not
    /// relative and plain.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.operation();
        let (folder, name) = tree::parent(&inner.root, path)?;
        let mut folder = lock(&folder);
        folder.find_file(name)?;
        folder.set(name, None);
        Ok(())
    }

    /// Makes the names in the folder `path` durable once completed. The root
    /// is the empty path and needs no syncing itself.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `InvalidInput` for a path that is not
    /// relative and plain.
    pub fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.operation();
        let folder = tree::folder(&inner.root, path)?;
        let changes = lock(&folder).take_changes();
        inner.sync(0, |done| Record::names(done, folder, changes));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    /// Accounts for an operation.
    fn operation(&mut self) {
        self.stats.operations += 1;
        self.clock += self.config.op_latency;
    }

    /// Accounts for a sync that writes `bytes`, and records it.
    fn sync(&mut self, bytes: u64, record: impl FnOnce(SimTime) -> Record) {
        self.stats.syncs += 1;
        self.clock += self.config.sync_latency + self.config.rate.transmit_time(bytes);
        self.journal.push(record(self.clock));
    }
}

/// Locks `mutex`. A panic elsewhere leaves nothing half-done that matters
/// more than the panic itself, which ends the run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
