//! Tasks of hosts: who runs, on whose behalf, and what ends with the power.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll};

use crate::interpose;
use crate::kernel::{self, HostId, HostScope};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A task's future, shared between the task scheduler and its host, so that a
/// power cut can drop it at once.
type Slot = Arc<Mutex<Option<Task>>>;

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
    next: u64,
    live: BTreeMap<u64, (Slot, tokio::task::AbortHandle)>,
}

thread_local! {
    static TASKS: RefCell<BTreeMap<HostId, HostTasks>> = const { RefCell::new(BTreeMap::new()) };
    static RUNTIME: RefCell<Option<tokio::runtime::Handle>> = const { RefCell::new(None) };
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
        let id = TASKS.with_borrow_mut(|tasks| {
            let tasks = tasks.entry(self.host).or_default();
            tasks.next += 1;
            (tasks.life == self.life).then_some(tasks.next)
        });
        let Some(id) = id else { return };
        let slot: Slot = Arc::new(Mutex::new(Some(Box::pin(task))));
        let scoped = HostTask {
            host: self.host,
            id,
            slot: Arc::clone(&slot),
        };
        let handle = RUNTIME.with_borrow(|runtime| {
            runtime
                .as_ref()
                .expect("a simulation runs on this thread")
                .spawn(scoped)
                .abort_handle()
        });
        TASKS.with_borrow_mut(|tasks| {
            if let Some(tasks) = tasks.get_mut(&self.host) {
                tasks.live.insert(id, (slot, handle));
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
    for (slot, handle) in ended.into_values() {
        drop(take(&slot));
        handle.abort();
    }
}

/// Tasks of `host` that have not ended.
pub(crate) fn live_tasks(host: HostId) -> usize {
    TASKS.with_borrow(|tasks| tasks.get(&host).map_or(0, |tasks| tasks.live.len()))
}

/// Sets the runtime on which this thread's simulation runs.
pub(crate) fn install(runtime: tokio::runtime::Handle) {
    RUNTIME.with_borrow_mut(|slot| *slot = Some(runtime));
}

/// Forgets everything of a simulation that has ended.
pub(crate) fn clear() {
    RUNTIME.with_borrow_mut(|slot| *slot = None);
    TASKS.with_borrow_mut(BTreeMap::clear);
}

fn take(slot: &Slot) -> Option<Task> {
    lock(slot).take()
}

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Task>> {
    // All polls and drops happen on one thread; a panic inside a poll is caught
    // while the lock is held, so it is never poisoned by a task.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

struct HostTask {
    host: HostId,
    id: u64,
    slot: Slot,
}

impl Future for HostTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _scope = HostScope::enter(self.host);
        kernel::with(kernel::Kernel::count_poll);
        let mut slot = lock(&self.slot);
        let Some(task) = slot.as_mut() else {
            return Poll::Ready(());
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx)));
        let poll = match outcome {
            Ok(poll) => poll,
            Err(panic) => {
                kernel::fail(describe(panic.as_ref()));
                Poll::Ready(())
            }
        };
        if poll.is_ready() {
            let finished = slot.take();
            drop(slot);
            drop(finished);
            TASKS.with_borrow_mut(|tasks| {
                tasks
                    .get_mut(&self.host)
                    .and_then(|tasks| tasks.live.remove(&self.id))
            });
        }
        poll
    }
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
