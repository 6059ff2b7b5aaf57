//! The folder of a run's results: what of an earlier run lies there is set aside, never overwritten
//! and never mixed with the new one's.
//!
//! Owns the names of what a run leaves there, and the lock that keeps two runs apart.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::CliError;
use crate::engine::Kept;
use crate::job::Job;

/// What a run leaves in its folder.
const RESULTS: [&str; 7] = [
    "report.html",
    "summary.md",
    "metrics.csv",
    "result.json",
    "logs",
    "captures",
    UNFINISHED,
];

/// Simulations that have ended, of a run that has not.
const UNFINISHED: &str = "unfinished";

/// Earlier results, by number.
const EARLIER: &str = "earlier";

/// Held while a run writes to its folder.
const LOCK: &str = ".lock";

/// A folder that this run alone writes to.
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder and proves that it can be written to, before anything is simulated.
    ///
    /// # Errors
    /// It cannot be written to, or another run does.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let cannot = |error: io::Error| {
            let folder = path.display();
            CliError::Tool(format!(
                "cannot write to the output folder {folder}: {error}; choose another by --out"
            ))
        };
        std::fs::create_dir_all(path).map_err(cannot)?;
        let lock = File::create(path.join(LOCK)).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(CliError::Input(format!(
                "another run writes to {}: wait for it, or choose another folder by --out",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What this run has left there before it was interrupted.
    pub fn kept(&self, program: &Path) -> Result<Kept, CliError> {
        Kept::new(&self.path.join(UNFINISHED), program).map_err(|error| {
            CliError::Tool(format!("cannot read this program's own file: {error}"))
        })
    }

    /// Sets aside what another run has left there, and returns where it is now. What `jobs` left
    /// there before they were interrupted stays.
    ///
    /// # Errors
    /// It cannot be moved.
    pub fn set_aside(&self, kept: &Kept, jobs: &[Job]) -> Result<Option<PathBuf>, CliError> {
        let is_finished = self.path.join("result.json").exists();
        let is_other = kept.folder().exists() && kept.count(jobs) == 0;
        if !is_finished && !is_other {
            return Ok(None);
        }
        self.move_results().map(Some).map_err(|error| {
            let folder = self.path.display();
            CliError::Tool(format!(
                "cannot set aside the earlier result in {folder}: {error}; choose another folder \
                 by --out"
            ))
        })
    }

    fn move_results(&self) -> io::Result<PathBuf> {
        let earlier = self.path.join(EARLIER);
        std::fs::create_dir_all(&earlier)?;
        let mut number = 1;
        let place = loop {
            let place = earlier.join(number.to_string());
            match std::fs::create_dir(&place) {
                Ok(()) => break place,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        for name in RESULTS {
            match std::fs::rename(self.path.join(name), place.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(place)
    }

    /// The run has its record: what was kept of its parts goes.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn finish(self) -> Result<(), CliError> {
        let removed = std::fs::remove_dir_all(self.path.join(UNFINISHED));
        let unlocked = std::fs::remove_file(self.path.join(LOCK));
        drop(self.lock);
        match removed.and(unlocked) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CliError::Tool(format!(
                "cannot remove what was kept of the run's parts: {error}"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let items = std::fs::read_dir(folder).expect("it is a folder");
        let mut names: Vec<String> = items
            .map(|item| item.expect("it can be listed").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn earlier_results_are_set_aside_and_two_runs_kept_apart() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path().join("out");
        let open = || Folder::open(&path);
        let program = std::env::current_exe().expect("a program has a file");
        for number in 1..=2 {
            let folder = open().unwrap_or_else(|error| panic!("{error}"));
            let kept = folder
                .kept(&program)
                .unwrap_or_else(|error| panic!("{error}"));
            assert!(matches!(open(), Err(CliError::Input(_))), "it is taken");
            let aside = folder
                .set_aside(&kept, &[])
                .unwrap_or_else(|error| panic!("{error}"));
            let expected = (number == 2).then(|| path.join("earlier/1"));
            assert_eq!(aside, expected);
            for name in ["result.json", "report.html", "notes.txt"] {
                std::fs::write(path.join(name), number.to_string()).expect("it is ours");
            }
            folder.finish().unwrap_or_else(|error| panic!("{error}"));
        }
        assert_eq!(
            names(&path.join("earlier/1")),
            ["report.html", "result.json"]
        );
        let now = ["earlier", "notes.txt", "report.html", "result.json"];
        assert_eq!(names(&path), now);
        let old = std::fs::read_to_string(path.join("earlier/1/result.json"));
        assert_eq!(old.expect("it was moved"), "1");

        // What another run has not finished is not mixed with this one's either.
        std::fs::remove_file(path.join("result.json")).expect("it is ours");
        std::fs::create_dir(path.join(UNFINISHED)).expect("it is ours");
        let folder = open().unwrap_or_else(|error| panic!("{error}"));
        let kept = folder
            .kept(&program)
            .unwrap_or_else(|error| panic!("{error}"));
        let aside = folder
            .set_aside(&kept, &[])
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(aside, Some(path.join("earlier/2")));
        assert!(!path.join(UNFINISHED).exists());
    }
}
