//! The hosts' programs, the same on every engine.
//!
//! They know futures and no engine: time comes from `futures-timer`, which our
//! kernel drives in our simulations and tokio's clock in turmoil's.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_timer::Delay;

use crate::workload::PERIOD;

/// Bytes of an echoed message and of a datagram.
pub(crate) const MESSAGE_BYTES: usize = 100;

/// Counts units of work over all hosts.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Units so far.
    pub fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection, of whichever engine.
pub trait Wire: Send {
    /// Sends all of `message`.
    fn send(&mut self, message: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Fills `message` with what comes.
    fn receive(&mut self, message: &mut [u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// Lets one timer fire every period, for ever.
pub async fn tick(offset: Duration, done: Counter) {
    let mut timer = Delay::new(offset);
    loop {
        (&mut timer).await;
        done.count();
        timer.reset(PERIOD);
    }
}

/// Sends a message every period and waits for it to come back, for ever.
///
/// # Errors
/// What the connection reports; `InvalidData` if another message comes back.
pub async fn ask(mut wire: impl Wire, done: Counter) -> io::Result<()> {
    let mut received = [0; MESSAGE_BYTES];
    for round in 0_u64.. {
        let next = Delay::new(PERIOD);
        let message = [round as u8; MESSAGE_BYTES];
        wire.send(&message).await?;
        wire.receive(&mut received).await?;
        if received != message {
            return Err(io::ErrorKind::InvalidData.into());
        }
        done.count();
        next.await;
    }
    Ok(())
}

/// Sends back every message, for ever.
///
/// # Errors
/// What the connection reports.
pub async fn answer(mut wire: impl Wire) -> io::Result<()> {
    let mut message = [0; MESSAGE_BYTES];
    loop {
        wire.receive(&mut message).await?;
        wire.send(&message).await?;
    }
}
