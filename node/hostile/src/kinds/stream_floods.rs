//! Many substreams on one connection, with nothing on them.

use std::future::pending;

use crate::act::{AUTH, Act, Effect, FEED, within};

/// Substreams that are opened at most.
const STREAMS_MAX: usize = 256;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    act.reaches();
    let flood = async {
        let mut held = Vec::new();
        for place in 0..STREAMS_MAX {
            let protocol = if place % 2 == 0 { FEED } else { AUTH };
            match connection.open(protocol).await {
                Ok(stream) => held.push(stream),
                Err(_) => return,
            }
        }
        pending::<()>().await;
    };
    match within(act.hold(), connection.during(flood)).await {
        Some(_) => Effect::Refused,
        None => Effect::Borne,
    }
}
