//! Timers of programs: what `futures_timer::Delay` waits on in a simulation.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_timer::TimerId;

use super::order::{Class, HostId};
use super::queue::Ticket;
use super::sleep::{Due, HeldTimer};
use super::sleeper::Sleeper;
use super::tasks::TaskName;
use super::{Event, Kernel};
use crate::prefetch::prefetch;
use crate::time::SimTime;

/// The driver that a simulation installs on its thread.
pub(crate) static DRIVER: KernelDriver = KernelDriver;

pub(crate) struct KernelDriver;

/// All timers of a simulation.
#[derive(Default)]
pub(crate) struct Timers {
    entries: Vec<Timer>,
    free: Vec<u32>,
}

struct Timer {
    generation: u32,
    host: HostId,
    ticket: Option<Ticket>,
    fired: bool,
    /// How long its host had slept when it was set, in nanoseconds.
    slept_ns: u64,
    sleeper: Option<Sleeper>,
}

fn id(slot: u32, generation: u32) -> TimerId {
    TimerId(u64::from(generation) << 32 | u64::from(slot))
}

impl Timers {
    /// Prefetches whose timer fires soon.
    pub(super) fn prefetch(&self, slot: u32) {
        if let Some(entry) = self.entries.get(slot as usize) {
            prefetch(entry);
        }
    }

    /// Prefetches what wakes the task that waits for a timer, after [`Self::prefetch`].
    /// Returns that task, for the same.
    pub(super) fn prefetch_waker(&self, slot: u32) -> Option<TaskName> {
        let entry = self.entries.get(slot as usize)?;
        entry.sleeper.as_ref().map(Sleeper::prefetch_waker)
    }

    /// It waits in the queue.
    pub(super) fn has_ticket(&mut self, slot: u32, ticket: Ticket) {
        self.entries[slot as usize].ticket = Some(ticket);
    }

    /// By how many nanoseconds a timer is late because its host, which has slept for `slept_ns` so far,
    /// slept while it ran; `None` if it is another's now, or was set anew.
    pub(super) fn resume(&mut self, held: &HeldTimer, slept_ns: u64) -> Option<u64> {
        let entry = self.entries.get_mut(held.slot as usize)?;
        if entry.generation != held.generation || entry.ticket.is_some() || entry.fired {
            return None;
        }
        let before_ns = std::mem::replace(&mut entry.slept_ns, slept_ns);
        Some(slept_ns - before_ns)
    }

    /// The timer, unless the name is of another simulation or a past timer.
    fn find(&mut self, timer: TimerId) -> Option<(u32, &mut Timer)> {
        let slot = timer.0 as u32;
        let entry = self.entries.get_mut(slot as usize)?;
        (u64::from(entry.generation) == timer.0 >> 32).then_some((slot, entry))
    }
}

impl Kernel {
    fn timer_start(&mut self, delay: Duration) -> TimerId {
        let host = self.running;
        let slot = self.timers.free.pop().unwrap_or_else(|| {
            self.timers.entries.push(Timer {
                generation: 0,
                host,
                ticket: None,
                fired: false,
                slept_ns: 0,
                sleeper: None,
            });
            self.timers.entries.len() as u32 - 1
        });
        let ticket = self.schedule(self.now + delay, Class::Timer, host, Event::Timer(slot));
        let slept_ns = self.sleep.slept_ns(host, self.now);
        let timer = &mut self.timers.entries[slot as usize];
        timer.host = host;
        timer.fired = false;
        timer.slept_ns = slept_ns;
        timer.ticket = Some(ticket);
        id(slot, timer.generation)
    }

    fn timer_reset(&mut self, timer: TimerId, delay: Duration) {
        let at = self.now + delay;
        let Some((slot, entry)) = self.timers.find(timer) else {
            return;
        };
        entry.fired = false;
        entry.slept_ns = self.sleep.slept_ns(entry.host, self.now);
        let (host, ticket) = (entry.host, entry.ticket);
        self.stats.timers_moved += 1;
        if ticket.is_some_and(|ticket| self.reschedule(ticket, at, Class::Timer, host)) {
            return;
        }
        let ticket = self.schedule(at, Class::Timer, host, Event::Timer(slot));
        self.timers.entries[slot as usize].ticket = Some(ticket);
    }

    fn timer_poll(&mut self, timer: TimerId, cx: &mut Context<'_>) -> (Poll<()>, Option<Sleeper>) {
        let task = self.task;
        // A timer of a simulation that has ended never fires.
        let Some((_, entry)) = self.timers.find(timer) else {
            return (Poll::Pending, None);
        };
        if entry.fired {
            return (Poll::Ready(()), None);
        }
        if entry.sleeper.as_ref().is_some_and(|sleeper| sleeper.is(cx)) {
            return (Poll::Pending, None);
        }
        let sleeper = Sleeper::within(cx.waker(), task);
        (Poll::Pending, entry.sleeper.replace(sleeper))
    }

    fn timer_cancel(&mut self, timer: TimerId) -> Option<Sleeper> {
        let (slot, entry) = self.timers.find(timer)?;
        entry.generation = entry.generation.wrapping_add(1);
        let (ticket, sleeper) = (entry.ticket.take(), entry.sleeper.take());
        self.timers.free.push(slot);
        if ticket.and_then(|ticket| self.cancel(ticket)).is_some() {
            self.stats.timers_moved += 1;
        }
        sleeper
    }

    /// A timer's time has come. Returns the waker of the task that waits. What its host has slept is
    /// left out of its time.
    pub(crate) fn timer_fire(&mut self, slot: u32) -> Option<Waker> {
        let now = self.now;
        let entry = &mut self.timers.entries[slot as usize];
        entry.ticket = None;
        let host = entry.host;
        match self.sleep.due(host, entry.slept_ns) {
            Due::Now => {
                entry.fired = true;
                entry.sleeper.take().map(Sleeper::into_waker)
            }
            Due::In(left_ns) => {
                entry.slept_ns += left_ns;
                let at = SimTime::from_nanos(now.as_nanos().saturating_add(left_ns));
                let ticket = self.schedule(at, Class::Timer, host, Event::Timer(slot));
                self.timers.has_ticket(slot, ticket);
                None
            }
            Due::Held => {
                let generation = entry.generation;
                let due = now;
                let held = HeldTimer {
                    slot,
                    generation,
                    due,
                };
                self.sleep.hold(host, held);
                None
            }
        }
    }
}

impl futures_timer::Driver for KernelDriver {
    fn start(&self, delay: Duration) -> TimerId {
        super::with(|kernel| kernel.timer_start(delay))
    }

    fn reset(&self, timer: TimerId, delay: Duration) {
        if super::is_running() {
            super::with(|kernel| kernel.timer_reset(timer, delay));
        }
    }

    fn poll(&self, timer: TimerId, cx: &mut Context<'_>) -> Poll<()> {
        if !super::is_running() {
            return Poll::Pending;
        }
        // The waker that is replaced is dropped after the kernel is released.
        let (poll, _replaced) = super::with(|kernel| kernel.timer_poll(timer, cx));
        poll
    }

    fn now(&self) -> Duration {
        super::monotonic() - SimTime::ZERO
    }

    fn cancel(&self, timer: TimerId) {
        if super::is_running() {
            let _released = super::with(|kernel| kernel.timer_cancel(timer));
        }
    }
}
