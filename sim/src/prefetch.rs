//! Memory that will be needed soon.
//!
//! In a world of many hosts nearly every line of memory that an event touches has
//! to come from far away. The queue knows which events come next, so that what they
//! will touch can come while the present one is delivered. Nothing is read or
//! written, so nothing but time can differ.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the standard library has no safe prefetch")
)]

const LINE_BYTES: usize = 64;

/// Asks the processor to bring `item` near. Does nothing where we know of no way.
#[inline]
pub(crate) fn prefetch<T>(item: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(item).cast::<i8>();
        for offset in (0..size_of::<T>()).step_by(LINE_BYTES) {
            // SAFETY: a prefetch touches no memory, wherever it points; every
            // processor of this architecture has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}
