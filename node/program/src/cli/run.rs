//! `run`: the node until it is told to stop.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orrery_node::api::Event;
use orrery_node::environment::Observer;
use orrery_node::real::{ControlSocket, FolderLock};
use orrery_node::{Ending, NodeHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::clean::printable_json;
use super::folder::{Folder, Network};
use super::gate::{EVENTS_TARGET, Gate};
use super::logging::{Log, duplicate};
use super::lossy::{Lines, Remarks};
use super::print::utc_exact;
use super::{Failure, prompt};

/// Bytes of events that may wait to be printed; more are left out, and that is logged.
const EVENTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a command gets to end that is in the folder.
const TURN: Duration = Duration::from_secs(30);
/// What a slow reader of events gets at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs the folder's node until SIGINT or SIGTERM.
pub async fn run(folder: &Folder, events: bool, log: &Log) -> Result<(), Failure> {
    // A prompt is left by signals as in any other command: they are taken over after it.
    folder.config()?;
    let passphrase = folder.passphrase()?;
    let signals = Signals::listen().map_err(|error| no_signal(&error))?;
    prompt::leave_signals();
    let printer = events.then(print_events).transpose()?;
    let terminal = Arc::new(Terminal {
        gate: Arc::clone(&log.gate),
        printer: printer.clone(),
    });
    let observer = Arc::clone(&terminal) as Arc<dyn Observer>;
    let lock = FolderLock::take_to_run(folder.path(), TURN).await?;
    let started = folder.start(lock, passphrase.as_ref(), Network::Full, observer);
    let (handle, lock) = started.await?;
    let ended = until_end(folder.path(), &handle, signals).await;
    drop(lock);
    if let Some(printer) = printer {
        printer.close(PATIENCE);
    }
    ended
}

/// What ends a node from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}

/// Lets others drive the node of `handle` by the socket in `folder` until a signal comes, or it ends
/// by itself, which is a failure.
async fn until_end(
    folder: &Path,
    handle: &NodeHandle,
    mut signals: Signals,
) -> Result<(), Failure> {
    let control = ControlSocket::open(folder, handle.clone())?;
    let ending = tokio::select! {
        _ = signals.interrupt.recv() => Ending::Stopped,
        _ = signals.terminate.recv() => Ending::Stopped,
        ending = handle.ended() => ending,
    };
    tracing::info!("stopping");
    handle.stop().await;
    // Who asks meanwhile is told that it has stopped, rather than that none runs.
    drop(control);
    match ending {
        Ending::Stopped => Ok(()),
        Ending::StorageLost => Err(Failure::StorageLost),
        Ending::Broken => Err(Failure::Broken),
    }
}

fn no_signal(error: &io::Error) -> Failure {
    Failure::Other(format!("cannot listen for signals: {error}"))
}

/// Prints events from now on, on a thread, since an observer must not wait for a terminal.
fn print_events() -> Result<Lines, Failure> {
    duplicate(io::stdout())
        .and_then(|out| Lines::start("events", out, EVENTS_BYTES_MAX, EventRemarks))
        .map_err(|error| Failure::Other(format!("cannot print events: {error}")))
}

/// Events are for programs: what is lost of them is told in the log.
struct EventRemarks;

impl Remarks for EventRemarks {
    fn after_loss(&mut self, lost: u64) -> Option<String> {
        tracing::error!("events come faster than they are read; {lost} were left out");
        None
    }

    fn due(&mut self, _: bool) -> Vec<String> {
        Vec::new()
    }
}

/// Logs events, and prints them if asked.
struct Terminal {
    gate: Arc<Gate>,
    printer: Option<Lines>,
}

impl Observer for Terminal {
    fn event(&self, event: &Event) {
        let text = serde_json::to_string(event).expect("events are plain data");
        if matches!(event, Event::Pinged { .. }) {
            tracing::debug!(target: EVENTS_TARGET, "{text}");
        } else if self.gate.admits(kind(&text), Instant::now()) {
            tracing::info!(target: EVENTS_TARGET, "{text}");
        }
        if let Some(printer) = &self.printer {
            let line = printable_json(&at_now(&text));
            printer.push(format!("{line}\n").into_bytes());
        }
    }
}

/// An event's JSON with the time at which it was told.
fn at_now(text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    let open = text.strip_suffix('}').unwrap_or(text);
    format!("{open},\"at\":\"{}\"}}", utc_exact(ms))
}

/// The kind of an event, which stands first in its JSON.
fn kind(text: &str) -> &str {
    text.split('"').nth(3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};

    use orrery_node::Node;
    use orrery_node::api::{Audience, Command};
    use orrery_node::config::Config;
    use orrery_node::environment::{Environment, Executor, Job, Storage, StorageClosed};
    use orrery_node::keys::Keys;
    use orrery_node::real::{FolderDisk, StorageThread, TokioExecutor};

    use super::*;

    /// A disk that is gone at some time.
    struct Pulled {
        storage: StorageThread,
        gone: Arc<AtomicBool>,
    }

    type Executed<'a> = Pin<Box<dyn Future<Output = Result<(), StorageClosed>> + Send + 'a>>;

    impl Storage for Pulled {
        fn execute(&self, job: Job) -> Executed<'_> {
            if self.gone.load(Ordering::SeqCst) {
                return Box::pin(async { Err(StorageClosed) });
            }
            self.storage.execute(job)
        }
    }

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _: &Event) {}
    }

    /// With which code `run` ends a node to which `harm` was done while it runs.
    async fn code(harm: impl AsyncFnOnce(&NodeHandle, &dyn Executor, &AtomicBool)) -> u8 {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = Arc::new(FolderDisk::create(folder.path()).expect("a disk"));
        let gone = Arc::new(AtomicBool::new(false));
        let executor = Arc::new(TokioExecutor::current());
        let environment = Environment {
            wires: Vec::new(),
            executor: Arc::clone(&executor) as Arc<dyn Executor>,
            storage: Arc::new(Pulled {
                storage: StorageThread::start(disk).expect("a thread"),
                gone: Arc::clone(&gone),
            }),
            local: None,
            upnp: false,
            observer: Arc::new(Deaf),
        };
        let mut config = Config::default();
        config.listen.addresses.clear();
        let keys = Keys::generate(Some([1; 32]));
        let handle = Node::start(config, keys, environment)
            .await
            .expect("starts");
        let signals = Signals::listen().expect("signals");
        harm(&handle, executor.as_ref(), &gone).await;
        let ended = until_end(folder.path(), &handle, signals).await;
        ended.map_or_else(|failure| failure.exit_code(), |()| 0)
    }

    #[tokio::test]
    async fn a_node_that_fails_in_itself_or_loses_its_store_ends_with_a_code() {
        let panics = async |_: &NodeHandle, executor: &dyn Executor, _: &AtomicBool| {
            executor.spawn(
                "connection",
                Box::pin(async { panic!("the test wants it") }),
            );
        };
        assert_eq!(code(panics).await, 70);
        let pulled = async |node: &NodeHandle, _: &dyn Executor, gone: &AtomicBool| {
            gone.store(true, Ordering::SeqCst);
            let body = serde_json::json!({"type": "note/1", "text": "lost"});
            let to = Audience::Public;
            let posted = node.command(Command::Post { body, to }).await;
            assert!(posted.is_err(), "{posted:?}");
        };
        assert_eq!(code(pulled).await, 74);
        let stopped = async |node: &NodeHandle, _: &dyn Executor, _: &AtomicBool| node.stop().await;
        assert_eq!(code(stopped).await, 0);
    }

    #[test]
    fn events_are_counted_by_their_kind() {
        let event = Event::LimitReached {
            limit: "commands".to_owned(),
        };
        let text = serde_json::to_string(&event).expect("plain data");
        assert_eq!(kind(&text), "limit-reached");
        let told = at_now(&text);
        assert_eq!(kind(&told), "limit-reached");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON as before");
        assert_eq!(told["limit"], "commands");
        assert!(
            told["at"].as_str().is_some_and(|at| at.ends_with('Z')),
            "{told}"
        );
    }
}
