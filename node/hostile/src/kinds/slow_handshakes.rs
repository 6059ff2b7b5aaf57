//! Handshakes that would succeed if the target had a day.

use std::time::Duration;

use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_timer::Delay;

use crate::act::{Act, Effect};

/// From one byte to the next.
const PACE: Duration = Duration::from_secs(1);

/// What multistream-select has a dialer send first.
const HANDSHAKE: &[u8] = b"\x13/multistream/1.0.0\n\x07/noise\n";

pub async fn act(act: Act<'_>) -> Effect {
    let Some(stream) = act.bytes().await else {
        return Effect::Unreached;
    };
    act.reaches();
    let (mut incoming, mut outgoing) = stream.split();
    let drip = std::pin::pin!(drip(&mut outgoing));
    let outlast = std::pin::pin!(act.outlast(&mut incoming));
    match select(outlast, drip).await {
        Either::Left((effect, _)) => effect,
        Either::Right(((), _)) => Effect::Refused,
    }
}

/// Writes byte after byte until the target takes no more.
async fn drip(stream: &mut (impl AsyncWrite + Unpin)) {
    for byte in HANDSHAKE.iter().chain(std::iter::repeat(&0)) {
        let sent = stream.write_all(&[*byte]).await;
        if sent.is_err() || stream.flush().await.is_err() {
            return;
        }
        Delay::new(PACE).await;
    }
}
