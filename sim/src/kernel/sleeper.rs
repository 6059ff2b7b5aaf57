//! A task that waits for an event.

use std::task::{Context, Waker};

use super::tasks::TaskName;
use super::waker::is_name;
use crate::prefetch::prefetch_task;

/// A task that sleeps until something happens.
///
/// It remembers which task that is, because a waker may not say it: a future that holds others
/// wakes them through wakers of its own. In a large world a task has long left the processor's
/// cache when it is woken.
#[derive(Debug)]
pub(crate) struct Sleeper {
    waker: Waker,
    task: TaskName,
}

impl Sleeper {
    /// What `waker` wakes, within the task that runs now.
    pub(crate) fn new(waker: &Waker) -> Self {
        Self::within(waker, super::with(|kernel| kernel.task))
    }

    /// As [`Self::new`], for a task that is known.
    pub(super) fn within(waker: &Waker, task: TaskName) -> Self {
        Self {
            waker: waker.clone(),
            task,
        }
    }

    /// Whether the task of `cx` would be woken.
    pub(super) fn is(&self, cx: &Context<'_>) -> bool {
        self.waker.will_wake(cx.waker())
    }

    /// Prefetches what is touched when it is woken. Returns the task, for the same.
    #[inline]
    pub(super) fn prefetch_waker(&self) -> TaskName {
        if !is_name(&self.waker) {
            prefetch_task(&self.waker);
        }
        self.task
    }

    /// Prefetches what it will touch when it is woken.
    #[inline]
    pub(crate) fn prefetch(&self) {
        let task = self.prefetch_waker();
        super::with(|kernel| kernel.tasks.prefetch(task));
    }

    /// The waker, to wake it.
    pub(crate) fn into_waker(self) -> Waker {
        self.waker
    }
}
