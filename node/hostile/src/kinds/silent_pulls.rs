//! Pulls that ask for nothing, by a peer that is for ever about to say who it is.

use std::future::pending;

use crate::act::{AUTH, Act, Effect, FEED, within};

/// Substreams that are opened to pull by.
const STREAMS: usize = 16;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let sit = async {
        let mut held = Vec::new();
        for protocol in std::iter::once(AUTH).chain(std::iter::repeat_n(FEED, STREAMS)) {
            match connection.open(protocol).await {
                Ok(stream) => held.push(stream),
                Err(_) => return,
            }
        }
        act.reaches();
        pending::<()>().await;
    };
    match within(act.hold(), connection.during(sit)).await {
        Some(_) => Effect::Refused,
        None => Effect::Borne,
    }
}
