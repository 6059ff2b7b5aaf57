//! Transmissions of groups that cannot be read, or that say what is not so.

use std::future::pending;

use futures::AsyncWriteExt;

use super::gossip_floods::{MESHSUB, as_member, joining, message, publishing};
use crate::act::{Act, Effect, within};
use crate::frames::{field, framed, varint};

/// Longer than what a node takes by default.
const TOO_LONG_BYTES: usize = 2 * 1024 * 1024;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let topics = act.hostile.plan.topics.clone();
    let topic = topics.first().map_or("", String::as_str);
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let unsigned = message(keys.transport(), 1, topic, b"unsigned", false);
    let mut forged = message(keys.transport(), 2, topic, b"forged", false);
    field(&mut forged, 5, &act.chance.bytes(64));
    let mut said = framed(&joining(&topics));
    match act.chance.below(4) {
        0 => said.extend(framed(&act.chance.bytes(300))),
        1 => said.extend(framed(&publishing(&unsigned))),
        2 => said.extend(framed(&publishing(&forged))),
        _ => {
            varint(&mut said, TOO_LONG_BYTES as u64);
            said.resize(said.len() + TOO_LONG_BYTES, 0);
        }
    }
    let babble = async {
        let Ok(mut stream) = connection.open(MESHSUB).await else {
            return false;
        };
        act.reaches();
        if stream.write_all(&said).await.is_err() || stream.flush().await.is_err() {
            return true;
        }
        pending().await
    };
    match within(act.hold(), as_member(&connection, babble)).await {
        Some(Some(false)) => Effect::Unreached,
        Some(Some(true) | None) => Effect::Refused,
        None => Effect::Borne,
    }
}
