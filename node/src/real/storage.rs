//! Storage jobs on one dedicated thread, fed by a bounded queue for each lane.
//!
//! Owns the order of jobs: those of an earlier lane first, but none waits for ever. A job that
//! panics ends by itself: the thread goes on, and its caller is told.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

use crate::environment::{Disk, Job, Lane, Storage, StorageClosed};

/// Jobs of one lane that may wait; whoever gives one more waits too.
const QUEUE_JOBS_MAX: usize = 1024;
/// Jobs of other lanes that run while one waits in a later lane; then it has its turn.
const PASSED_MAX: u32 = 16;

type Order = (Job, oneshot::Sender<()>);

/// Jobs that wait.
#[derive(Default)]
struct Queue {
    lanes: [VecDeque<Order>; Lane::ALL.len()],
    /// Jobs of other lanes that ran while one waited here, since the last of this lane.
    passed: [u32; Lane::ALL.len()],
    closed: bool,
}

impl Queue {
    /// The next job and its lane: of the first lane, or of the one that has waited longest for its turn.
    fn pop(&mut self) -> Option<(Lane, Order)> {
        let waiting = |lane: &Lane| !self.lanes[*lane as usize].is_empty();
        let waiting: Vec<_> = Lane::ALL.into_iter().filter(waiting).collect();
        let passed = |lane: &Lane| self.passed[*lane as usize];
        let due = waiting.iter().filter(|lane| passed(lane) >= PASSED_MAX);
        // Of several that have waited as long, the first.
        let lane = due.rev().max_by_key(|lane| passed(lane));
        let lane = *lane.or(waiting.first())?;
        for other in Lane::ALL {
            let passed = &mut self.passed[other as usize];
            *passed = if other != lane && waiting.contains(&other) {
                passed.saturating_add(1)
            } else {
                0
            };
        }
        let order = self.lanes[lane as usize].pop_front()?;
        Some((lane, order))
    }
}

/// What the thread and those who give it jobs share.
struct Shared {
    queue: Mutex<Queue>,
    came: Condvar,
    /// Free places in the queue of each lane.
    places: [Semaphore; Lane::ALL.len()],
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next job; nothing when the queue is closed and empty.
    fn next(&self) -> Option<Order> {
        let mut queue = self.queue();
        loop {
            if let Some((lane, order)) = queue.pop() {
                self.places[lane as usize].add_permits(1);
                return Some(order);
            }
            if queue.closed {
                return None;
            }
            queue = self
                .came
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A thread that runs storage jobs.
pub struct StorageThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl StorageThread {
    /// Starts the thread, which owns `disk`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            came: Condvar::new(),
            places: Lane::ALL.map(|_| Semaphore::new(QUEUE_JOBS_MAX)),
        });
        let jobs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || {
                while let Some((job, done)) = jobs.next() {
                    // What a job works on is the caller's to mend: it finds no result.
                    if catch_unwind(AssertUnwindSafe(|| job(&disk))).is_err() {
                        tracing::error!("a storage job panicked");
                    }
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = done.send(());
                }
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

impl Storage for StorageThread {
    fn execute(&self, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>> {
        self.execute_in(Lane::Owner, job)
    }

    fn execute_in(&self, lane: Lane, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>> {
        async move {
            let place = self.shared.places[lane as usize].acquire().await;
            place.map_err(|_| StorageClosed)?.forget();
            let (done, finished) = oneshot::channel();
            self.shared.queue().lanes[lane as usize].push_back((job, done));
            self.shared.came.notify_one();
            finished.await.map_err(|_| StorageClosed)
        }
        .boxed()
    }
}

impl Drop for StorageThread {
    /// Lets the jobs that were given run to their end.
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.came.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the storage thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::JobLost;
    use crate::real::FolderDisk;

    fn storage(folder: &tempfile::TempDir) -> Arc<dyn Storage> {
        let disk = FolderDisk::create(folder.path()).expect("created");
        Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread"))
    }

    #[tokio::test]
    async fn jobs_run_in_order_and_answer() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = storage(&folder);
        for size in 1..=3_u8 {
            let len = storage
                .run(move |disk| {
                    let file = disk.open("x", true)?;
                    file.write_at(file.len()?, &[size])?;
                    file.len()
                })
                .await
                .expect("the thread runs")
                .expect("the disk works");
            assert_eq!(len, u64::from(size));
        }
    }

    #[tokio::test]
    async fn a_panicking_job_is_told_and_the_next_one_runs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = storage(&folder);
        let first = storage.run(|_| panic!("a broken invariant")).await;
        assert_eq!(first, Err::<(), _>(JobLost::Panicked));
        assert_eq!(storage.run(|_| 1).await, Ok(1));
    }

    /// The order in which jobs run that were all given while one held up the thread.
    async fn order_of(lanes: &[Lane]) -> Vec<usize> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = storage(&folder);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let ran = Arc::new(Mutex::new(Vec::new()));
        let hold = storage.run(move |_| gate.recv().is_ok());
        let mut hold = Box::pin(hold);
        assert!(futures::poll!(&mut hold).is_pending(), "the gate is shut");
        // The first poll gives a job to the thread, so each is polled here, in
        // order, before the gate opens. Unconstrained, since tokio lets a task
        // take 128 things only before it has to yield.
        let mut jobs = Vec::new();
        for (number, lane) in lanes.iter().enumerate() {
            let ran = Arc::clone(&ran);
            let given = storage.run_in(*lane, move |_| {
                ran.lock().expect("no panic").push(number);
            });
            let mut job = Box::pin(tokio::task::unconstrained(given));
            assert!(futures::poll!(&mut job).is_pending(), "the gate is shut");
            jobs.push(job);
        }
        open.send(()).expect("the first job waits");
        assert_eq!(hold.await, Ok(true));
        for job in jobs {
            assert_eq!(job.await, Ok(()));
        }
        let ran = ran.lock().expect("no panic");
        ran.clone()
    }

    #[tokio::test]
    async fn the_owner_waits_for_one_job_whatever_sixteen_pullers_ask() {
        // Sixteen pullers with four pulls each, and then the owner posts.
        let mut lanes = vec![Lane::Serve; 64];
        lanes.extend([Lane::Owner, Lane::Intake]);
        let ran = order_of(&lanes).await;
        assert_eq!(ran[..3], [64, 65, 0]);
    }

    #[tokio::test]
    async fn others_wait_for_a_bounded_number_of_the_owners_jobs() {
        let mut lanes = vec![Lane::Owner; 40];
        lanes.extend([Lane::Serve; 3]);
        let ran = order_of(&lanes).await;
        let served: Vec<_> = (0..ran.len()).filter(|at| ran[*at] >= 40).collect();
        // Whether the job that holds the thread counts depends on who comes first.
        assert!(matches!(served[0], 15 | 16), "{served:?}");
        assert_eq!(served[1..], [served[0] + 17, 42]);
    }

    #[tokio::test]
    async fn no_lane_waits_for_ever_while_two_others_are_never_empty() {
        let lanes = [Lane::Owner, Lane::Intake, Lane::Serve];
        let all: Vec<_> = (0..300).map(|number| lanes[number % 3]).collect();
        let ran = order_of(&all).await;
        // While all three have something left.
        for window in ran[..120].windows(3 * 17) {
            for lane in 0..3 {
                assert!(window.iter().any(|number| number % 3 == lane), "{ran:?}");
            }
        }
        let first = ran[..120].iter().filter(|number| **number % 3 == 0);
        assert!(first.count() > 90, "the owner goes first: {ran:?}");
    }
}
