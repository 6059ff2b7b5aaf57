//! A reader that takes a byte a second.

use std::time::Duration;

use futures::AsyncReadExt;
use futures_timer::Delay;

use super::request_floods::ask;
use crate::act::{Act, Effect, within};

/// From one byte to the next.
const PACE: Duration = Duration::from_secs(1);

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let crawl = async {
        if !act.prove(&connection, &keys).await {
            return false;
        }
        let Some(mut stream) = ask(&connection, act.target, &keys).await else {
            return false;
        };
        act.reaches();
        let mut byte = [0];
        while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {
            Delay::new(PACE).await;
        }
        true
    };
    match within(act.hold(), connection.during(crawl)).await {
        Some(Some(false)) => Effect::Unreached,
        Some(Some(true) | None) => Effect::Refused,
        None => Effect::Borne,
    }
}
