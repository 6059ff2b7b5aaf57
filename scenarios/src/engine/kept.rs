//! Results of simulations that have ended, kept until the record of their run is written.
//!
//! Owns a folder of them: a file for each, named by a hash of all that decides a job and of the
//! program that played it. So a run that was interrupted goes on where it stopped, and nothing of
//! another scenario, seed or build is ever taken for a part of it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Stop, Watcher};
use crate::failure::Failure;
use crate::job::{Job, Played, Progress};

/// A folder of results, of jobs that one build of a program played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    folder: PathBuf,
    build: String,
}

impl Kept {
    /// The results in `folder` that the program at `program` has left there; the folder need not
    /// be there yet.
    ///
    /// # Errors
    /// The program's file cannot be read.
    pub fn new(folder: &Path, program: &Path) -> std::io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            build: hash_of_file(program)?,
        })
    }

    /// Where the results lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// BLAKE3 of the program that plays them, as it was when the run began.
    pub(super) fn build(&self) -> &str {
        &self.build
    }

    /// How many of `jobs` have ended.
    pub fn count(&self, jobs: &[Job]) -> usize {
        jobs.iter().filter(|job| self.path(job).exists()).count()
    }

    /// What became of a job, if it has ended. A file that cannot be read is as good as none.
    pub(super) fn find(&self, job: &Job) -> Option<Played> {
        let text = std::fs::read(self.path(job)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps what became of a job. A worker that died may not die again, so that is not kept.
    fn keep(&self, job: &Job, played: &Played) -> std::io::Result<()> {
        if matches!(played.failure, Some(Failure::Died { .. })) {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        let mut beside = tempfile::NamedTempFile::new_in(&self.folder)?;
        beside.write_all(&serde_json::to_vec(played)?)?;
        beside.persist(self.path(job))?;
        Ok(())
    }

    fn path(&self, job: &Job) -> PathBuf {
        // A job is plain data without maps of strings alone as keys, so it is always JSON.
        let job = serde_json::to_vec(job).expect("a job is plain data");
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.build.as_bytes());
        hasher.update(&job);
        let hash = hasher.finalize().to_hex();
        self.folder.join(format!("{}.json", &hash[..32]))
    }
}

/// BLAKE3 of a file, hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn hash_of_file(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A watcher that keeps what ends, and tells another all that it hears.
pub(super) struct Keeper<'a> {
    pub kept: &'a Kept,
    pub jobs: &'a [Job],
    pub watcher: &'a dyn Watcher,
    /// Stopped where a result cannot be kept.
    pub stop: &'a Stop,
    pub trouble: Mutex<Option<std::io::Error>>,
}

impl Keeper<'_> {
    /// Why a result could not be kept, if so.
    pub fn into_trouble(self) -> Option<std::io::Error> {
        let trouble = self.trouble.into_inner();
        trouble.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Keeper<'_> {
    fn started(&self, jobs: &[Job]) {
        self.watcher.started(jobs);
    }

    fn progress(&self, job: usize, progress: Progress) {
        self.watcher.progress(job, progress);
    }

    fn ended(&self, job: usize, played: &Played) {
        if let Err(error) = self.kept.keep(&self.jobs[job], played) {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            *trouble = Some(error);
            self.stop.stop();
        }
        self.watcher.ended(job, played);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn job(count: u32, seed: u64) -> Job {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount={count}\n"
        );
        let plan = read("t", &text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        Job::new(plan.cases[0].scenario.clone(), seed)
    }

    #[test]
    fn only_the_same_job_of_the_same_program_is_found_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("program");
        let results = folder.path().join("results");
        std::fs::write(&program, "one build").expect("it can be written");
        let kept = Kept::new(&results, &program).expect("it can be read");
        let mut played = Played::default();
        played.result.events = 5;
        played.result.wall_s = 0.1 + 0.2;
        assert_eq!(kept.find(&job(2, 1)), None);
        kept.keep(&job(2, 1), &played).expect("it can be written");
        assert_eq!(kept.find(&job(2, 1)), Some(played.clone()));
        assert_eq!(kept.count(&[job(2, 1), job(2, 2), job(3, 1)]), 1);
        std::fs::write(&program, "another").expect("it can be written");
        let other = Kept::new(&results, &program).expect("it can be read");
        assert_eq!(other.find(&job(2, 1)), None);

        played.failure = Some(Failure::Died {
            how: "the worker was killed by signal 9".into(),
            last_words: String::new(),
        });
        kept.keep(&job(2, 2), &played).expect("nothing to write");
        assert_eq!(kept.find(&job(2, 2)), None, "it may live another time");
        std::fs::write(kept.path(&job(2, 1)), "{\"result\":").expect("it can be written");
        assert_eq!(kept.find(&job(2, 1)), None, "half a file is none");
    }
}
