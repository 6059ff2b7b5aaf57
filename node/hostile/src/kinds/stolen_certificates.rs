//! Proofs of identity with certificates that are another's.

use orrery_node::keys::Keys;
use orrery_node::protocol::auth::{AUTH_BYTES_MAX, AuthMessage};
use orrery_node::protocol::frame::{read_frame, write_frame};

use crate::act::{AUTH, Act, Effect, within};
use crate::connection::Connection;
use crate::forged::of_anothers_device;
use crate::frames::cbor;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    // Either the target's certificate as it is, or one for the target's device by another identity.
    let proof = if act.chance.below(2) == 0 {
        AuthMessage::Proof {
            delegation: Box::new(act.target.card.delegation.clone()),
            signature: act.chance.array(),
        }
        .encode()
    } else {
        let delegation = of_anothers_device(&keys, &act.target.card.delegation);
        let signature: [u8; 64] = act.chance.array();
        cbor(|to| {
            to.array(3)?.u64(1)?.bytes(&delegation)?.bytes(&signature)?;
            Ok(())
        })
    };
    prove_by(act, &keys, &proof).await
}

/// Connects as the peer of `keys` and proves an identity by `proof`, whatever that is worth.
pub async fn prove_by(mut act: Act<'_>, keys: &Keys, proof: &[u8]) -> Effect {
    let nonce = act.chance.array();
    let Some(connection) = act.connect(keys).await else {
        return Effect::Unreached;
    };
    let deceive = async { deceive(&act, &connection, nonce, proof).await };
    match within(act.hold(), connection.during(deceive)).await {
        Some(Some(effect)) => effect,
        Some(None) => Effect::Refused,
        None => Effect::Borne,
    }
}

async fn deceive(act: &Act<'_>, connection: &Connection, nonce: [u8; 32], proof: &[u8]) -> Effect {
    let Ok(mut stream) = connection.open(AUTH).await else {
        return Effect::Unreached;
    };
    let nonce = AuthMessage::Nonce(nonce).encode();
    for frame in [&nonce[..], proof] {
        if write_frame(&mut stream, frame).await.is_err() {
            return Effect::Refused;
        }
    }
    act.reaches();
    loop {
        let Ok(frame) = read_frame(&mut stream, AUTH_BYTES_MAX).await else {
            return Effect::Refused;
        };
        match AuthMessage::decode(&frame) {
            Ok(AuthMessage::Nonce(_)) => {}
            Ok(AuthMessage::Refused(_)) | Err(_) => return Effect::Refused,
            // Who answers with a proof of its own was deceived.
            Ok(AuthMessage::Proof { .. }) => return Effect::Borne,
        }
    }
}
