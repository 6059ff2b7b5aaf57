//! What wakes a task: its name, and nothing else.
//!
//! Libraries copy and drop wakers all the time. Here that touches no memory, where a count of
//! references would be in a line of memory that is far away in a large world.

#![expect(
    unsafe_code,
    reason = "the standard library makes wakers without one only of counted references"
)]

use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::tasks::{self, TaskName};

const _: () = assert!(
    usize::BITS >= u64::BITS,
    "a pointer has room for a task's name"
);

static TABLE: RawWakerVTable = RawWakerVTable::new(copy, wake, wake, drop);

/// The waker of `task`.
///
/// It is to be used on the thread of the task's simulation. On another it ends that simulation
/// with a failure, since two runs would differ.
pub(crate) fn waker(task: TaskName) -> Waker {
    // SAFETY: the table's functions keep the contract of `RawWaker`: nothing is owned, and
    // what is behind the pointer is a number, which is never followed.
    unsafe { Waker::from_raw(raw(task)) }
}

/// Whether `waker` is one of ours, so that its data is no address.
pub(super) fn is_name(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &raw const TABLE)
}

fn raw(task: TaskName) -> RawWaker {
    RawWaker::new(ptr::without_provenance(task.to_bits() as usize), &TABLE)
}

fn copy(data: *const ()) -> RawWaker {
    RawWaker::new(data, &TABLE)
}

fn wake(data: *const ()) {
    let task = TaskName::from_bits(data.addr() as u64);
    if !super::is_running() {
        tasks::note_stray(task);
        return;
    }
    // Woken after the kernel is released.
    let pump = super::with(|kernel| kernel.wake_task(task));
    pump.into_iter().for_each(Waker::wake);
}

fn drop(_: *const ()) {}
