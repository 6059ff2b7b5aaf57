//! `run`: the node until it is told to stop.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_node::Ending;
use orrery_node::api::Event;
use orrery_node::environment::Observer;
use orrery_node::real::ControlSocket;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::folder::{Folder, Network};
use super::gate::{EVENTS_TARGET, Gate};
use super::logging::{Log, duplicate};
use super::lossy::{Lines, Remarks};

/// Bytes of events that may wait to be printed; more are left out, and that is logged.
const EVENTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a slow reader of events gets at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs the folder's node until SIGINT or SIGTERM.
pub async fn run(folder: &Folder, events: bool, log: &Log) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signal(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signal(&error))?;
    let printer = events.then(print_events).transpose()?;
    let terminal = Arc::new(Terminal {
        gate: Arc::clone(&log.gate),
        printer: printer.clone(),
    });
    let observer = Arc::clone(&terminal) as Arc<dyn Observer>;
    let (handle, lock) = folder.start(Network::Full, observer).await?;
    let control = ControlSocket::open(folder.path(), handle.clone())?;
    let ending = tokio::select! {
        _ = interrupt.recv() => Ending::Stopped,
        _ = terminate.recv() => Ending::Stopped,
        ending = handle.ended() => ending,
    };
    tracing::info!("stopping");
    drop(control);
    handle.stop().await;
    drop(lock);
    if let Some(printer) = printer {
        printer.close(PATIENCE);
    }
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
            printer.push(format!("{text}\n").into_bytes());
        }
    }
}

/// The kind of an event, which stands first in its JSON.
fn kind(text: &str) -> &str {
    text.split('"').nth(3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_their_kind() {
        let event = Event::LimitReached {
            limit: "commands".to_owned(),
        };
        let text = serde_json::to_string(&event).expect("plain data");
        assert_eq!(kind(&text), "limit-reached");
    }
}
