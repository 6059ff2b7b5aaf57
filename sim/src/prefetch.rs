//! Memory that will be needed soon.
//!
//! In a world of many hosts nearly every line of memory that an event touches has
//! to come from far away, and much of it is behind pointers. The queue knows which event
//! comes next, so its way is prepared in two steps. While the event before it is delivered,
//! its *tables* are prefetched: those that have a place for each host. As it begins, their
//! *targets* are, what those lead to, all at once: stages, sockets, connections, and the task
//! that will be woken. Nothing is written, and nothing is decided by what is
//! read, so nothing but time can differ.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the standard library has no safe prefetch")
)]

use std::task::Waker;

const LINE_BYTES: usize = 64;

/// Asks the processor to prefetch `item`. Does nothing where we know of no way.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(item: &T) {
    lines(std::ptr::from_ref(item).cast(), size_of_val(item));
}

/// As [`prefetch`], for what a waker of a library's will touch first: the reference count of what
/// it wakes, and what follows it.
#[inline]
pub(crate) fn prefetch_task(waker: &Waker) {
    const TASK_BYTES: usize = 3 * LINE_BYTES;
    lines(waker.data().cast(), TASK_BYTES);
}

/// Lines of a large item that are worth asking for. The start of a future says where it goes
/// on; of a large one, most is not touched.
const LINES_MAX: usize = 15;

/// As [`prefetch`], for the start of what may be large.
#[inline]
pub(crate) fn prefetch_start<T: ?Sized>(item: &T) {
    let bytes = size_of_val(item).min(LINES_MAX * LINE_BYTES);
    lines(std::ptr::from_ref(item).cast(), bytes);
}

#[inline]
fn lines(start: *const i8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // A region that does not begin with a line ends in one more.
        let within = start.addr() % LINE_BYTES;
        let start = start.wrapping_sub(within);
        for offset in (0..bytes + within).step_by(LINE_BYTES) {
            // SAFETY: a prefetch touches no memory, wherever it points; every
            // processor of this architecture has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}
