//! Stopping early: when asked to (Ctrl-C), all workers are killed, and the run has no record.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The running workers, and whether they were told to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    stopped: Arc<AtomicBool>,
    children: Arc<Mutex<BTreeMap<u32, Child>>>,
}

impl Stop {
    /// Stops when the process is interrupted or told to terminate.
    ///
    /// # Errors
    /// The system refuses to watch for signals.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let watching = stop.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    use tokio::signal::unix::{SignalKind, signal};
                    let (Ok(mut interrupt), Ok(mut terminate)) = (
                        signal(SignalKind::interrupt()),
                        signal(SignalKind::terminate()),
                    ) else {
                        return;
                    };
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    watching.stop();
                });
            })?;
        Ok(stop)
    }

    /// Kills all workers; none is started any more.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        for child in children.values_mut() {
            // A worker that has ended by itself cannot be killed, which is as good.
            let _ = child.kill();
        }
    }

    /// Whether workers were told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Watches over a worker; kills it if it is too late to start one.
    pub(super) fn adopt(&self, mut child: Child) -> u32 {
        let id = child.id();
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopped() {
            let _ = child.kill();
        }
        children.insert(id, child);
        id
    }

    /// Gives a worker back, to be waited for.
    pub(super) fn release(&self, id: u32) -> Option<Child> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.remove(&id)
    }
}
