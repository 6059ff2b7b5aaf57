//! News of a stranger, one after the other, and every second one no news at all.

use futures::AsyncWriteExt;
use orrery_node::protocol::frame::read_frame;

use crate::act::{Act, Effect, within};

/// The protocol by which friends tell of news.
const PUSH: &str = "/orrery/push/1";
/// An empty frame, as it should be, and one that is longer than any may be.
const FRAMES: [&[u8]; 2] = [&[0], &[3, 1, 2, 3]];
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let tell = async {
        let mut is_first = true;
        for frame in FRAMES.iter().cycle() {
            let Ok(mut stream) = connection.open(PUSH).await else {
                // Without the protocol nothing begins; later the connection is gone.
                return is_first;
            };
            if std::mem::take(&mut is_first) {
                act.reaches();
            }
            if stream.write_all(frame).await.is_ok() && stream.flush().await.is_ok() {
                // An answer, or the end of the substream.
                let _ = read_frame(&mut stream, ANSWER_BYTES_MAX).await;
            }
        }
        false
    };
    match within(act.hold(), connection.during(tell)).await {
        Some(Some(true)) => Effect::Unreached,
        Some(_) => Effect::Refused,
        None => Effect::Borne,
    }
}
