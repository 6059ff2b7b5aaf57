//! A drop-in replacement of the `futures-timer` crate for the whole workspace.
//!
//! The published crate runs a thread of its own that sleeps in real time. This
//! one has the same API, and asks the running thread first: a [`Driver`] that
//! the thread has [installed](install) supplies time. Without a driver a delay
//! waits on tokio's timer, and outside tokio on a timer thread, as the original
//! does. It depends on nothing of ours.
//!
//! ```
//! use std::time::Duration;
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! runtime.block_on(futures_timer::Delay::new(Duration::from_millis(1)));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

mod thread;

/// Supplies time to the delays of the threads that installed it.
///
/// A delay may be moved to and dropped on another thread, so an implementation
/// must recognise a timer that is not its own thread's.
pub trait Driver: Send + Sync {
    /// Starts a timer that fires after `delay`, and names it.
    fn start(&self, delay: Duration) -> TimerId;
    /// Makes the timer fire `delay` from now, whether or not it has fired.
    fn reset(&self, timer: TimerId, delay: Duration);
    /// Ready once the timer has fired; otherwise the waker is kept for that moment.
    fn poll(&self, timer: TimerId, cx: &mut Context<'_>) -> Poll<()>;
    /// Forgets the timer.
    fn cancel(&self, timer: TimerId);
    /// The time, counted from whenever it likes. A timer that was started or reset at `t` with
    /// `delay` does not fire before `t + delay`.
    fn now(&self) -> Duration;
}

/// A driver's name for a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(pub u64);

thread_local! {
    static DRIVER: Cell<Option<&'static dyn Driver>> = const { Cell::new(None) };
}

/// Makes `driver` the source of time for delays made on this thread, or removes it.
pub fn install(driver: Option<&'static dyn Driver>) {
    DRIVER.set(driver);
}

/// The longest wait handed to a clock that computes with finite instants.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// A future that ends after a duration.
pub struct Delay(Kind);

enum Kind {
    Driven(Driven),
    Tokio(Pin<Box<tokio::time::Sleep>>),
    Thread(thread::Sleep),
}

/// A delay whose time a driver supplies.
struct Driven {
    driver: &'static dyn Driver,
    timer: TimerId,
    /// In the driver's time.
    end: Duration,
    /// Whose waker the driver has, since the last reset.
    sleeper: Option<WakerName>,
}

/// Tells wakers apart. As long as the driver has the waker itself, no other has its name.
type WakerName = (usize, usize);

fn name(waker: &Waker) -> WakerName {
    let table = std::ptr::from_ref(waker.vtable());
    (waker.data().addr(), table.addr())
}

impl Driven {
    fn start(driver: &'static dyn Driver, delay: Duration) -> Self {
        Self {
            driver,
            timer: driver.start(delay),
            end: driver.now().saturating_add(delay),
            sleeper: None,
        }
    }

    fn reset(&mut self, delay: Duration) {
        self.driver.reset(self.timer, delay);
        self.end = self.driver.now().saturating_add(delay);
        self.sleeper = None;
    }

    /// Asks the driver, unless the answer is known: programs poll their delays far more often
    /// than these end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sleeper = Some(name(cx.waker()));
        if self.sleeper == sleeper && self.driver.now() < self.end {
            return Poll::Pending;
        }
        let polled = self.driver.poll(self.timer, cx);
        self.sleeper = sleeper.filter(|_| polled.is_pending());
        polled
    }
}

impl Delay {
    /// A delay that ends `dur` from now.
    #[inline]
    pub fn new(dur: Duration) -> Self {
        if let Some(driver) = DRIVER.get() {
            return Self(Kind::Driven(Driven::start(driver, dur)));
        }
        let dur = dur.min(FAR);
        if tokio::runtime::Handle::try_current().is_ok() {
            return Self(Kind::Tokio(Box::pin(tokio::time::sleep(dur))));
        }
        Self(Kind::Thread(thread::Sleep::new(dur)))
    }

    /// Makes the delay end `dur` from now.
    #[inline]
    pub fn reset(&mut self, dur: Duration) {
        match &mut self.0 {
            Kind::Driven(driven) => driven.reset(dur),
            Kind::Tokio(sleep) => {
                let deadline = tokio::time::Instant::now() + dur.min(FAR);
                sleep.as_mut().reset(deadline);
            }
            Kind::Thread(sleep) => *sleep = thread::Sleep::new(dur.min(FAR)),
        }
    }
}

impl Future for Delay {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Kind::Driven(driven) => driven.poll(cx),
            Kind::Tokio(sleep) => sleep.as_mut().poll(cx),
            Kind::Thread(sleep) => sleep.poll(cx),
        }
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        if let Kind::Driven(driven) = &self.0 {
            driven.driver.cancel(driven.timer);
        }
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn is_send_sync_unpin<T: Send + Sync + Unpin>() {}

    #[test]
    fn a_delay_has_the_bounds_of_the_original() {
        is_send_sync_unpin::<Delay>();
    }

    /// A driver whose time is whatever the test says.
    struct Manual {
        fired: AtomicU64,
        polls: AtomicU64,
        cancelled: Mutex<Vec<u64>>,
    }

    impl Driver for Manual {
        fn start(&self, delay: Duration) -> TimerId {
            TimerId(delay.as_secs())
        }
        fn reset(&self, _: TimerId, _: Duration) {
            self.fired.store(0, Ordering::SeqCst);
        }
        fn now(&self) -> Duration {
            Duration::from_secs(self.fired.load(Ordering::SeqCst))
        }
        fn poll(&self, timer: TimerId, _: &mut Context<'_>) -> Poll<()> {
            self.polls.fetch_add(1, Ordering::SeqCst);
            if self.fired.load(Ordering::SeqCst) >= timer.0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
        fn cancel(&self, timer: TimerId) {
            self.cancelled
                .lock()
                .expect("no panic in tests")
                .push(timer.0);
        }
    }

    #[test]
    fn an_installed_driver_supplies_the_time() {
        static MANUAL: Manual = Manual {
            fired: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            cancelled: Mutex::new(Vec::new()),
        };
        install(Some(&MANUAL));
        let mut delay = Delay::new(Duration::from_secs(7));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut delay).poll(&mut cx).is_pending());
        assert!(Pin::new(&mut delay).poll(&mut cx).is_pending());
        assert_eq!(MANUAL.polls.load(Ordering::SeqCst), 1, "it has not ended");
        MANUAL.fired.store(7, Ordering::SeqCst);
        assert!(Pin::new(&mut delay).poll(&mut cx).is_ready());
        delay.reset(Duration::from_secs(7));
        assert!(Pin::new(&mut delay).poll(&mut cx).is_pending());
        drop(delay);
        install(None);
        assert_eq!(*MANUAL.cancelled.lock().expect("no panic in tests"), [7]);
    }

    #[test]
    fn tokio_supplies_the_time_inside_its_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O always starts");
        runtime.block_on(async {
            let begin = tokio::time::Instant::now();
            let mut delay = Delay::new(Duration::from_hours(1));
            delay.reset(Duration::from_hours(2));
            delay.await;
            assert_eq!(begin.elapsed().as_secs(), 7200);
        });
    }

    #[test]
    fn a_timer_thread_supplies_the_time_elsewhere() {
        let begin = std::time::Instant::now();
        let mut late = Delay::new(Duration::from_hours(1));
        let mut soon = Delay::new(Duration::from_millis(20));
        thread::block_on(std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut late).poll(cx).is_pending());
            Pin::new(&mut soon).poll(cx)
        }));
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }
}
