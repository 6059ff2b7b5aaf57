//! Futures that may take only so long.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;

/// The time given to a future has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it took too long")]
pub struct TimedOut;

/// Runs `work` for at most `limit`; what it had not finished is dropped.
///
/// # Errors
/// [`TimedOut`].
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, TimedOut> {
    match select(pin!(work), Delay::new(limit)).await {
        Either::Left((value, _)) => Ok(value),
        Either::Right(((), _)) => Err(TimedOut),
    }
}
