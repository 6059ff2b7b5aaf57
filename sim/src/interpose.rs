//! The operating system's clock and entropy, answered by the simulation.
//!
//! Programs read time and chance through the C library. This file defines those
//! functions in the executable, so that the linker prefers them; on a simulation
//! thread they answer from virtual time and from the world's seed, on every
//! other thread they pass the question on. It is the only file with `unsafe`.
//!
//! It must not allocate, lock, or touch a thread-local that needs a destructor:
//! the overrides run at any moment, also before `main` and at thread exit.
//!
//! The executable must export `getrandom` dynamically (see `build.rs`), because
//! the crates `getrandom` 0.3 and 0.4 and the standard library look it up by name.

#![expect(unsafe_code, reason = "C functions can be overridden in no other way")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::time::SimTime;

/// The wall clock at the start of every simulation: 2026-01-01T00:00:00Z.
pub const WALL_EPOCH_S: i64 = 1_767_225_600;

/// The monotonic clock at the start: a machine that has been up for a while, so
/// that programs may subtract from `Instant::now()`.
const MONOTONIC_EPOCH_S: i64 = 1_000_000;

const NANOS_PER_S: i128 = 1_000_000_000;

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static NOW: Cell<SimTime> = const { Cell::new(SimTime::ZERO) };
    /// Wall clock minus simulated time since the epoch, for the running host.
    static WALL_OFFSET_NS: Cell<i64> = const { Cell::new(0) };
    /// How long the running host has slept so far.
    static SLEPT_NS: Cell<u64> = const { Cell::new(0) };
    static ENTROPY: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
}

/// Makes this thread live in simulated time, with entropy derived from `key`.
pub fn activate(key: [u8; 32]) {
    ENTROPY.with_borrow_mut(|entropy| *entropy = Some(ChaCha8Rng::from_seed(key)));
    NOW.set(SimTime::ZERO);
    WALL_OFFSET_NS.set(0);
    SLEPT_NS.set(0);
    ACTIVE.set(true);
}

/// Gives this thread back to the operating system.
pub fn deactivate() {
    ACTIVE.set(false);
    ENTROPY.with_borrow_mut(|entropy| *entropy = None);
}

/// Whether this thread lives in simulated time.
pub fn is_active() -> bool {
    ACTIVE.try_with(Cell::get).unwrap_or(false)
}

/// The simulated time that this thread's clocks show.
pub fn now() -> SimTime {
    NOW.get()
}

/// Moves this thread's clocks.
pub fn set_now(now: SimTime) {
    NOW.set(now);
}

/// Sets how far the running host's wall clock is from true time.
pub fn set_wall_offset(offset_ns: i64) {
    WALL_OFFSET_NS.set(offset_ns);
}

/// Sets how long the running host has slept so far: its monotonic clock leaves that out.
pub fn set_slept(slept_ns: u64) {
    SLEPT_NS.set(slept_ns);
}

/// Simulated time as the running host's monotonic clock counts it, without its sleeps.
pub fn monotonic() -> SimTime {
    SimTime::from_nanos(NOW.get().as_nanos() - SLEPT_NS.get())
}

/// CPU time that this process has used, in nanoseconds; the real one, for reports.
pub fn process_cpu_ns() -> u64 {
    real_clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The real monotonic clock in nanoseconds, for reports on the simulator itself.
pub fn real_monotonic_ns() -> u64 {
    real_clock_ns(libc::CLOCK_MONOTONIC)
}

fn real_clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer.
    let status = unsafe { real_clock_gettime(clock, &raw mut time) };
    assert!(status == 0, "the system has the clock {clock}");
    time.tv_sec as u64 * NANOS_PER_S as u64 + time.tv_nsec as u64
}

/// The first overridden function that programs would not find here: they would
/// read the operating system's clock or entropy instead.
///
/// # Errors
/// The function's name.
pub fn check() -> Result<(), &'static str> {
    let ours: [(&CStr, *const c_void); 6] = [
        (c"clock_gettime", clock_gettime as *const c_void),
        (c"gettimeofday", gettimeofday as *const c_void),
        (c"time", time as *const c_void),
        (c"getrandom", getrandom as *const c_void),
        (c"getentropy", getentropy as *const c_void),
        (c"syscall", syscall as *const c_void),
    ];
    for (name, address) in ours {
        // SAFETY: the name ends with a zero byte; dlsym only reads it.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        if found.cast_const() != address {
            return Err(name.to_str().unwrap_or_default());
        }
    }
    Ok(())
}

/// Fills `buffer` from the world's seed. False outside a simulation.
fn fill(buffer: &mut [u8]) -> bool {
    if !is_active() {
        return false;
    }
    ENTROPY.with_borrow_mut(|entropy| match entropy {
        Some(stream) => {
            stream.fill_bytes(buffer);
            true
        }
        None => false,
    })
}

/// The simulation's answer for `clock`. `None` for clocks that it does not model.
fn simulated(clock: libc::clockid_t) -> Option<libc::timespec> {
    if !is_active() {
        return None;
    }
    // clock_gettime(2): of the clocks since the boot, CLOCK_BOOTTIME alone counts time asleep.
    let (epoch_s, time, offset_ns) = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => {
            (WALL_EPOCH_S, NOW.get(), WALL_OFFSET_NS.get())
        }
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE => {
            (MONOTONIC_EPOCH_S, monotonic(), 0)
        }
        libc::CLOCK_BOOTTIME => (MONOTONIC_EPOCH_S, NOW.get(), 0),
        _ => return None,
    };
    let ns =
        i128::from(epoch_s) * NANOS_PER_S + i128::from(time.as_nanos()) + i128::from(offset_ns);
    // A clock set before 1970 shows 1970: the C interface has no earlier time
    // that programs understand.
    let ns = ns.max(0);
    Some(libc::timespec {
        tv_sec: (ns / NANOS_PER_S) as libc::time_t,
        tv_nsec: (ns % NANOS_PER_S) as c_long,
    })
}

type ClockGettime = unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int;
type Gettimeofday = unsafe extern "C" fn(*mut libc::timeval, *mut c_void) -> c_int;
type Time = unsafe extern "C" fn(*mut libc::time_t) -> libc::time_t;
type Getrandom = unsafe extern "C" fn(*mut c_void, usize, c_uint) -> isize;
type Getentropy = unsafe extern "C" fn(*mut c_void, usize) -> c_int;
type Syscall =
    unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;

/// The C library's own definition of a function that this file overrides.
struct Real {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Real {
    const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends with a zero byte; dlsym only reads it.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr().cast::<c_char>()) };
        assert!(
            !found.is_null(),
            "the C library defines every function overridden here"
        );
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

static CLOCK_GETTIME: Real = Real::new(c"clock_gettime");
static GETTIMEOFDAY: Real = Real::new(c"gettimeofday");
static TIME: Real = Real::new(c"time");
static GETRANDOM: Real = Real::new(c"getrandom");
static GETENTROPY: Real = Real::new(c"getentropy");
static SYSCALL: Real = Real::new(c"syscall");

unsafe fn real_clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the address is the C library's function of this name and type.
    let real: ClockGettime = unsafe { std::mem::transmute(CLOCK_GETTIME.address()) };
    // SAFETY: the caller answers for `time`.
    unsafe { real(clock, time) }
}

/// Overrides the C library's function of this name.
///
/// # Safety
/// As for the original: `time` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    match simulated(clock) {
        // SAFETY: the caller answers for `time`.
        Some(answer) => unsafe {
            *time = answer;
            0
        },
        // SAFETY: passed on unchanged.
        None => unsafe { real_clock_gettime(clock, time) },
    }
}

/// Overrides the C library's function of this name.
///
/// # Safety
/// As for the original: `time` is writable, `zone` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut c_void) -> c_int {
    if let Some(answer) = simulated(libc::CLOCK_REALTIME) {
        // SAFETY: the caller answers for `time`.
        unsafe {
            *time = libc::timeval {
                tv_sec: answer.tv_sec,
                tv_usec: answer.tv_nsec / 1000,
            };
        }
        return 0;
    }
    // SAFETY: the address is the C library's function of this name and type.
    let real: Gettimeofday = unsafe { std::mem::transmute(GETTIMEOFDAY.address()) };
    // SAFETY: passed on unchanged.
    unsafe { real(time, zone) }
}

/// Overrides the C library's function of this name.
///
/// # Safety
/// As for the original: `place` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(place: *mut libc::time_t) -> libc::time_t {
    if let Some(answer) = simulated(libc::CLOCK_REALTIME) {
        if !place.is_null() {
            // SAFETY: the caller answers for `place`.
            unsafe { *place = answer.tv_sec };
        }
        return answer.tv_sec;
    }
    // SAFETY: the address is the C library's function of this name and type.
    let real: Time = unsafe { std::mem::transmute(TIME.address()) };
    // SAFETY: passed on unchanged.
    unsafe { real(place) }
}

/// Overrides the C library's function of this name.
///
/// # Safety
/// As for the original: `buffer` is writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, len: usize, flags: c_uint) -> isize {
    // SAFETY: the caller answers for `buffer` and `len`.
    if len > 0 && unsafe { fill_raw(buffer, len) } {
        return len as isize;
    }
    // SAFETY: the address is the C library's function of this name and type.
    let real: Getrandom = unsafe { std::mem::transmute(GETRANDOM.address()) };
    // SAFETY: passed on unchanged.
    unsafe { real(buffer, len, flags) }
}

/// Overrides the C library's function of this name.
///
/// # Safety
/// As for the original: `buffer` is writable for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getentropy(buffer: *mut c_void, len: usize) -> c_int {
    // SAFETY: the caller answers for `buffer` and `len`.
    if len > 0 && unsafe { fill_raw(buffer, len) } {
        return 0;
    }
    // SAFETY: the address is the C library's function of this name and type.
    let real: Getentropy = unsafe { std::mem::transmute(GETENTROPY.address()) };
    // SAFETY: passed on unchanged.
    unsafe { real(buffer, len) }
}

/// Overrides the C library's function of this name, which crates call for
/// `getrandom` (getrandom 0.2, hence ring). Variadic in C; on the platforms
/// supported a variadic call passes integers as a fixed one of seven does.
///
/// # Safety
/// As for the original.
#[unsafe(no_mangle)]
#[expect(
    clippy::many_single_char_names,
    reason = "arguments that have no names of their own"
)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    // SAFETY: for these two numbers the arguments are those of the functions.
    unsafe {
        if number == libc::SYS_getrandom && b > 0 && fill_raw(a as *mut c_void, b as usize) {
            return b;
        }
        if number == libc::SYS_clock_gettime && is_active() {
            return c_long::from(clock_gettime(
                a as libc::clockid_t,
                b as *mut libc::timespec,
            ));
        }
    }
    // SAFETY: the address is the C library's function of this name and type.
    let real: Syscall = unsafe { std::mem::transmute(SYSCALL.address()) };
    // SAFETY: passed on unchanged.
    unsafe { real(number, a, b, c, d, e, f) }
}

/// # Safety
/// `buffer` is writable for `len` bytes.
unsafe fn fill_raw(buffer: *mut c_void, len: usize) -> bool {
    if !is_active() {
        return false;
    }
    // The memory may be uninitialised; zeroing it first makes a slice of it valid.
    // SAFETY: the caller answers for `buffer` and `len`.
    let slice = unsafe {
        std::ptr::write_bytes(buffer.cast::<u8>(), 0, len);
        std::slice::from_raw_parts_mut(buffer.cast::<u8>(), len)
    };
    fill(slice)
}
