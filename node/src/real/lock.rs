//! One process at a time in a data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// File whose lock stands for the folder.
const LOCK_NAME: &str = "lock";

/// Holds a data folder until dropped; the system lets go of it if the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
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
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse(folder.to_path_buf())),
            Err(TryLockError::Error(error)) => Err(disk(error)),
        }
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
