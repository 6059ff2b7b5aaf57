//! The kernel: virtual time, the one event queue, and the running hash.
//!
//! A simulation lives on one thread, and so does its kernel: everything here is
//! reached through thread-local state. This module knows events, timers, tasks and
//! hosts by number; it does not know what a packet or a program is.
//!
//! Nothing here wakes a task while the kernel is borrowed: a waker may run any
//! destructor, and destructors come back to cancel timers.

use std::cell::RefCell;
use std::task::Waker;

use crate::clock::WallClock;
use crate::interpose;
use crate::prefetch::prefetch;
use crate::time::SimTime;
use crate::trace::{Encoding, Trace};

pub use order::{Class, HostId, Key};

mod driver;
pub(crate) mod order;
pub(crate) mod pump;
pub mod queue;
mod sleep;
mod sleeper;
mod tasks;
mod waker;

pub(crate) use driver::DRIVER;
pub(crate) use sleeper::Sleeper;
pub(crate) use tasks::{Still, TaskName, Turn};
pub(crate) use waker::waker;

use queue::{Queue, Ticket};
use sleep::Sleep;
use tasks::Tasks;

/// Something that waits for its time.
pub(crate) enum Event {
    /// A program's timer, by slot.
    Timer(u32),
    /// Anything else: a packet on its way, a step of the experiment.
    Other(Box<dyn Occurrence>),
}

/// What happens when the time of an event has come. The caller that schedules it says so: the kernel knows
/// neither packets nor steps.
pub(crate) trait Occurrence {
    /// It happens at `host`, the one that it was scheduled for. True if a program may have
    /// something to do then.
    fn happen(self: Box<Self>, host: HostId) -> bool;

    /// Prefetches tables that have a place for each host, while the event before this one is
    /// delivered. Should read nothing that may be far away.
    fn prefetch_tables(&self, _host: HostId) {}

    /// Prefetches what those tables lead to, as it is about to happen.
    fn prefetch_targets(&self, _host: HostId) {}
}

/// A step of the experiment or of the world.
struct Call<F>(Class, F);

impl<F: FnOnce()> Occurrence for Call<F> {
    fn happen(self: Box<Self>, host: HostId) -> bool {
        let Self(class, action) = *self;
        with(|kernel| kernel.record(class, host, |_| {}));
        action();
        true
    }
}

/// Prefetching on behalf of a host whose program is about to run: what it may touch in parts of
/// the world that the kernel does not know.
#[derive(Clone, Copy)]
pub(crate) struct ProgramPrefetch {
    /// Tables that have a place for each host.
    pub(crate) tables: fn(HostId),
    /// What those lead to.
    pub(crate) targets: fn(HostId),
}

/// What went wrong inside a simulation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host {host} at {at} (seed {seed}): {message}")]
pub struct Failure {
    /// The host's name, or `world`.
    pub host: String,
    /// Simulated time.
    pub at: SimTime,
    /// The simulation's seed.
    pub seed: u64,
    /// The panic's message and place, or the broken invariant.
    pub message: String,
}

/// Figures about the kernel's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events delivered.
    pub events: u64,
    /// Events delivered that were timers of programs.
    pub timers_fired: u64,
    /// Timers that were cancelled or moved before they fired.
    pub timers_moved: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Turns given to tokio, for tasks that libraries started there.
    pub yields: u64,
    /// Most events that waited at once.
    pub queue_max: u64,
}

pub(crate) struct Kernel {
    seed: u64,
    now: SimTime,
    queue: Queue<Event>,
    sequence: u64,
    timers: driver::Timers,
    /// Names and clocks by host, apart: clocks are asked for at every event.
    names: Vec<String>,
    clocks: Vec<WallClock>,
    running: HostId,
    tasks: Tasks,
    sleep: Sleep,
    /// The task that was polled last.
    task: TaskName,
    /// The pump sleeps until this instant; an earlier event must wake it, or a ready task.
    pump: Option<(SimTime, Waker)>,
    trace: Trace,
    stats: Stats,
    failure: Option<Failure>,
    program_prefetch: ProgramPrefetch,
}

thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// Runs `f` on this thread's kernel.
///
/// # Panics
/// Outside a simulation, or when called from within itself.
#[inline]
pub(crate) fn with<T>(f: impl FnOnce(&mut Kernel) -> T) -> T {
    KERNEL.with_borrow_mut(|kernel| f(kernel.as_mut().expect("a simulation runs on this thread")))
}

/// Whether a simulation runs on this thread.
pub(crate) fn is_running() -> bool {
    KERNEL
        .try_with(|kernel| kernel.try_borrow().is_ok_and(|kernel| kernel.is_some()))
        .unwrap_or(false)
}

/// Prefetches the tables that the next event will read.
fn prefetch_tables() {
    with(|kernel| {
        let Some((key, event)) = kernel.queue.prefetch_next() else {
            return;
        };
        if let Some(clock) = kernel.clocks.get(key.host().index()) {
            prefetch(clock);
        }
        match event {
            Event::Timer(slot) => {
                kernel.timers.prefetch(*slot);
                (kernel.program_prefetch.tables)(key.host());
            }
            Event::Other(occurrence) => occurrence.prefetch_tables(key.host()),
        }
    });
}

/// Prefetches what those tables lead to, as an event is about to be delivered. They were
/// prefetched while the event before it was delivered.
fn prefetch_targets(host: HostId, event: &Event) {
    match event {
        Event::Timer(slot) => {
            let program_prefetch = with(|kernel| {
                if let Some(task) = kernel.timers.prefetch_waker(*slot) {
                    kernel.tasks.prefetch(task);
                }
                kernel.program_prefetch
            });
            (program_prefetch.targets)(host);
        }
        Event::Other(occurrence) => occurrence.prefetch_targets(host),
    }
}

/// Starts a kernel on this thread.
pub(crate) fn install(seed: u64, trace: Trace, program_prefetch: ProgramPrefetch) {
    let kernel = Kernel {
        seed,
        now: SimTime::ZERO,
        queue: Queue::default(),
        sequence: 0,
        timers: driver::Timers::default(),
        names: Vec::new(),
        clocks: Vec::new(),
        running: HostId::NONE,
        tasks: Tasks::default(),
        sleep: Sleep::default(),
        task: TaskName::NONE,
        pump: None,
        trace,
        stats: Stats::default(),
        failure: None,
        program_prefetch,
    };
    KERNEL.with_borrow_mut(|slot| {
        assert!(slot.is_none(), "one simulation a thread");
        *slot = Some(kernel);
    });
}

/// Ends this thread's kernel and returns its trace and figures.
pub(crate) fn uninstall() -> Option<(Trace, Stats, Option<Failure>)> {
    let kernel = KERNEL.with_borrow_mut(Option::take)?;
    // What still waits is dropped without the kernel being borrowed.
    let Kernel {
        trace,
        stats,
        failure,
        queue,
        timers,
        ..
    } = kernel;
    drop((queue, timers));
    Some((trace, stats, failure))
}

/// The time of the simulation on this thread.
#[inline]
pub fn now() -> SimTime {
    interpose::now()
}

/// The time of the simulation on this thread as the running host's monotonic clock counts it: without
/// its sleeps.
#[inline]
pub(crate) fn monotonic() -> SimTime {
    interpose::monotonic()
}

/// The same of any host.
#[inline]
pub(crate) fn host_time(host: HostId) -> SimTime {
    with(|kernel| kernel.host_time(host))
}

/// The host whose program runs at this moment, or [`HostId::NONE`].
pub fn running_host() -> HostId {
    if is_running() {
        with(|kernel| kernel.running)
    } else {
        HostId::NONE
    }
}

/// The seed of the simulation on this thread.
pub fn seed() -> u64 {
    with(|kernel| kernel.seed)
}

/// Events delivered so far: nothing comes from the wires while it stays the same.
#[inline]
pub(crate) fn event_number() -> u64 {
    with(|kernel| kernel.stats.events)
}

/// Schedules `action` as an event of `class` at `host`.
pub fn call_at(at: SimTime, class: Class, host: HostId, action: impl FnOnce() + 'static) {
    with(|kernel| kernel.schedule(at, class, host, Event::Other(Box::new(Call(class, action)))));
}

/// Puts what a program did into the trace.
pub fn report(host: HostId, what: &[u8]) {
    with(|kernel| {
        kernel.record(Class::Report, host, |encoding| {
            encoding.update(&(what.len() as u64).to_le_bytes());
            encoding.update(what);
        });
    });
}

/// Ends the simulation because something is wrong. The first failure is kept.
pub fn fail(message: String) {
    with(|kernel| kernel.fail(message));
}

impl Kernel {
    /// Adds an event. An instant in the past means now.
    pub(crate) fn schedule(
        &mut self,
        at: SimTime,
        class: Class,
        host: HostId,
        event: Event,
    ) -> Ticket {
        let key = self.next_key(at, class, host);
        let ticket = self.queue.push(key, event);
        self.stats.queue_max = self.stats.queue_max.max(self.queue.len() as u64);
        ticket
    }

    /// Moves a waiting event to another instant, behind others of that instant.
    pub(crate) fn reschedule(
        &mut self,
        ticket: Ticket,
        at: SimTime,
        class: Class,
        host: HostId,
    ) -> bool {
        let key = self.next_key(at, class, host);
        self.queue.reschedule(ticket, key)
    }

    /// Takes a waiting event out.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<Event> {
        self.queue.cancel(ticket)
    }

    fn next_key(&mut self, at: SimTime, class: Class, host: HostId) -> Key {
        let at = at.max(self.now);
        self.sequence += 1;
        if self.pump.as_ref().is_some_and(|(target, _)| at < *target)
            && let Some((_, waker)) = self.pump.take()
        {
            // The pump's own waker: it only marks the root future as woken.
            waker.wake();
        }
        Key::new(at, class, host, self.sequence)
    }

    /// Puts a delivered event into the running hash.
    pub(crate) fn record(
        &mut self,
        class: Class,
        host: HostId,
        carried: impl FnOnce(&mut Encoding),
    ) {
        self.trace.record(self.now, class, host, carried);
    }

    pub(crate) fn fail(&mut self, message: String) {
        if self.failure.is_none() {
            let host = self.host_name(self.running).to_owned();
            self.failure = Some(Failure {
                host,
                at: self.now,
                seed: self.seed,
                message,
            });
        }
    }

    pub(crate) fn now(&self) -> SimTime {
        self.now
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Adds a host and returns its number.
    pub(crate) fn add_host(&mut self, name: String, clock: WallClock) -> HostId {
        let host = HostId(self.names.len() as u32);
        assert!(
            host < HostId::NONE,
            "more hosts than event keys can tell apart"
        );
        self.names.push(name);
        self.clocks.push(clock);
        host
    }

    pub(crate) fn host_name(&self, host: HostId) -> &str {
        self.names.get(host.index()).map_or("world", String::as_str)
    }

    pub(crate) fn host_count(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn clock_mut(&mut self, host: HostId) -> &mut WallClock {
        &mut self.clocks[host.index()]
    }

    fn set_now(&mut self, now: SimTime) {
        self.now = now;
        interpose::set_now(now);
    }
}

/// While it lives, what runs is `host`'s: its wall clock shows, and what it
/// schedules and logs is its own.
pub(crate) struct HostScope {
    before: HostId,
}

impl HostScope {
    pub(crate) fn enter(host: HostId) -> Self {
        Self {
            before: switch(host),
        }
    }
}

impl Drop for HostScope {
    fn drop(&mut self) {
        if is_running() {
            switch(self.before);
        }
    }
}

fn switch(host: HostId) -> HostId {
    with(|kernel| {
        let offset = kernel
            .clocks
            .get(host.index())
            .map_or(0, |clock| clock.offset_ns(kernel.now));
        interpose::set_wall_offset(offset);
        interpose::set_slept(kernel.sleep.slept_ns(host, kernel.now));
        std::mem::replace(&mut kernel.running, host)
    })
}
