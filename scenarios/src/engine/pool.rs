//! Worker processes: so many at once, their frames read, their deaths told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Frame, Stop};
use crate::failure::Failure;
use crate::job::{Job, Played, Progress};

/// Watches a run. Called from several threads.
pub trait Watcher: Sync {
    /// These jobs are about to be played; whatever was before them has ended.
    fn started(&self, _jobs: &[Job]) {}
    /// A worker is so far with the job of that place.
    fn progress(&self, _job: usize, _progress: Progress) {}
    /// The job of that place has ended.
    fn ended(&self, _job: usize, _played: &Played) {}
}

/// Looks away: the watcher of a run that is not watched.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watcher for Unwatched {}

/// Why jobs could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A worker could not be started.
    #[error("cannot start a worker: {0}")]
    Start(std::io::Error),
    /// A simulation could not write its files.
    #[error("variant {variant}, seed {seed}: {why}")]
    Unwritten {
        /// The variant.
        variant: String,
        /// The seed.
        seed: u64,
        /// What could not be written, and why.
        why: String,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// Bytes of a worker's last words that are kept.
const LAST_WORDS_BYTES: usize = 4_096;

/// Worker processes: which program, how many at once, and who watches and stops them.
#[derive(Clone, Copy)]
pub struct Pool<'a> {
    /// The program; `program worker` plays one job.
    pub program: &'a Path,
    /// Workers at once; at least one is started.
    pub at_once: usize,
    /// What ends them early.
    pub stop: &'a Stop,
    /// What is told how far they are.
    pub watcher: &'a dyn Watcher,
}

impl Pool<'_> {
    /// Plays all jobs. What became of them is in the jobs' order, and does not depend on how
    /// many are played at once.
    ///
    /// # Errors
    /// As [`PoolError`] says; all workers have ended by then.
    pub fn play(&self, jobs: &[Job]) -> Result<Vec<Played>, PoolError> {
        self.watcher.started(jobs);
        let run = Run {
            jobs,
            queue: Mutex::new((0..jobs.len()).collect()),
            played: Mutex::new(vec![None; jobs.len()]),
            trouble: Mutex::new(None),
        };
        thread::scope(|scope| {
            for _ in 0..self.at_once.clamp(1, jobs.len().max(1)) {
                scope.spawn(|| self.work(&run));
            }
        });
        if let Some(error) = lock(&run.trouble).take() {
            return Err(error);
        }
        let played = std::mem::take(&mut *lock(&run.played));
        played
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or(PoolError::Interrupted)
    }

    /// Plays one job after the other until none is left or the run is stopped.
    fn work(&self, run: &Run<'_>) {
        loop {
            let next = lock(&run.queue).pop_front();
            let Some(place) = next.filter(|_| !self.stop.is_stopped()) else {
                return;
            };
            let job = &run.jobs[place];
            let progress = |progress| self.watcher.progress(place, progress);
            let played = play_one(self.program, job, self.stop, &progress);
            if played.is_ok() && self.stop.is_stopped() {
                return;
            }
            match played.and_then(|played| written(job, played)) {
                Ok(played) => {
                    self.watcher.ended(place, &played);
                    lock(&run.played)[place] = Some(played);
                }
                Err(error) => {
                    *lock(&run.trouble) = Some(error);
                    self.stop.stop();
                    return;
                }
            }
        }
    }
}

/// What the threads of one run share.
struct Run<'a> {
    jobs: &'a [Job],
    /// Places of jobs that are still to be played.
    queue: Mutex<VecDeque<usize>>,
    played: Mutex<Vec<Option<Played>>>,
    trouble: Mutex<Option<PoolError>>,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was played, unless its files could not be written.
fn written(job: &Job, played: Played) -> Result<Played, PoolError> {
    if let Some(Failure::Unwritten { why }) = played.failure {
        return Err(PoolError::Unwritten {
            variant: job.variant.clone(),
            seed: job.seed,
            why,
        });
    }
    Ok(played)
}

fn play_one(
    program: &Path,
    job: &Job,
    stop: &Stop,
    progress: &dyn Fn(Progress),
) -> Result<Played, PoolError> {
    // Ctrl-C is for this process, which ends its workers: what kills them is no failure of theirs.
    let mut child = Command::new(program)
        .arg("worker")
        .process_group(0)
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
        Some(played) if status.success() => *played,
        Some(_) | None => {
            let mut played = Played::failed(Failure::Died {
                how: death(status),
                last_words,
            });
            played.result.seed = job.seed.to_string();
            played
        }
    })
}

fn hand_over(mut stdin: ChildStdin, job: &Job) -> std::io::Result<()> {
    let mut line = serde_json::to_string(job)?;
    line.push('\n');
    stdin.write_all(line.as_bytes())
}

fn read_frames(stdout: ChildStdout, progress: &dyn Fn(Progress)) -> Option<Box<Played>> {
    for line in BufReader::new(stdout).lines() {
        match serde_json::from_str(&line.ok()?).ok()? {
            Frame::Progress(so_far) => progress(so_far),
            Frame::Result(played) => return Some(played),
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

fn death(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => "the worker ended without a result".to_owned(),
        (Some(code), _) => format!("the worker ended with exit code {code}"),
        (None, Some(signal)) => format!("the worker was killed by signal {signal}"),
        (None, None) => "the worker died".to_owned(),
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

    /// Stops everything as soon as a worker tells how far it is.
    struct Impatient(Stop);

    impl Watcher for Impatient {
        fn progress(&self, _: usize, _: Progress) {
            self.0.stop();
        }
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
    fn play(script: &str, count: u64, at_once: usize) -> Vec<Played> {
        let _alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stop = Stop::default();
        let program = program(folder.path(), script);
        pool(&program, at_once, &stop)
            .play(&jobs(count))
            .expect("the script can be run")
    }

    fn pool<'a>(program: &'a Path, at_once: usize, stop: &'a Stop) -> Pool<'a> {
        Pool {
            program,
            at_once,
            stop,
            watcher: &Unwatched,
        }
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
        let mut played = Played::default();
        played.result.seed = "SEED".to_owned();
        let frame = serde_json::to_string(&Frame::Result(Box::new(played))).expect("plain data");
        let seed = r#"sed -E 's/.*"seed":([0-9]+).*/\1/'"#;
        format!("seed=$({seed}); echo '{frame}' | sed \"s/SEED/$seed/\"")
    }

    #[test]
    fn outcomes_are_in_the_jobs_order_for_any_number_at_once() {
        let seeds = |at_once| -> Vec<String> {
            play(&echo_seed(), 6, at_once)
                .into_iter()
                .map(|played| played.result.seed)
                .collect()
        };
        assert_eq!(seeds(1), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(seeds(4), seeds(1));
    }

    #[test]
    fn a_dead_worker_is_told_with_its_last_words() {
        let check = |script: &str, expected: &str| {
            let played = play(script, 1, 1).remove(0);
            assert_eq!(played.result.seed, "1");
            let told = played.failure.map(|failure| failure.to_string());
            assert_eq!(told.as_deref(), Some(expected), "{script}");
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
        let Some(Failure::Died { last_words, .. }) = play(script, 1, 1).remove(0).failure else {
            panic!("the worker gave no result");
        };
        assert_eq!(last_words.len(), LAST_WORDS_BYTES);
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
        let impatient = Pool {
            watcher: &Impatient(stop.clone()),
            ..pool(&program, 1, &stop)
        };
        let outcome = impatient.play(&jobs(3));
        assert!(matches!(outcome, Err(PoolError::Interrupted)));
    }

    #[test]
    fn a_simulation_that_cannot_write_ends_the_run() {
        let _alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let played = Played::failed(Failure::Unwritten {
            why: "the disk is full".to_owned(),
        });
        let frame = serde_json::to_string(&Frame::Result(Box::new(played))).expect("plain data");
        let script = format!("cat >/dev/null; echo x >> \"$0.played\"; echo '{frame}'");
        let program = program(folder.path(), &script);
        let stop = Stop::default();
        let outcome = pool(&program, 1, &stop).play(&jobs(3));
        let error = outcome.expect_err("nothing was written").to_string();
        assert_eq!(error, "variant default, seed 1: the disk is full");
        let played = std::fs::read_to_string(folder.path().join("worker.sh.played"));
        assert_eq!(played.expect("one was played"), "x\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let stop = Stop::default();
        let outcome = pool(Path::new("/nonexistent"), 2, &stop).play(&jobs(2));
        assert!(matches!(outcome, Err(PoolError::Start(_))));
    }
}
