//! One simulation: a thread of its own, in simulated time, from start to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use crate::kernel::pump::{self, Pump};
use crate::kernel::{self, Failure, ProgramPrefetch, Stats};
use crate::log::LogSpec;
use crate::net::capture::{Capture, CaptureError};
use crate::time::SimTime;
use crate::trace::Trace;
use crate::watch::{self, Watch};
use crate::{executor, host, interpose, net};

/// What to simulate with.
///
/// ```
/// use std::time::Duration;
/// use orrery_sim::{Simulation, host};
/// use orrery_sim::time::SimTime;
///
/// let (elapsed, outcome) = Simulation::new(7).run(|world| {
///     let here = host::add(host::HostSpec::named("a"));
///     let (done, result) = std::sync::mpsc::channel();
///     host::executor(here).spawn(async move {
///         let begin = std::time::Instant::now();
///         futures_timer::Delay::new(Duration::from_secs(3600)).await;
///         let _ = done.send(begin.elapsed());
///     });
///     world.run_until(SimTime::ZERO + Duration::from_secs(7200));
///     result.try_recv().ok()
/// })?;
/// assert_eq!(elapsed, Some(Duration::from_secs(3600)));
/// assert_eq!(outcome.simulated, SimTime::ZERO + Duration::from_secs(7200));
/// # Ok::<(), orrery_sim::SimulationError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    seed: u64,
    record: Option<PathBuf>,
    log: Option<LogSpec>,
    captures: Option<PathBuf>,
    watch: Option<Arc<dyn Watch>>,
}

/// What a simulation left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Running hash of every delivered event, 64 hexadecimal digits.
    pub trace_hash: String,
    /// Events in the hash.
    pub trace_events: u64,
    /// Simulated time reached.
    pub simulated: SimTime,
    /// The kernel's figures.
    pub stats: Stats,
    /// Why it ended early.
    pub failure: Option<Failure>,
}

/// Why a simulation gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The record of events could not be written.
    #[error("cannot write the event record {path}: {source}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The captures could not be written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The logs could not be written.
    #[error("cannot write the hosts' logs: {0}")]
    Log(std::io::Error),
    /// The executable was linked so that programs would find the operating
    /// system's function; see `sim/build.rs`.
    #[error(
        "this executable does not answer {0} for the operating system: export it as sim/build.rs does"
    )]
    NotInterposed(&'static str),
    /// The simulation's thread could not be started.
    #[error("cannot start the simulation's thread: {0}")]
    Thread(std::io::Error),
    /// The experiment itself panicked, outside any host.
    #[error("the experiment {0}")]
    Experiment(String),
}

/// A world that is being simulated. It belongs to the thread it was made on.
pub struct World {
    pump: Pump,
}

/// Deep futures of debug builds need more than the default.
pub(crate) const STACK_BYTES: usize = 64 << 20;

impl Simulation {
    /// A simulation whose chance all comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            record: None,
            log: None,
            captures: None,
            watch: None,
        }
    }

    /// Also writes a record of every delivered event to `path`, for
    /// [`crate::trace::first_difference`].
    #[must_use]
    pub fn recording(mut self, path: &Path) -> Self {
        self.record = Some(path.to_owned());
        self
    }

    /// Also logs what the hosts' programs tell through `tracing`.
    #[must_use]
    pub fn logging(mut self, log: LogSpec) -> Self {
        self.log = Some(log);
        self
    }

    /// Also writes what each host sends and receives to
    /// `folder/capture-<host>.pcapng`, which is made if it is not there, and what secrets
    /// their programs tell to `folder/keys-<host>.log`.
    #[must_use]
    pub fn capturing(mut self, folder: &Path) -> Self {
        self.captures = Some(folder.to_owned());
        self
    }

    /// Also shows `watch` events that the hosts' programs tell through `tracing`.
    #[must_use]
    pub fn watched(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Runs `main` on a fresh thread in simulated time.
    ///
    /// One simulation a process at a time, and one alone where hashes are to be
    /// compared: libraries keep process-wide counters.
    ///
    /// # Errors
    /// [`SimulationError`]. A panic on a host is not an error but the
    /// [`Outcome`]'s failure.
    pub fn run<T: Send>(
        self,
        main: impl FnOnce(&mut World) -> T + Send,
    ) -> Result<(T, Outcome), SimulationError> {
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .name("simulation".into())
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || self.run_here(main))
                .map_err(SimulationError::Thread)?
                .join()
                .map_err(|panic| SimulationError::Experiment(executor::describe(panic.as_ref())))?
        })
    }

    fn run_here<T>(
        self,
        main: impl FnOnce(&mut World) -> T,
    ) -> Result<(T, Outcome), SimulationError> {
        let record_error = |source| SimulationError::Record {
            path: self.record.clone().unwrap_or_default(),
            source,
        };
        let trace = self
            .record
            .as_deref()
            .map_or_else(|| Ok(Trace::new()), Trace::recording);
        let trace = trace.map_err(record_error)?;
        let captures = self.captures.as_deref().map(Capture::create).transpose()?;
        interpose::check().map_err(SimulationError::NotInterposed)?;
        executor::watch_panics();
        // First of all: thread-local generators are seeded at their first use.
        interpose::activate(entropy_key(self.seed));
        let opened = self.log.as_ref().map(LogSpec::open).transpose();
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                interpose::deactivate();
                return Err(SimulationError::Log(error));
            }
        };
        let (log, logs) = opened.unzip();
        let layers: Vec<Box<dyn Layer<_> + Send + Sync>> = [
            log.map(Layer::boxed),
            self.watch.map(|watch| watch::layer(watch).boxed()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let subscribed = (!layers.is_empty()).then(|| {
            let subscriber = tracing_subscriber::registry().with(layers);
            tracing::subscriber::set_default(subscriber)
        });
        let program_prefetch = ProgramPrefetch {
            tables: net::prefetch_program_tables,
            targets: net::prefetch_program_targets,
        };
        kernel::install(self.seed, trace, program_prefetch);
        net::install(captures);
        futures_timer::install(Some(&kernel::DRIVER));
        ed25519_dalek::remember(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new();
            let value = main(&mut world);
            (value, world.end())
        }));
        let described = result.map_err(|panic| executor::describe(panic.as_ref()));
        let logged = logs.map_or(Ok(()), |logs| logs.finish());
        drop(subscribed);
        executor::clear();
        host::clear();
        let captured = net::uninstall().map_or(Ok(()), Capture::finish);
        ed25519_dalek::remember(false);
        futures_timer::install(None);
        let ended = kernel::uninstall();
        interpose::deactivate();
        let (value, simulated) = described.map_err(SimulationError::Experiment)?;
        let (trace, stats, failure) = ended.expect("the kernel was installed above");
        let outcome = Outcome {
            trace_hash: trace.hash(),
            trace_events: trace.events(),
            simulated,
            stats,
            failure,
        };
        trace.finish().map_err(record_error)?;
        logged.map_err(SimulationError::Log)?;
        captured?;
        Ok((value, outcome))
    }
}

pub(crate) fn entropy_key(seed: u64) -> [u8; 32] {
    blake3::derive_key(
        "orrery-sim operating-system entropy v1",
        &seed.to_le_bytes(),
    )
}

impl World {
    fn new() -> Self {
        // The start on tokio's clock is only known once the runtime is there,
        // and the hook is needed before: it reads the instant from here.
        let start = std::sync::Arc::new(std::sync::OnceLock::<Instant>::new());
        let hook = std::sync::Arc::clone(&start);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .event_interval(u32::MAX)
            .on_thread_unpark(move || {
                if let Some(start) = hook.get() {
                    pump::sync_clocks(*start);
                }
            })
            .build()
            .expect("a runtime without I/O needs nothing from the system");
        let start = {
            let _context = runtime.enter();
            *start.get_or_init(Instant::now)
        };
        Self {
            pump: Pump::new(runtime, start),
        }
    }

    /// Delivers everything that happens before `until`, and moves time there.
    /// Ends early, for good, when a host has panicked or an invariant broke.
    pub fn run_until(&mut self, until: SimTime) {
        self.pump.run_until(until);
    }

    /// As [`Self::run_until`], for the given time from now.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(kernel::now() + time);
    }

    /// The first failure, if any.
    pub fn failure(&self) -> Option<Failure> {
        kernel::with(|kernel| kernel.failure().cloned())
    }

    /// The running hash so far and the events in it.
    pub fn trace_hash(&self) -> (String, u64) {
        kernel::with(|kernel| (kernel.trace().hash(), kernel.trace().events()))
    }

    /// The kernel's figures so far.
    pub fn stats(&self) -> Stats {
        kernel::with(|kernel| kernel.stats())
    }

    /// Takes every host down and returns the time reached.
    fn end(self) -> SimTime {
        let simulated = kernel::now();
        for number in 0..host::count() {
            net::silence(kernel::HostId(number));
            executor::end_life(kernel::HostId(number));
        }
        drop(self.pump);
        simulated
    }
}
