//! Asking a person for a secret: typed in a terminal that does not show it.
//!
//! Owns that the terminal shows again what is typed, however the prompt ends: by an answer, by a signal,
//! or because no answer comes. The asking process holds nothing meanwhile that others wait for.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_mins(5);
/// What a shell tells of a process that a signal has ended is this, and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// How the terminal was, while it does not show what is typed.
static HIDDEN: Mutex<Option<Termios>> = Mutex::new(None);
/// Whether signals end the process in a way of the caller's.
static ORDERLY: AtomicBool = AtomicBool::new(false);

/// Signals are heard by the caller from now on: they end the process by themselves no more.
pub fn leave_signals() {
    ORDERLY.store(true, Ordering::SeqCst);
}

/// What is typed after `what`, without being shown; nothing without a terminal.
///
/// # Errors
/// `TimedOut` if no answer comes; whatever the terminal reports.
pub fn hidden(what: &str) -> io::Result<Option<String>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    watch_signals()?;
    let mut beside = io::stderr();
    let _ = write!(beside, "{what}").and_then(|()| beside.flush());
    hide()?;
    let mut text = String::new();
    let read = until_typed(PATIENCE).and_then(|()| io::stdin().lock().read_line(&mut text));
    show();
    let _ = writeln!(beside);
    read.map(|_| Some(text))
}

/// Waits until a line was typed.
fn until_typed(patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let stdin = io::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn before() -> MutexGuard<'static, Option<Termios>> {
    HIDDEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the terminal not show what is typed.
fn hide() -> io::Result<()> {
    let shown = tcgetattr(io::stdin())?;
    let mut silent = shown.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    *before() = Some(shown);
    Ok(tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?)
}

/// Has the terminal show again what is typed.
fn show() {
    if let Some(shown) = before().take() {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &shown);
    }
}

/// From now on a signal that ends the process has the terminal show again first what is typed.
fn watch_signals() -> io::Result<()> {
    static WATCHED: OnceLock<()> = OnceLock::new();
    if WATCHED.set(()).is_err() {
        return Ok(());
    }
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let watched = runtime.and_then(|runtime| runtime.block_on(end_orderly(&ready)));
            // The receiver is gone once it was ready.
            let _ = ready.send(watched);
        })?;
    is_ready.recv().map_err(io::Error::other)?
}

/// Signals that end a process which does not handle them, as far as a person or another program sends them.
fn ending() -> [SignalKind; 7] {
    [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::quit(),
        SignalKind::alarm(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ]
}

/// Whether `run` hears a signal itself once it has started.
fn is_runs(kind: SignalKind) -> bool {
    kind == SignalKind::interrupt() || kind == SignalKind::terminate()
}

/// Ends the process as an unhandled signal does, but for the terminal. Tells at `ready` that it
/// hears them.
async fn end_orderly(ready: &std::sync::mpsc::Sender<io::Result<()>>) -> io::Result<()> {
    let mut heard = Vec::new();
    for kind in ending() {
        heard.push((kind, signal(kind)?));
    }
    let _ = ready.send(Ok(()));
    loop {
        let next = std::future::poll_fn(|context| {
            let mut signals = heard.iter_mut();
            let came = signals.find_map(|(kind, signal)| {
                let came = signal.poll_recv(context).is_ready();
                came.then_some(*kind)
            });
            came.map_or(Poll::Pending, Poll::Ready)
        });
        let kind = next.await;
        show();
        if !(is_runs(kind) && ORDERLY.load(Ordering::SeqCst)) {
            exit(ENDED_BY_SIGNAL + kind.as_raw_value());
        }
    }
}
