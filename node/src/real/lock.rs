//! One process at a time in a data folder.
//!
//! Owns the lock, and the word in its file by which other processes know whether they have to wait for a
//! moment, or for a node that stays. Nothing else is read from that file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// File whose lock stands for the folder.
const LOCK_NAME: &str = "lock";
/// What a node that runs writes into it.
const RUN: &str = "run";
/// How often a folder that is in use is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// Holds a data folder until dropped; the system lets go of it if the process dies.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("`{0}` is in use by another orrery-node; stop it, or choose another folder with --dir")]
    InUse(PathBuf),
    /// The lock file could not be made.
    #[error("cannot lock `{path}`: {error}")]
    Disk {
        /// The lock file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl FolderLock {
    /// Locks `folder` for this process.
    ///
    /// # Errors
    /// [`LockError::InUse`] at once if another process holds it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        Self::take_as(folder, "command")
    }

    /// Locks `folder` for a node that runs until it is told to stop: a command that has it gets up to
    /// `patience` to end.
    ///
    /// # Errors
    /// [`LockError::InUse`] after that, and soon if a node that runs has it.
    pub async fn take_to_run(folder: &Path, patience: Duration) -> Result<Self, LockError> {
        let until = Instant::now() + patience;
        // A process that has just taken it may not have said yet what it is.
        let mut runs_since_last = false;
        loop {
            match Self::take_as(folder, RUN) {
                Err(LockError::InUse(_)) if Instant::now() < until => {}
                ended => return ended,
            }
            let word = fs::read(folder.join(LOCK_NAME));
            let runs = word.is_ok_and(|word| word == RUN.as_bytes());
            if runs && runs_since_last {
                return Err(LockError::InUse(folder.to_path_buf()));
            }
            runs_since_last = runs;
            sleep(PAUSE).await;
        }
    }

    /// Waits for a moment before a folder that is in use is tried again.
    pub async fn pause() {
        sleep(PAUSE).await;
    }

    fn take_as(folder: &Path, word: &str) -> Result<Self, LockError> {
        let path = folder.join(LOCK_NAME);
        let disk = |error| LockError::Disk {
            path: path.clone(),
            error,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            // Where nothing can be written, what is there can be locked all the same.
            .or_else(|error| File::open(&path).or(Err(error)))
            .or_else(|error| File::open(folder).or(Err(error)))
            .map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Self { file };
                lock.say(word);
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => Err(LockError::InUse(folder.to_path_buf())),
            Err(TryLockError::Error(error)) => Err(disk(error)),
        }
    }

    /// Says in the file what has it; where nothing can be written, nothing is said.
    fn say(&self, word: &str) {
        let mut file = &self.file;
        if let Err(error) = file
            .set_len(0)
            .and_then(|()| file.write_all(word.as_bytes()))
        {
            tracing::debug!(%error, "cannot say what has the folder");
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Before it is let go of.
        self.say("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = FolderLock::take(folder.path()).expect("free");
        let second = FolderLock::take(folder.path());
        assert!(matches!(second, Err(LockError::InUse(_))));
        drop(first);
        FolderLock::take(folder.path()).expect("free again");
    }

    #[test]
    fn a_node_waits_for_a_command_and_not_for_a_node() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let long = Duration::from_mins(1);
        runtime.block_on(async {
            let command = FolderLock::take(folder.path()).expect("free");
            let waits = FolderLock::take_to_run(folder.path(), Duration::from_millis(120));
            assert!(
                matches!(waits.await, Err(LockError::InUse(_))),
                "in the end"
            );
            let ends = async {
                sleep(Duration::from_millis(120)).await;
                drop(command);
            };
            let waits = FolderLock::take_to_run(folder.path(), long);
            let (runs, ()) = tokio::join!(waits, ends);
            let runs = runs.expect("its turn");
            let second = FolderLock::take_to_run(folder.path(), long);
            let second = tokio::time::timeout(Duration::from_secs(1), second).await;
            assert!(matches!(second, Ok(Err(LockError::InUse(_)))), "{second:?}");
            drop(runs);
        });
        let left = fs::read(folder.path().join(LOCK_NAME)).expect("is there");
        assert_eq!(left, b"");
    }

    #[test]
    fn a_folder_that_takes_no_writes_has_one_holder_too() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A folder stands where the file would be made.
        std::fs::create_dir(folder.path().join(LOCK_NAME)).expect("made");
        let first = FolderLock::take(folder.path()).expect("free");
        let second = FolderLock::take(folder.path());
        assert!(matches!(second, Err(LockError::InUse(_))));
        drop(first);
    }
}
