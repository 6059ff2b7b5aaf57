//! Timers for programs without a tokio runtime: one thread sleeps for all.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A timer on the timer thread.
pub struct Sleep {
    key: Key,
}

/// Deadline, then order of creation.
type Key = (Instant, u64);

#[derive(Default)]
struct Timers {
    next: u64,
    waiting: BTreeMap<Key, Option<Waker>>,
}

#[derive(Default)]
struct Shared {
    timers: Mutex<Timers>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Timers> {
        // Nothing panics while the lock is held, except an allocation failure.
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shared() -> &'static Arc<Shared> {
    static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();
    SHARED.get_or_init(|| {
        let shared = Arc::<Shared>::default();
        let ours = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("futures-timer".into())
            .spawn(move || run(&ours))
            .expect("the operating system starts a thread");
        shared
    })
}

fn run(shared: &Shared) {
    let mut timers = shared.lock();
    loop {
        let now = Instant::now();
        let later = timers.waiting.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut timers.waiting, later);
        if !due.is_empty() {
            drop(timers);
            due.into_values().flatten().for_each(Waker::wake);
            timers = shared.lock();
            continue;
        }
        let wait = timers
            .waiting
            .first_key_value()
            .map(|((at, _), _)| *at - now);
        timers = shared
            .changed
            .wait_timeout(timers, wait.unwrap_or(Duration::from_hours(1)))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

impl Sleep {
    pub fn new(delay: Duration) -> Self {
        let deadline = Instant::now() + delay;
        let mut timers = shared().lock();
        timers.next += 1;
        let key = (deadline, timers.next);
        timers.waiting.insert(key, None);
        drop(timers);
        shared().changed.notify_one();
        Self { key }
    }

    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        match shared().lock().waiting.get_mut(&self.key) {
            None => Poll::Ready(()),
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        shared().lock().waiting.remove(&self.key);
    }
}

/// Runs one future on this thread; for the tests, which have no executor.
#[cfg(test)]
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
