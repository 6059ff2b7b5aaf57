//! A member of groups that says far too much, all of it signed.

use std::future::pending;

use futures::{AsyncWriteExt, FutureExt};
use libp2p::core::muxing::SubstreamBox;
use libp2p::identity::Keypair;
use multistream_select::listener_select_proto;

use crate::act::{Act, Effect, drain, within};
use crate::connection::Connection;
use crate::frames::{field, framed, number};

/// Messages at once.
const MESSAGES: usize = 64;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 1024;

/// The version that all nodes with groups speak.
pub const MESHSUB: &str = "/meshsub/1.1.0";

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let topics = act.hostile.plan.topics.clone();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let mut said: Vec<Vec<u8>> = vec![joining(&topics)];
    for place in 0..MESSAGES {
        let data = act.chance.bytes(MESSAGE_BYTES);
        let Some(topic) = topics.get(place % topics.len().max(1)) else {
            return Effect::Unreached;
        };
        said.push(publishing(&message(
            keys.transport(),
            place as u64,
            topic,
            &data,
            true,
        )));
    }
    let flood = async {
        let Ok(mut stream) = connection.open(MESHSUB).await else {
            return false;
        };
        act.reaches();
        for transmission in &said {
            if stream.write_all(&framed(transmission)).await.is_err() {
                return true;
            }
        }
        if stream.flush().await.is_err() {
            return true;
        }
        pending().await
    };
    match within(act.hold(), as_member(&connection, flood)).await {
        Some(Some(false)) => Effect::Unreached,
        Some(Some(true) | None) => Effect::Refused,
        None => Effect::Borne,
    }
}

/// Runs `act` while the target's own stream of its groups is taken and read: it takes whom it cannot
/// speak to for no member, and hears nothing of them.
pub async fn as_member<T>(connection: &Connection, act: impl Future<Output = T>) -> Option<T> {
    let listen = |stream: SubstreamBox| {
        let listened = async {
            if let Ok((_, mut stream)) = listener_select_proto(stream, [MESHSUB]).await {
                drain(&mut stream).await;
            }
        };
        listened.boxed()
    };
    connection.answering(Some(&listen), act).await
}

/// A transmission that joins topics and asks into their meshes.
pub fn joining(topics: &[String]) -> Vec<u8> {
    let (mut rpc, mut control) = (Vec::new(), Vec::new());
    for topic in topics {
        let mut subscription = Vec::new();
        number(&mut subscription, 1, 1);
        field(&mut subscription, 2, topic.as_bytes());
        field(&mut rpc, 1, &subscription);
        let mut graft = Vec::new();
        field(&mut graft, 1, topic.as_bytes());
        field(&mut control, 3, &graft);
    }
    field(&mut rpc, 3, &control);
    rpc
}

/// A transmission of one message.
pub fn publishing(message: &[u8]) -> Vec<u8> {
    let mut rpc = Vec::new();
    field(&mut rpc, 2, message);
    rpc
}

/// A message as gossipsub has it, with its author's signature or without.
pub fn message(keys: &Keypair, sequence: u64, topic: &str, data: &[u8], signed: bool) -> Vec<u8> {
    let mut message = Vec::new();
    field(&mut message, 1, &keys.public().to_peer_id().to_bytes());
    field(&mut message, 2, data);
    field(&mut message, 3, &sequence.to_be_bytes());
    field(&mut message, 4, topic.as_bytes());
    if signed {
        let claim = [b"libp2p-pubsub:".as_slice(), &message].concat();
        let signature = keys.sign(&claim).expect("an Ed25519 key in memory signs");
        field(&mut message, 5, &signature);
    }
    message
}
