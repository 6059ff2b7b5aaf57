//! Hosts that sleep: suspended machines, whose programs, timers and monotonic clocks stand still.
//!
//! Owns how long each has slept, and which timers of its programs came due meanwhile. What the network
//! makes of a sleeping host is [`crate::net`]'s, which asks here for the time as a host counts it.

use std::collections::BTreeMap;

use super::order::{Class, HostId};
use super::tasks::Still;
use super::{Event, Kernel};
use crate::interpose;
use crate::time::SimTime;

/// The sleeps of all hosts. Hosts that never slept are not in it.
#[derive(Default)]
pub(super) struct Sleep(BTreeMap<HostId, Slept>);

/// The sleeps of one host.
#[derive(Default)]
struct Slept {
    /// Nanoseconds of those that have ended.
    ended_ns: u64,
    /// When the one began that goes on.
    since: Option<SimTime>,
    /// Timers that came due during it, in that order.
    held: Vec<HeldTimer>,
    /// Timers, of programs and of its TCP, that came due during any so far.
    held_count: u64,
}

/// A timer that came due while its host slept.
pub(super) struct HeldTimer {
    pub(super) slot: u32,
    pub(super) generation: u32,
    /// When it would have fired without this sleep.
    pub(super) due: SimTime,
}

/// What becomes of a timer whose time seems to have come.
pub(super) enum Due {
    /// It fires.
    Now,
    /// Its host sleeps, or did while it ran: so many nanoseconds are left.
    In(u64),
    /// Its host sleeps.
    Held,
}

impl Sleep {
    /// How long a host has slept until `now`, in nanoseconds.
    #[inline]
    pub(super) fn slept_ns(&self, host: HostId, now: SimTime) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        self.0.get(&host).map_or(0, |slept| slept.ns(now))
    }

    /// What becomes of a timer that was set when its host had slept for `slept_ns`.
    #[inline]
    pub(super) fn due(&self, host: HostId, slept_ns: u64) -> Due {
        if self.0.is_empty() {
            return Due::Now;
        }
        match self.0.get(&host) {
            Some(slept) if slept.since.is_some() => Due::Held,
            Some(slept) if slept.ended_ns > slept_ns => Due::In(slept.ended_ns - slept_ns),
            Some(_) | None => Due::Now,
        }
    }

    /// Keeps a timer until its host wakes.
    pub(super) fn hold(&mut self, host: HostId, timer: HeldTimer) {
        let slept = self.0.entry(host).or_default();
        slept.held.push(timer);
        slept.held_count += 1;
    }

    fn is_asleep(&self, host: HostId) -> bool {
        self.0.get(&host).is_some_and(|slept| slept.since.is_some())
    }
}

impl Slept {
    fn ns(&self, now: SimTime) -> u64 {
        let current = self
            .since
            .map_or(0, |since| now.as_nanos() - since.as_nanos());
        self.ended_ns + current
    }
}

impl Kernel {
    /// Lets a host sleep, or wakes it: its tasks get their turns again, and its timers wait for what
    /// was left of them.
    pub(crate) fn set_asleep(&mut self, host: HostId, is_asleep: bool) {
        let now = self.now;
        let slept = self.sleep.0.entry(host).or_default();
        if slept.since.is_some() == is_asleep {
            return;
        }
        slept.ended_ns = slept.ns(now);
        slept.since = is_asleep.then_some(now);
        let slept_ns = slept.ended_ns;
        for timer in std::mem::take(&mut slept.held) {
            self.resume_timer(host, &timer, slept_ns);
        }
        if self.running == host {
            interpose::set_slept(slept_ns);
        }
        self.set_still(host, Still::Asleep, is_asleep);
    }

    /// A timer that came due during a sleep waits for what was left of it.
    fn resume_timer(&mut self, host: HostId, held: &HeldTimer, slept_ns: u64) {
        let Some(late_ns) = self.timers.resume(held, slept_ns) else {
            return;
        };
        let at = SimTime::from_nanos(held.due.as_nanos().saturating_add(late_ns));
        let ticket = self.schedule(at, Class::Timer, host, Event::Timer(held.slot));
        self.timers.has_ticket(held.slot, ticket);
    }

    /// Whether a host sleeps.
    pub(crate) fn is_asleep(&self, host: HostId) -> bool {
        self.sleep.is_asleep(host)
    }

    /// Simulated time as a host's monotonic clock counts it: without its sleeps.
    #[inline]
    pub(crate) fn host_time(&self, host: HostId) -> SimTime {
        SimTime::from_nanos(self.now.as_nanos() - self.sleep.slept_ns(host, self.now))
    }

    /// When a host's monotonic clock shows `at`, if it does not sleep until then.
    #[inline]
    pub(crate) fn when_host_has(&self, host: HostId, at: SimTime) -> SimTime {
        let slept_ns = self.sleep.slept_ns(host, self.now);
        SimTime::from_nanos(at.as_nanos().saturating_add(slept_ns))
    }

    /// Counts a timer of a host's system that came due while it slept.
    pub(crate) fn note_held_timer(&mut self, host: HostId) {
        self.sleep.0.entry(host).or_default().held_count += 1;
    }

    /// Timers of a host so far that came due while it slept.
    pub(crate) fn held_timers(&self, host: HostId) -> u64 {
        self.sleep.0.get(&host).map_or(0, |slept| slept.held_count)
    }
}
