//! Samples stacks of the simulation's thread by CPU time, and finds out later which
//! functions they show, inlined ones included.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

/// Samples a CPU second. Not a divisor of the periods at which programs do things.
const SAMPLES_PER_CPU_SECOND: i32 = 199;

/// pprof keeps only one address for stacks that went through the same functions, so
/// what was inlined into these is told apart from one collection to the next only.
const COLLECTION: Duration = Duration::from_millis(500);

/// The name that `orrery_sim` gives to the thread that it simulates on.
const SIMULATION_THREAD: &[u8] = b"simulation";

/// Samples until it is finished.
pub struct Sampler {
    stop: Sender<()>,
    collector: JoinHandle<Result<Addresses, ProfileError>>,
}

/// How often each stack was seen, by its addresses, innermost first.
type Addresses = BTreeMap<Vec<usize>, u64>;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The operating system's timer or handler could not be set up.
    #[error("cannot sample stacks: {0}")]
    Profiler(#[from] pprof::Error),
    /// The collecting thread could not be started.
    #[error("cannot start the thread that collects samples: {0}")]
    Thread(#[from] std::io::Error),
    /// The collecting thread panicked.
    #[error("the thread that collects samples panicked")]
    Panicked,
}

/// A function in a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// Its demangled path without the compiler's hash, as far as debug information
    /// has it; inlined functions may show their last part only.
    pub function: String,
    /// The file that it was written in; empty if unknown.
    pub file: String,
}

/// Functions that were active at once, and how often that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Innermost first; never empty.
    pub frames: Vec<Frame>,
    /// Samples.
    pub samples: u64,
}

impl Sampler {
    /// Begins to sample this process, by a timer that counts its CPU time.
    ///
    /// # Errors
    /// [`ProfileError::Thread`]; what else fails is told by [`Self::finish`].
    pub fn start() -> Result<Self, ProfileError> {
        let (stop, stopped) = channel();
        let collector = std::thread::Builder::new()
            .name("profile".to_owned())
            .spawn(move || {
                let mut seen = Addresses::new();
                loop {
                    let guard = ProfilerGuardBuilder::default()
                        .frequency(SAMPLES_PER_CPU_SECOND)
                        .build()?;
                    let waited = stopped.recv_timeout(COLLECTION);
                    collect(&guard, &mut seen)?;
                    if waited != Err(RecvTimeoutError::Timeout) {
                        return Ok(seen);
                    }
                }
            })?;
        Ok(Self { stop, collector })
    }

    /// Ends sampling, and looks up the functions: this takes a while.
    ///
    /// # Errors
    /// As [`ProfileError`] says.
    pub fn finish(self) -> Result<Vec<Stack>, ProfileError> {
        // A collector that has failed does not listen; its result tells why.
        let _ = self.stop.send(());
        let joined = self.collector.join();
        let seen = joined.map_err(|_| ProfileError::Panicked)??;
        Ok(resolve(&seen))
    }
}

fn collect(guard: &ProfilerGuard<'_>, seen: &mut Addresses) -> Result<(), ProfileError> {
    for (stack, &count) in &guard.report().build_unresolved()?.data {
        if &stack.thread_name[..stack.thread_name_length] != SIMULATION_THREAD {
            continue;
        }
        let addresses = stack.frames.iter().map(|frame| frame.ip() as usize);
        *seen.entry(addresses.collect()).or_default() += count.unsigned_abs() as u64;
    }
    Ok(())
}

/// The stacks of `seen`, without the frames of the signal itself.
fn resolve(seen: &Addresses) -> Vec<Stack> {
    let libraries = libraries();
    let mut known: BTreeMap<usize, Vec<Frame>> = BTreeMap::new();
    let mut stacks = Vec::new();
    for (addresses, &samples) in seen {
        for &address in addresses {
            known
                .entry(address)
                .or_insert_with(|| look_up(address, &libraries));
        }
        let interrupted = begin_of_interrupted(addresses, &known);
        let frames = addresses[interrupted..]
            .iter()
            .flat_map(|address| known[address].iter().cloned());
        let frames: Vec<Frame> = frames.collect();
        if !frames.is_empty() {
            stacks.push(Stack { frames, samples });
        }
    }
    stacks
}

/// Where the interrupted function is: outside of the handler, and of the C library's
/// return from it.
fn begin_of_interrupted(addresses: &[usize], known: &BTreeMap<usize, Vec<Frame>>) -> usize {
    let is_handler = |address: &usize| {
        let mut frames = known[address].iter();
        frames.any(|frame| frame.function == "perf_signal_handler")
    };
    let handler = addresses.iter().position(is_handler);
    handler.map_or(0, |place| (place + 2).min(addresses.len()))
}

/// The functions at an address, innermost first: several if some were inlined there.
fn look_up(address: usize, libraries: &[(Range<usize>, String)]) -> Vec<Frame> {
    let mut frames = Vec::new();
    // An address in a stack is where a call returns to; the call is before.
    let call = address.saturating_sub(1) as *mut std::ffi::c_void;
    backtrace::resolve(call, |symbol| {
        let Some(name) = symbol.name() else {
            return;
        };
        let file = symbol.filename().map(|file| file.to_string_lossy());
        frames.push(Frame {
            function: format!("{name:#}"),
            file: file.unwrap_or_default().into_owned(),
        });
    });
    if frames.is_empty() {
        let library = libraries.iter().find(|(range, _)| range.contains(&address));
        frames.push(Frame {
            function: format!("[{}]", library.map_or("unknown", |(_, name)| name)),
            file: String::new(),
        });
    }
    frames
}

/// What is mapped where, by file name, for functions that have no symbol.
fn libraries() -> Vec<(Range<usize>, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(library).collect()
}

/// `7f0c-7f1d r-xp 0 08:01 42   /usr/lib/libc.so.6`
fn library(line: &str) -> Option<(Range<usize>, String)> {
    let mut words = line.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let path = words.nth(4)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    Some((address(from)?..address(to)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_files_are_known_by_their_last_name() {
        let line = "7f0c-7f1d r-xp 00000000 08:01 42      /usr/lib/libc.so.6";
        assert_eq!(library(line), Some((0x7f0c..0x7f1d, "libc.so.6".into())));
        assert_eq!(library("7f0c-7f1d rw-p 00000000 00:00 0"), None);
    }

    #[test]
    fn frames_of_the_signal_are_left_out() {
        let frame = |function: &str| {
            vec![Frame {
                function: function.to_owned(),
                file: String::new(),
            }]
        };
        let names = ["trace", "perf_signal_handler", "[libc.so.6]", "work"];
        let known: BTreeMap<usize, Vec<Frame>> =
            (1..).zip(names.iter().map(|name| frame(name))).collect();
        assert_eq!(begin_of_interrupted(&[1, 2, 3, 4], &known), 3);
        assert_eq!(begin_of_interrupted(&[1, 2], &known), 2, "nothing is left");
        assert_eq!(begin_of_interrupted(&[4], &known), 0);
    }

    /// Work for the sampler to see.
    #[inline(never)]
    fn busy_for_a_while() -> u64 {
        let begin = orrery_sim::interpose::process_cpu_ns();
        let mut sum = 0_u64;
        while orrery_sim::interpose::process_cpu_ns() - begin < 300_000_000 {
            sum = (0..10_000).fold(sum, |sum, next| sum.rotate_left(3) ^ next);
        }
        std::hint::black_box(sum)
    }

    #[test]
    fn a_busy_function_of_the_simulation_is_seen_and_other_threads_are_not() {
        let run = |name: &str| {
            let sampler = Sampler::start().expect("starts");
            let thread = std::thread::Builder::new().name(name.to_owned());
            let thread = thread.spawn(busy_for_a_while).expect("starts");
            thread.join().expect("ends");
            sampler.finish().expect("samples")
        };
        let stacks = run("simulation");
        let busy = |stack: &&Stack| {
            let mut frames = stack.frames.iter();
            frames.any(|frame| frame.function.contains("busy_for_a_while"))
        };
        let samples = |stacks: &mut dyn Iterator<Item = &Stack>| -> u64 {
            stacks.map(|stack| stack.samples).sum()
        };
        let all = samples(&mut stacks.iter());
        let seen = samples(&mut stacks.iter().filter(busy));
        assert!(all >= 20 && seen * 10 >= all * 9, "{seen} of {all}");
        assert!(run("another").is_empty());
    }
}
