//! The pump: delivers events in order, and lets programs run dry in between.
//!
//! It is the root future of tokio's `block_on`, which polls it only when the run
//! queue is empty. Between two events it yields until no task is polled any
//! more; then it moves every clock to the next event and delivers it.
//!
//! tokio's own timers keep working: to cross a millisecond boundary the pump
//! sleeps on tokio's paused clock, which advances by itself from timer to timer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::{Event, HostScope, with};
use crate::time::SimTime;

/// tokio's timers have this resolution.
const TOKIO_TICK_NS: u64 = 1_000_000;

/// Delivers all events before `until`, and moves the clocks there. Ends early
/// when the simulation has failed.
pub(crate) async fn run_until(start: Instant, until: SimTime) {
    settle().await;
    loop {
        if with(|kernel| kernel.failure().is_some()) {
            return;
        }
        let next = with(|kernel| kernel.queue.peek().map(super::order::Key::time));
        let target = next.map_or(until, |next| next.min(until));
        let tick = SimTime::from_nanos(target.as_nanos() / TOKIO_TICK_NS * TOKIO_TICK_NS);
        if tick > with(|kernel| kernel.now) {
            sleep_until(start, tick).await;
            // tokio timers of this tick may have made work, even earlier events.
            settle().await;
            continue;
        }
        advance_to(target);
        if target >= until {
            return;
        }
        if deliver_next() {
            settle().await;
        }
    }
}

/// Lets tokio's clock run to `tick`, or to the moment at which an earlier event
/// was scheduled.
///
/// tokio advances by whole ticks, so its clock must stand on one at the start.
async fn sleep_until(start: Instant, tick: SimTime) {
    let now = with(|kernel| kernel.now).as_nanos();
    advance_to(SimTime::from_nanos(now.next_multiple_of(TOKIO_TICK_NS)));
    let mut sleep = pin!(tokio::time::sleep_until(
        start + Duration::from_nanos(tick.as_nanos())
    ));
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
    with(|kernel| kernel.pump = None);
    sync_clocks(start);
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
    super::approach(key.host(), &event);
    super::anticipate();
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
        Event::Net(event) => crate::net::deliver(event),
        Event::Call(action) => {
            with(|kernel| kernel.record(key.class(), key.host(), |_| {}));
            action();
            true
        }
    }
}

/// Yields until every task that can run has run.
///
/// One yield is not enough: tasks that used up tokio's cooperative budget are
/// woken together with the root, so the root goes on until no poll is counted.
async fn settle() {
    loop {
        let before = with(|kernel| kernel.stats.polls);
        Yield::default().await;
        let quiet = with(|kernel| {
            kernel.stats.yields += 1;
            kernel.stats.polls == before
        });
        if quiet {
            return;
        }
    }
}

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
