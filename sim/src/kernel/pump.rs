//! The pump: delivers events in order, and lets programs run dry in between.
//!
//! Between two events it gives tasks their turns until none is ready any more; then
//! it moves every clock to the next event and delivers it.
//!
//! tokio's own timers keep working: to cross a millisecond boundary the pump
//! sleeps on tokio's paused clock, which advances by itself from timer to timer.
//! So do tasks that libraries start on tokio: while there are any, they run between
//! two events, too.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Runtime, RuntimeMetrics};
use tokio::time::Instant;

use super::{Event, HostScope, with};
use crate::executor;
use crate::time::SimTime;

/// tokio's timers have this resolution.
const TOKIO_TICK_NS: u64 = 1_000_000;

/// What drives a simulation's time: its events, and tokio's timers.
pub(crate) struct Pump {
    runtime: Runtime,
    metrics: RuntimeMetrics,
    /// When simulated time began, on tokio's clock.
    start: Instant,
}

impl Pump {
    /// A pump at simulated time 0, which is now on the clock of `runtime`.
    pub(crate) fn new(runtime: Runtime, start: Instant) -> Self {
        Self {
            metrics: runtime.metrics(),
            runtime,
            start,
        }
    }

    /// Delivers all events before `until`, and moves the clocks there. Ends early
    /// when the simulation has failed.
    pub(crate) fn run_until(&self, until: SimTime) {
        let _context = self.runtime.enter();
        self.settle();
        loop {
            let (failed, now, next) = with(|kernel| {
                kernel.check_strays();
                let next = kernel.queue.peek().map(super::order::Key::time);
                (kernel.failure().is_some(), kernel.now, next)
            });
            if failed {
                return;
            }
            let target = next.map_or(until, |next| next.min(until));
            let tick = SimTime::from_nanos(target.as_nanos() / TOKIO_TICK_NS * TOKIO_TICK_NS);
            if tick > now {
                self.sleep_until(tick);
                // tokio timers of this tick may have made work, even earlier events.
                self.settle();
                continue;
            }
            advance_to(target);
            if target >= until {
                return;
            }
            if deliver_next() {
                self.settle();
            }
        }
    }

    /// Gives turns until every task that can run has run.
    fn settle(&self) {
        loop {
            executor::run_ready();
            if self.metrics.num_alive_tasks() == 0 {
                return;
            }
            self.runtime.block_on(Yield::default());
            let quiet = with(|kernel| {
                kernel.stats.yields += 1;
                !kernel.has_ready_tasks()
            });
            if quiet {
                return;
            }
        }
    }

    /// Lets tokio's clock run to `tick`, or to the moment at which an earlier event
    /// was scheduled or a task became ready.
    ///
    /// tokio advances by whole ticks, so its clock must stand on one at the start.
    fn sleep_until(&self, tick: SimTime) {
        let now = with(|kernel| kernel.now).as_nanos();
        advance_to(SimTime::from_nanos(now.next_multiple_of(TOKIO_TICK_NS)));
        let end = self.start + Duration::from_nanos(tick.as_nanos());
        self.runtime.block_on(async {
            let mut sleep = pin!(tokio::time::sleep_until(end));
            let mut registered = false;
            poll_fn(|cx| {
                if sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                with(|kernel| {
                    let interrupted = registered && kernel.pump.is_none();
                    registered = true;
                    kernel.pump = (!interrupted).then(|| (tick, cx.waker().clone()));
                    if interrupted {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
            })
            .await;
        });
        with(|kernel| kernel.pump = None);
        sync_clocks(self.start);
    }
}

/// Sets the kernel's and the standard library's clocks to tokio's, which may
/// have advanced by itself. Also called whenever tokio's thread unparks.
pub(crate) fn sync_clocks(start: Instant) {
    let now = SimTime::from_nanos((Instant::now() - start).as_nanos() as u64);
    with(|kernel| {
        if now > kernel.now {
            kernel.set_now(now);
        }
    });
}

/// Moves all clocks forward, no farther than the next tick.
fn advance_to(target: SimTime) {
    let ahead = with(|kernel| {
        let ahead = target.as_nanos().saturating_sub(kernel.now.as_nanos());
        kernel.set_now(target.max(kernel.now));
        ahead
    });
    if ahead > 0 {
        // The first poll advances the clock; only then would it yield.
        let mut advance = pin!(tokio::time::advance(Duration::from_nanos(ahead)));
        let _ = advance
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// Delivers the next event. True if a program may have something to do.
fn deliver_next() -> bool {
    let Some((key, event)) = with(|kernel| {
        let next = kernel.queue.pop();
        kernel.stats.events += u64::from(next.is_some());
        next
    }) else {
        return false;
    };
    super::prefetch_targets(key.host(), &event);
    super::prefetch_tables();
    let _scope = HostScope::enter(key.host());
    match event {
        Event::Timer(slot) => {
            let waker = with(|kernel| {
                kernel.stats.timers_fired += 1;
                kernel.record(key.class(), key.host(), |_| {});
                kernel.timer_fire(slot)
            });
            let woken = waker.is_some();
            waker.into_iter().for_each(Waker::wake);
            woken
        }
        Event::Other(occurrence) => occurrence.happen(key.host()),
    }
}

/// Lets every task of tokio run that can.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
