//! Substreams without a protocol whose windows are filled: what is buffered for a peer that has
//! proved nothing.

use std::future::pending;

use futures::AsyncWriteExt;
use futures::future::join_all;

use crate::act::{Act, Effect, within};

/// Substreams that are filled.
const STREAMS: usize = 16;

/// What is written to each, more than any window takes.
const BYTES: usize = 16 * 1024 * 1024;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    act.reaches();
    let fill = async {
        let filled = (0..STREAMS).map(|_| async {
            let Ok(mut stream) = connection.open_raw().await else {
                return;
            };
            // No length of a line of multistream-select is so long: the target reads one byte, if any.
            let block = [0xff; 4096];
            for _ in 0..BYTES / block.len() {
                if stream.write_all(&block).await.is_err() {
                    return;
                }
            }
            pending::<()>().await;
        });
        join_all(filled).await;
    };
    match within(act.hold(), connection.during(fill)).await {
        Some(_) => Effect::Refused,
        None => Effect::Borne,
    }
}
