//! Random bytes on every protocol.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};

use crate::act::{Act, Effect, drain, within};
use crate::frames::framed;

/// Every protocol that a node may speak.
pub const PROTOCOLS: [&str; 13] = [
    "/orrery/auth/2",
    "/orrery/feed/1",
    "/orrery/friends/1",
    "/orrery/keep-alive/1",
    "/orrery/relay-terms/1",
    "/ipfs/id/1.0.0",
    "/ipfs/id/push/1.0.0",
    "/ipfs/ping/1.0.0",
    "/ipfs/kad/1.0.0",
    "/meshsub/1.1.0",
    "/rendezvous/1.0.0",
    "/libp2p/circuit/relay/0.2.0/hop",
    "/libp2p/autonat/2/dial-request",
];

/// How long a target may think about a protocol's bytes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes to each protocol.
const BYTES: usize = 1024;

pub async fn act(mut act: Act<'_>) -> Effect {
    let said: Vec<Vec<u8>> = PROTOCOLS
        .iter()
        .map(|_| {
            let bytes = act.chance.bytes(BYTES);
            if act.chance.below(2) == 0 {
                framed(&bytes)
            } else {
                bytes
            }
        })
        .collect();
    on_each_protocol(act, &said).await
}

/// Connects as a stranger and says to each protocol its part of `said`.
pub async fn on_each_protocol(mut act: Act<'_>, said: &[Vec<u8>]) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    act.reaches();
    let babble = async {
        let mut refused = false;
        for (protocol, said) in PROTOCOLS.iter().zip(said) {
            // A node without that protocol says so, which is no refusal.
            let Ok(stream) = connection.open(protocol).await else {
                continue;
            };
            let (mut incoming, mut outgoing) = stream.split();
            let speak = async {
                // Where the target reads no more, that is its answer.
                let _ = outgoing.write_all(said).await;
                let _ = outgoing.flush().await;
                drain(&mut incoming).await;
            };
            refused |= within(PATIENCE, speak).await.is_some();
        }
        refused
    };
    match within(act.hold(), connection.during(babble)).await {
        Some(Some(false)) | None => Effect::Borne,
        Some(Some(true) | None) => Effect::Refused,
    }
}
