//! Joins as many groups as a node keeps of a peer, with names of tens of kilobytes.

use std::future::pending;

use futures::AsyncWriteExt;

use super::gossip_floods::{MESHSUB, as_member};
use crate::act::{Act, Effect, within};
use crate::frames::{field, framed, number};

/// Groups that are joined, one a transmission.
const TOPICS: usize = 100;

/// Bytes of a name: a transmission of its own has little more.
const TOPIC_BYTES: usize = 60_000;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let join = async {
        let Ok(mut stream) = connection.open(MESHSUB).await else {
            return false;
        };
        act.reaches();
        for place in 0..TOPICS {
            let topic = format!("{place:0TOPIC_BYTES$}");
            let said = framed(&subscribing(&topic));
            if stream.write_all(&said).await.is_err() {
                return true;
            }
        }
        if stream.flush().await.is_err() {
            return true;
        }
        pending().await
    };
    match within(act.hold(), as_member(&connection, join)).await {
        Some(Some(false)) => Effect::Unreached,
        Some(Some(true) | None) => Effect::Refused,
        None => Effect::Borne,
    }
}

/// A transmission that joins a topic, and nothing more.
fn subscribing(topic: &str) -> Vec<u8> {
    let (mut rpc, mut subscription) = (Vec::new(), Vec::new());
    number(&mut subscription, 1, 1);
    field(&mut subscription, 2, topic.as_bytes());
    field(&mut rpc, 1, &subscription);
    rpc
}
