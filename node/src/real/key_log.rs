//! The file that `SSLKEYLOGFILE` names: secrets of QUIC connections, for Wireshark.
//!
//! Owns how the file is opened, that only its owner may read it, and how much is written to
//! it. It is off unless the variable is set, and says aloud that it is on: who reads the file
//! reads all that those connections carried.

use std::env;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::quic::KeyLog;

/// The variable that browsers and other programs with TLS take for this, too.
const VARIABLE: &str = "SSLKEYLOGFILE";

/// Bytes that one start of the node writes: the secrets of some 60,000 connections.
const BYTES_MAX: u64 = 64 << 20;

/// A file for secrets that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyLogError {
    /// It cannot be opened.
    #[error(
        "{VARIABLE} is set, and `{path}` cannot be opened: {source}; name another file or unset it"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner may read it, or it is no plain file.
    #[error(
        "{VARIABLE} is set, and `{0}` is not a file of its owner alone; `chmod 600` it, name another file, or unset it"
    )]
    Exposed(PathBuf),
}

/// Appends secrets to a file that only its owner may read. Beyond a bound, or when the file
/// cannot be written, it takes no more and says so once.
pub struct FileKeyLog {
    state: Mutex<State>,
    path: PathBuf,
}

struct State {
    /// `None` after the end.
    file: Option<File>,
    left_bytes: u64,
}

impl FileKeyLog {
    /// The file that the environment names, if it does. A warning tells of it; if it cannot be
    /// had, an error tells that, and no secret is written.
    pub fn from_environment() -> Option<Self> {
        let path = env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        let log = Self::open(Path::new(&path), BYTES_MAX)
            .inspect_err(|error| tracing::error!("{error}; secrets of QUIC are not written"))
            .ok()?;
        tracing::warn!(
            "{VARIABLE} is set: who reads `{}` reads all that this node's QUIC connections carry; \
             unset it when you are done. QUIC is the node's own meanwhile, whatever \
             `quic.transport` says",
            log.path.display(),
        );
        Some(log)
    }

    /// Appends to the file at `path`, which is made if absent, at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`KeyLogError`].
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, KeyLogError> {
        let failed = |source| KeyLogError::Open {
            path: path.to_owned(),
            source,
        };
        let exposed = |about: &Metadata| {
            (!about.is_file() || about.permissions().mode() & 0o077 != 0)
                .then(|| KeyLogError::Exposed(path.to_owned()))
        };
        // Asked before as well: to open a pipe without a reader would hold up the start.
        if let Some(refused) = path.metadata().ok().as_ref().and_then(exposed) {
            return Err(refused);
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        if let Some(refused) = exposed(&file.metadata().map_err(failed)?) {
            return Err(refused);
        }
        let state = State {
            file: Some(file),
            left_bytes: bytes_max,
        };
        Ok(Self {
            state: Mutex::new(state),
            path: path.to_owned(),
        })
    }
}

impl KeyLog for FileKeyLog {
    fn line(&self, line: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut file) = state.file.take() else {
            return;
        };
        let bytes = line.len() as u64 + 1;
        let Some(left_bytes) = state.left_bytes.checked_sub(bytes) else {
            let path = self.path.display();
            tracing::warn!("`{path}` is full: secrets of later connections are not written");
            return;
        };
        match file.write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => {
                state.left_bytes = left_bytes;
                state.file = Some(file);
            }
            Err(error) => {
                let path = self.path.display();
                tracing::warn!("`{path}`: {error}; secrets are not written any more");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_appended_up_to_the_bound_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        for _ in 0..2 {
            let log = FileKeyLog::open(&path, 12).unwrap();
            for line in ["first", "second", "x"] {
                log.line(line);
            }
        }
        // "second" would have passed the bound, and nothing comes after that.
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nfirst\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = FileKeyLog::open(&path, BYTES_MAX).err().unwrap();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
        let refused = FileKeyLog::open(folder.path(), BYTES_MAX).err().unwrap();
        assert!(
            refused.to_string().contains("name another file"),
            "{refused}"
        );
    }
}
