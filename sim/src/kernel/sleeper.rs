//! A task that waits for an event.

use std::task::{Context, Waker};

use crate::prefetch::{prefetch_at, prefetch_task};

/// Where the begin of a task's memory is, to bring it near. It may be gone.
///
/// In one word, since a world has a hundred thousand sleepers: the address and a few lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TaskPlace(u64);

const LINE_BYTES: usize = 64;
/// The begin of a future says where it goes on; of a large one, most is not touched.
const LINES_MAX: usize = 15;

impl TaskPlace {
    /// Where `task` is.
    pub(crate) fn of<T: ?Sized>(task: &T) -> Self {
        let address = std::ptr::from_ref(task).addr();
        let lines = size_of_val(task).div_ceil(LINE_BYTES).min(LINES_MAX);
        Self((address / LINE_BYTES) as u64 * (LINES_MAX as u64 + 1) + lines as u64)
    }

    #[inline]
    fn approach(self) {
        let lines = self.0 as usize % (LINES_MAX + 1);
        let address = self.0 as usize / (LINES_MAX + 1) * LINE_BYTES;
        prefetch_at(address, lines * LINE_BYTES);
    }
}

/// A task that sleeps until something happens.
///
/// It remembers where the task is, because a waker does not lead there: in a large world a
/// task has long left the processor's cache when it is woken.
#[derive(Debug)]
pub(crate) struct Sleeper {
    waker: Waker,
    task: TaskPlace,
}

impl Sleeper {
    /// Who is woken by `waker`, the task that runs now as a rule.
    pub(crate) fn new(waker: &Waker) -> Self {
        Self::at(waker, super::with(|kernel| kernel.task))
    }

    /// As [`Self::new`], for a task at a place that is known.
    pub(super) fn at(waker: &Waker, task: TaskPlace) -> Self {
        Self {
            waker: waker.clone(),
            task,
        }
    }

    /// Whether the task of `cx` would be woken.
    pub(super) fn is(&self, cx: &Context<'_>) -> bool {
        self.waker.will_wake(cx.waker())
    }

    /// Brings near what it will touch when it is woken.
    #[inline]
    pub(crate) fn approach(&self) {
        prefetch_task(&self.waker);
        self.task.approach();
    }

    /// Wakes it, or hands over who does.
    pub(crate) fn into_waker(self) -> Waker {
        self.waker
    }
}
