//! Worker processes: so many at once, their frames read, their deaths told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use orrery_reports::record::SeedResult;

use super::{Frame, Job, Progress, Stop, UNWRITTEN};

/// Watches a run. Called from several threads.
pub trait Watcher: Sync {
    /// A worker is so far with the job of that place.
    fn progress(&self, job: usize, progress: Progress);
    /// The job of that place has ended.
    fn ended(&self, job: usize, outcome: &Outcome);
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With a result, which may tell of a failure within.
    Result(Box<SeedResult>),
    /// The worker died: how, and the end of what it had to say.
    Died(String),
}

impl Outcome {
    /// The result; for a death one that tells it.
    pub fn into_result(self, seed: u64) -> SeedResult {
        match self {
            Self::Result(result) => *result,
            Self::Died(how) => SeedResult {
                seed: seed.to_string(),
                failure: Some(how),
                ..SeedResult::default()
            },
        }
    }
}

/// Why jobs could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A worker could not be started.
    #[error("cannot start a worker: {0}")]
    Start(std::io::Error),
    /// A simulation could not write its files.
    #[error("variant {variant}, seed {seed}: {failure}")]
    Unwritten {
        /// The variant.
        variant: String,
        /// The seed.
        seed: u64,
        /// What could not be written, and why.
        failure: String,
    },
    /// The run was interrupted.
    #[error("interrupted: nothing was written")]
    Interrupted,
}

/// Bytes of a worker's last words that are kept.
const LAST_WORDS_BYTES: usize = 4_096;

/// Plays all jobs, at most `at_once` at a time, with `program worker` for each. The outcomes are
/// in the jobs' order.
///
/// # Errors
/// As [`PoolError`] says; all workers have ended by then.
pub fn play_all(
    program: &Path,
    jobs: &[Job],
    at_once: usize,
    stop: &Stop,
    watcher: &dyn Watcher,
) -> Result<Vec<Outcome>, PoolError> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..jobs.len()).collect());
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; jobs.len()]);
    let trouble: Mutex<Option<PoolError>> = Mutex::new(None);
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let work = || {
        while let Some(place) = next() {
            if stop.is_stopped() {
                return;
            }
            match play_one(program, &jobs[place], stop, &|progress| {
                watcher.progress(place, progress);
            }) {
                Ok(outcome) => {
                    if stop.is_stopped() {
                        return;
                    }
                    if let Some(error) = unwritten(&jobs[place], &outcome) {
                        *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        stop.stop();
                        return;
                    }
                    watcher.ended(place, &outcome);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(outcome);
                }
                Err(error) => {
                    *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    stop.stop();
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, jobs.len().max(1)) {
            scope.spawn(work);
        }
    });
    if let Some(error) = trouble.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .ok_or(PoolError::Interrupted)
}

/// The error of a job whose files could not be written.
fn unwritten(job: &Job, outcome: &Outcome) -> Option<PoolError> {
    let Outcome::Result(result) = outcome else {
        return None;
    };
    let failure = result.failure.as_ref()?.strip_prefix(UNWRITTEN)?;
    Some(PoolError::Unwritten {
        variant: job.variant.clone(),
        seed: job.seed,
        failure: failure.to_owned(),
    })
}

fn play_one(
    program: &Path,
    job: &Job,
    stop: &Stop,
    progress: &dyn Fn(Progress),
) -> Result<Outcome, PoolError> {
    let mut child = Command::new(program)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(PoolError::Start)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let id = stop.adopt(child);
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        unreachable!("all three pipes were asked for");
    };
    let (result, last_words) = thread::scope(|scope| {
        let last_words = scope.spawn(move || read_last_words(stderr));
        // A worker that dies early does not read its job; its status tells why.
        let _ = hand_over(stdin, job);
        let result = read_frames(stdout, progress);
        (result, last_words.join().unwrap_or_default())
    });
    let mut child = stop.release(id).expect("the worker was adopted above");
    let status = child.wait().map_err(PoolError::Start)?;
    Ok(match result {
        Some(result) if status.success() => Outcome::Result(result),
        _ => Outcome::Died(death(status, &last_words)),
    })
}

fn hand_over(mut stdin: ChildStdin, job: &Job) -> std::io::Result<()> {
    let mut line = serde_json::to_string(job)?;
    line.push('\n');
    stdin.write_all(line.as_bytes())
}

fn read_frames(stdout: ChildStdout, progress: &dyn Fn(Progress)) -> Option<Box<SeedResult>> {
    for line in BufReader::new(stdout).lines() {
        match serde_json::from_str(&line.ok()?).ok()? {
            Frame::Progress(so_far) => progress(so_far),
            Frame::Result(result) => return Some(result),
        }
    }
    None
}

fn read_last_words(mut stderr: ChildStderr) -> String {
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut chunk = [0; 4_096];
    while let Ok(length @ 1..) = stderr.read(&mut chunk) {
        kept.extend(&chunk[..length]);
        let excess = kept.len().saturating_sub(LAST_WORDS_BYTES);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(kept.make_contiguous())
        .trim()
        .to_owned()
}

fn death(status: ExitStatus, last_words: &str) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(0), _) => "the worker ended without a result".to_owned(),
        (Some(code), _) => format!("the worker ended with exit code {code}"),
        (None, Some(signal)) => format!("the worker was killed by signal {signal}"),
        (None, None) => "the worker died".to_owned(),
    };
    if last_words.is_empty() {
        how
    } else {
        format!("{how}; its last words:\n{last_words}")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::format::read;

    /// A script that is still open for writing in another thread's child cannot be executed, so
    /// scripts are written and run one test after the other.
    static SCRIPTS: Mutex<()> = Mutex::new(());

    struct Nobody;

    impl Watcher for Nobody {
        fn progress(&self, _: usize, _: Progress) {}
        fn ended(&self, _: usize, _: &Outcome) {}
    }

    /// Stops everything as soon as a worker tells how far it is.
    struct Impatient(Stop);

    impl Watcher for Impatient {
        fn progress(&self, _: usize, _: Progress) {
            self.0.stop();
        }
        fn ended(&self, _: usize, _: &Outcome) {}
    }

    fn jobs(count: u64) -> Vec<Job> {
        let text =
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n[[group]]\nname='g'\ncount=1\n";
        let plan = read("t", text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        (1..=count)
            .map(|seed| Job::new(plan.cases[0].scenario.clone(), seed))
            .collect()
    }

    /// Plays jobs with a shell script in the worker's place.
    fn play(script: &str, count: u64, at_once: usize) -> Vec<Outcome> {
        let _alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stop = Stop::default();
        let program = program(folder.path(), script);
        play_all(&program, &jobs(count), at_once, &stop, &Nobody).expect("the script can be run")
    }

    fn program(folder: &Path, script: &str) -> std::path::PathBuf {
        let program = folder.join("worker.sh");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
        let executable = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, executable).expect("it is ours");
        program
    }

    /// A script that answers its job with that job's seed.
    fn echo_seed() -> String {
        let result = SeedResult {
            seed: "SEED".to_owned(),
            ..SeedResult::default()
        };
        let frame = serde_json::to_string(&Frame::Result(Box::new(result))).expect("plain data");
        let seed = r#"sed -E 's/.*"seed":([0-9]+).*/\1/'"#;
        format!("seed=$({seed}); echo '{frame}' | sed \"s/SEED/$seed/\"")
    }

    #[test]
    fn outcomes_are_in_the_jobs_order_for_any_number_at_once() {
        let seeds = |at_once| -> Vec<String> {
            play(&echo_seed(), 6, at_once)
                .into_iter()
                .map(|outcome| outcome.into_result(0).seed)
                .collect()
        };
        assert_eq!(seeds(1), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(seeds(4), seeds(1));
    }

    #[test]
    fn a_dead_worker_is_told_with_its_last_words() {
        let check = |script: &str, expected: &str| {
            let outcome = play(script, 1, 1).remove(0);
            assert_eq!(outcome, Outcome::Died(expected.to_owned()), "{script}");
        };
        check(
            "cat >/dev/null; exit 0",
            "the worker ended without a result",
        );
        check(
            "cat >/dev/null; echo out of luck >&2; exit 7",
            "the worker ended with exit code 7; its last words:\nout of luck",
        );
        check("kill -9 $$", "the worker was killed by signal 9");
        check(
            "cat >/dev/null; echo nonsense",
            "the worker ended without a result",
        );
    }

    #[test]
    fn last_words_are_bounded() {
        let script = "cat >/dev/null; head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1";
        let Outcome::Died(how) = play(script, 1, 1).remove(0) else {
            panic!("the worker gave no result");
        };
        assert!(how.len() < LAST_WORDS_BYTES + 100, "{}", how.len());
    }

    #[test]
    fn stopping_kills_workers_and_starts_no_more() {
        let _alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let progress = Frame::Progress(Progress::default());
        let frame = serde_json::to_string(&progress).expect("plain data");
        let program = program(
            folder.path(),
            &format!("echo '{frame}'; exec tail -f /dev/null"),
        );
        let stop = Stop::default();
        let outcome = play_all(&program, &jobs(3), 1, &stop, &Impatient(stop.clone()));
        assert!(matches!(outcome, Err(PoolError::Interrupted)));
    }

    #[test]
    fn a_simulation_that_cannot_write_ends_the_run() {
        let _alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let result = SeedResult {
            failure: Some(format!("{UNWRITTEN}the disk is full")),
            ..SeedResult::default()
        };
        let frame = serde_json::to_string(&Frame::Result(Box::new(result))).expect("plain data");
        let script = format!("cat >/dev/null; echo x >> \"$0.played\"; echo '{frame}'");
        let program = program(folder.path(), &script);
        let stop = Stop::default();
        let outcome = play_all(&program, &jobs(3), 1, &stop, &Nobody);
        let error = outcome.expect_err("nothing was written").to_string();
        assert_eq!(error, "variant default, seed 1: the disk is full");
        let played = std::fs::read_to_string(folder.path().join("worker.sh.played"));
        assert_eq!(played.expect("one was played"), "x\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let outcome = play_all(
            Path::new("/nonexistent"),
            &jobs(2),
            2,
            &Stop::default(),
            &Nobody,
        );
        assert!(matches!(outcome, Err(PoolError::Start(_))));
    }
}
