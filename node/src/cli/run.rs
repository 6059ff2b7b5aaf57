//! `run`: the node until it is told to stop.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use orrery_node::api::Event;
use orrery_node::environment::Observer;
use orrery_node::real::ControlSocket;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::folder::{Folder, Network};

/// Events that may wait to be printed; more are left out, and that is logged.
const EVENTS_MAX: usize = 65_536;

/// Runs the folder's node until SIGINT or SIGTERM.
pub async fn run(folder: &Folder, events: bool) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signal(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signal(&error))?;
    let terminal = Arc::new(Terminal::default());
    let printing = if events {
        Some(terminal.print_events()?)
    } else {
        None
    };
    let observer = Arc::clone(&terminal) as Arc<dyn Observer>;
    let (handle, lock) = folder.start(Network::Full, observer).await?;
    let control = ControlSocket::open(folder.path(), handle.clone())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    drop(control);
    handle.stop().await;
    drop(lock);
    terminal.close();
    if let Some(printing) = printing
        && printing.join().is_err()
    {
        tracing::error!("the printer of events panicked");
    }
    Ok(())
}

fn no_signal(error: &io::Error) -> Failure {
    Failure::Other(format!("cannot listen for signals: {error}"))
}

/// Logs events, and prints them if asked.
#[derive(Default)]
struct Terminal {
    printer: Mutex<Option<SyncSender<String>>>,
}

impl Terminal {
    /// Prints events from now on, on a thread, since an observer must not wait
    /// for a terminal. The thread ends some time after [`Terminal::close`].
    fn print_events(&self) -> Result<JoinHandle<()>, Failure> {
        let (sender, lines) = sync_channel::<String>(EVENTS_MAX);
        let thread = thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                let mut out = io::stdout().lock();
                for line in lines {
                    let printed = writeln!(out, "{line}").and_then(|()| out.flush());
                    if printed.is_err() {
                        return;
                    }
                }
            })
            .map_err(|error| Failure::Other(format!("cannot start a thread: {error}")))?;
        *self.printer() = Some(sender);
        Ok(thread)
    }

    /// Takes no more events for printing.
    fn close(&self) {
        *self.printer() = None;
    }

    fn printer(&self) -> MutexGuard<'_, Option<SyncSender<String>>> {
        self.printer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Terminal {
    fn event(&self, event: &Event) {
        let text = serde_json::to_string(event).expect("events are plain data");
        if matches!(event, Event::Pinged { .. }) {
            tracing::debug!("{text}");
        } else {
            tracing::info!("{text}");
        }
        if let Some(printer) = &*self.printer()
            && let Err(TrySendError::Full(_)) = printer.try_send(text)
        {
            tracing::error!("events come faster than they are read; one was left out");
        }
    }
}
