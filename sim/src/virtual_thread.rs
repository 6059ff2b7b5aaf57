//! A thread whose clocks and entropy are simulated, for engines that bring a
//! network and a time of their own.
//!
//! It owns the thread's entry and exit. It moves no clock: the engine that runs on the
//! thread sets the time with [`interpose::set_now`]. No kernel of ours is
//! there, so hosts, sockets and timers of this crate are not to be used.

use std::any::Any;

use crate::simulation::{STACK_BYTES, entropy_key};
use crate::{SimulationError, executor, interpose};

/// Runs `main` on a fresh thread at simulated time 0, with the entropy of `seed`.
///
/// ```
/// use std::time::{Duration, Instant};
/// use orrery_sim::time::SimTime;
/// use orrery_sim::{interpose, virtual_thread};
///
/// let elapsed = virtual_thread::run(7, || {
///     let begin = Instant::now();
///     interpose::set_now(SimTime::from_secs(3600));
///     begin.elapsed()
/// })?;
/// assert_eq!(elapsed, Duration::from_secs(3600));
/// # Ok::<(), orrery_sim::SimulationError>(())
/// ```
///
/// # Errors
/// [`SimulationError`]; a panic of `main` is its `Experiment`.
pub fn run<T: Send>(seed: u64, main: impl FnOnce() -> T + Send) -> Result<T, SimulationError> {
    interpose::check().map_err(SimulationError::NotInterposed)?;
    executor::watch_panics();
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("simulation".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                // First of all: thread-local generators are seeded at their first use.
                interpose::activate(entropy_key(seed));
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(main));
                let described = result.map_err(|panic| describe_panic(panic.as_ref()));
                interpose::deactivate();
                described
            })
            .map_err(SimulationError::Thread)?
            .join()
            .map_err(|panic| SimulationError::Experiment(describe_panic(panic.as_ref())))?
            .map_err(SimulationError::Experiment)
    })
}

/// The message of a panic, and its place if it was caught on this thread just now.
pub fn describe_panic(panic: &(dyn Any + Send)) -> String {
    executor::describe(panic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimTime;

    fn entropy(seed: u64) -> [u8; 8] {
        let drawn = run(seed, || {
            let mut bytes = [0; 8];
            getrandom_04::fill(&mut bytes).map(|()| bytes)
        });
        let drawn = drawn.expect("the test programs are linked for it");
        drawn.expect("a simulation has entropy")
    }

    #[test]
    fn entropy_is_the_seeds() {
        assert_eq!(entropy(1), entropy(1));
        assert_ne!(entropy(1), entropy(2));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what a program would read is what is tested"
    )]
    fn the_time_is_what_was_set_and_ends_with_the_thread() {
        let shown = run(1, || {
            interpose::set_now(SimTime::from_secs(10));
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("simulated time is after 1970")
                .as_secs()
        });
        let expected = interpose::WALL_EPOCH_S as u64 + 10;
        assert_eq!(shown.expect("linked for it"), expected);
        assert!(!interpose::is_active());
    }

    #[test]
    fn a_panic_is_told_with_its_place() {
        let failed = run(1, || -> () { panic!("a broken invariant") });
        let told = failed.expect_err("it panicked").to_string();
        assert!(
            told.contains("virtual_thread.rs") && told.contains("a broken invariant"),
            "{told}"
        );
    }
}
