//! Tasks of hosts: what runs on behalf of which host, and what ends with the power.
//!
//! Where they are and which has its turn, the kernel knows.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::Context;

use crate::interpose;
use crate::kernel::{self, HostId, HostScope, Kernel, TaskName, Turn};

/// Starts tasks of one life of one host: from a boot to the power cut or stop
/// that ends it. Tasks given to it later are dropped.
#[derive(Clone, Debug)]
pub struct Executor {
    host: HostId,
    life: u32,
}

#[derive(Default)]
struct HostTasks {
    life: u32,
    /// By name, so in the order of their creation.
    live: BTreeSet<TaskName>,
}

thread_local! {
    static TASKS: RefCell<BTreeMap<HostId, HostTasks>> = const { RefCell::new(BTreeMap::new()) };
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl Executor {
    /// The executor of the host's present life.
    pub(crate) fn of(host: HostId) -> Self {
        let life = TASKS.with_borrow_mut(|tasks| tasks.entry(host).or_default().life);
        Self { host, life }
    }

    /// The host whose tasks it runs.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// Runs `task` on behalf of the host until it ends or the host goes down.
    ///
    /// # Panics
    /// Outside the simulation that the executor belongs to.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_boxed(Box::pin(task));
    }

    /// As [`Self::spawn`], for a task that is in a box already.
    ///
    /// # Panics
    /// Outside the simulation that the executor belongs to.
    pub fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let alive = TASKS.with_borrow_mut(|tasks| {
            let tasks = tasks.entry(self.host).or_default();
            tasks.life == self.life
        });
        if !alive {
            return;
        }
        let name = kernel::with(|kernel| kernel.add_task(self.host, task));
        TASKS.with_borrow_mut(|tasks| {
            if let Some(tasks) = tasks.get_mut(&self.host) {
                tasks.live.insert(name);
            }
        });
    }
}

/// Ends the host's life: drops all its tasks, in the order of their creation.
pub(crate) fn end_life(host: HostId) {
    let ended = TASKS.with_borrow_mut(|tasks| {
        let tasks = tasks.entry(host).or_default();
        tasks.life += 1;
        std::mem::take(&mut tasks.live)
    });
    let _scope = HostScope::enter(host);
    for name in ended {
        let task = kernel::with(|kernel| kernel.remove_task(name));
        // Its destructors may look for the kernel.
        drop(task);
    }
}

/// Tasks of `host` that have not ended.
pub(crate) fn live_tasks(host: HostId) -> usize {
    TASKS.with_borrow(|tasks| tasks.get(&host).map_or(0, |tasks| tasks.live.len()))
}

/// Forgets everything of a simulation that has ended. If the experiment panicked, tasks are
/// left; what their destructors look for is still there.
pub(crate) fn clear() {
    TASKS.with_borrow_mut(BTreeMap::clear);
    let left = kernel::with(Kernel::remove_tasks);
    drop(left);
}

/// Gives turns until no task is ready.
pub(crate) fn run_ready() {
    while let Some(turn) = kernel::with(Kernel::begin_turn) {
        run(turn);
    }
}

fn run(turn: Turn) {
    let Turn {
        name,
        host,
        mut task,
    } = turn;
    let _scope = HostScope::enter(host);
    let waker = kernel::waker(name);
    let mut cx = Context::from_waker(&waker);
    let outcome = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut cx)));
    let pending = match outcome {
        Ok(poll) => poll.is_pending(),
        Err(panic) => {
            kernel::fail(describe(panic.as_ref()));
            false
        }
    };
    if pending {
        let removed = kernel::with(|kernel| kernel.end_turn(name, task));
        drop(removed);
        return;
    }
    drop(task);
    kernel::with(|kernel| kernel.remove_task(name));
    TASKS.with_borrow_mut(|tasks| {
        if let Some(tasks) = tasks.get_mut(&host) {
            tasks.live.remove(&name);
        }
    });
}

/// The message and place of a panic that was just caught on this thread.
pub(crate) fn describe(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into());
    match PANIC_PLACE.take() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    }
}

/// Keeps the place of panics on simulation threads for [`describe`].
pub(crate) fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if interpose::is_active() {
                let place = info.location().map(ToString::to_string);
                PANIC_PLACE.with_borrow_mut(|slot| *slot = place);
            }
            before(info);
        }));
    });
}
