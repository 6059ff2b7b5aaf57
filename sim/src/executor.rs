//! Tasks of hosts: who runs, on whose behalf, and what ends with the power.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use crate::interpose;
use crate::kernel::{self, HostId, HostScope, TaskPlace};

/// A task's future.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    live: BTreeMap<TaskName, tokio::task::AbortHandle>,
}

thread_local! {
    static TASKS: RefCell<BTreeMap<HostId, HostTasks>> = const { RefCell::new(BTreeMap::new()) };
    static SHELF: RefCell<Shelf> = const { RefCell::new(Shelf::empty()) };
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
        let name = SHELF.with_borrow_mut(|shelf| shelf.add(task));
        let host = self.host;
        let handle = RUNTIME.with_borrow(|runtime| {
            runtime
                .as_ref()
                .expect("a simulation runs on this thread")
                .spawn(HostTask { host, name })
                .abort_handle()
        });
        TASKS.with_borrow_mut(|tasks| {
            if let Some(tasks) = tasks.get_mut(&host) {
                tasks.live.insert(name, handle);
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
    for (name, handle) in ended {
        let task = SHELF.with_borrow_mut(|shelf| shelf.remove(name));
        // Its destructors may look for the shelf.
        drop(task);
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
    let left = SHELF.replace(Shelf::empty());
    drop(left);
}

/// What tokio knows of a task.
struct HostTask {
    host: HostId,
    name: TaskName,
}

impl Future for HostTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _scope = HostScope::enter(self.host);
        let Some(mut task) = SHELF.with_borrow_mut(|shelf| shelf.take(self.name)) else {
            return Poll::Ready(());
        };
        let place = TaskPlace::of(&*task);
        kernel::with(|kernel| kernel.begin_poll(place));
        let outcome = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx)));
        let poll = match outcome {
            Ok(poll) => poll,
            Err(panic) => {
                kernel::fail(describe(panic.as_ref()));
                Poll::Ready(())
            }
        };
        if poll.is_pending() {
            let ended = SHELF.with_borrow_mut(|shelf| shelf.put_back(self.name, task));
            drop(ended);
            return poll;
        }
        drop(task);
        SHELF.with_borrow_mut(|shelf| shelf.remove(self.name));
        TASKS.with_borrow_mut(|tasks| {
            tasks
                .get_mut(&self.host)
                .and_then(|tasks| tasks.live.remove(&self.name))
        });
        poll
    }
}

/// Names a task among all of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TaskName {
    /// How many tasks there were before it, and itself.
    number: u64,
    /// Where on the shelf it is.
    place: u32,
}

/// The futures of all hosts' tasks. They are here and not within tokio's tasks, so that a
/// power cut can drop them at once; side by side, so that they are found fast.
struct Shelf {
    places: Vec<ShelfPlace>,
    free: Vec<u32>,
    tasks: u64,
}

struct ShelfPlace {
    /// Whose it is; 0 is nobody.
    number: u64,
    /// Absent while it is polled.
    task: Option<Task>,
}

impl Shelf {
    const fn empty() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            tasks: 0,
        }
    }

    fn add(&mut self, task: Task) -> TaskName {
        self.tasks += 1;
        let (number, task) = (self.tasks, Some(task));
        let taken = ShelfPlace { number, task };
        let place = self.free.pop().unwrap_or(self.places.len() as u32);
        match self.places.get_mut(place as usize) {
            Some(free) => *free = taken,
            None => self.places.push(taken),
        }
        TaskName { number, place }
    }

    fn find(&mut self, name: TaskName) -> Option<&mut ShelfPlace> {
        let place = self.places.get_mut(name.place as usize)?;
        (place.number == name.number).then_some(place)
    }

    /// Takes a task out, to poll it.
    fn take(&mut self, name: TaskName) -> Option<Task> {
        self.find(name)?.task.take()
    }

    /// Puts it back. Returns it if it has been removed meanwhile.
    fn put_back(&mut self, name: TaskName, task: Task) -> Option<Task> {
        match self.find(name) {
            Some(place) => place.task.replace(task),
            None => Some(task),
        }
    }

    /// Frees the place of a task, and returns the task if it is not being polled.
    fn remove(&mut self, name: TaskName) -> Option<Task> {
        let place = self.find(name)?;
        place.number = 0;
        let task = place.task.take();
        self.free.push(name.place);
        task
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

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Box::pin(std::future::pending())
    }

    #[test]
    fn a_place_on_the_shelf_is_used_again_under_another_name() {
        let mut shelf = Shelf::empty();
        let first = shelf.add(task());
        let second = shelf.add(task());
        assert!(shelf.remove(first).is_some());
        let third = shelf.add(task());
        assert_eq!(third.place, first.place);
        assert!(shelf.take(first).is_none(), "it is gone");
        assert!(shelf.take(second).is_some());
        assert!(shelf.take(third).is_some());
    }

    #[test]
    fn a_task_that_ends_while_it_is_polled_does_not_come_back() {
        let mut shelf = Shelf::empty();
        let name = shelf.add(task());
        let taken = shelf.take(name).expect("it is there");
        assert!(shelf.remove(name).is_none(), "it is being polled");
        let other = shelf.add(task());
        assert!(shelf.put_back(name, taken).is_some(), "nobody keeps it");
        assert!(shelf.take(other).is_some());
    }
}
