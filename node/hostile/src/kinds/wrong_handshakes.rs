//! What is no handshake.

use futures::AsyncWriteExt;

use crate::act::{Act, Effect};

const HTTP: &[u8] = b"GET / HTTP/1.1\r\nHost: orrery\r\n\r\n";
const NOISE: &[u8] = b"\x13/multistream/1.0.0\n\x07/noise\n";
const UNKNOWN: &[u8] = b"\x13/multistream/1.0.0\n\x0c/plaintext/9\n";

pub async fn act(mut act: Act<'_>) -> Effect {
    let Some(mut stream) = act.bytes().await else {
        return Effect::Unreached;
    };
    let random = act.chance.bytes(200);
    let said = match act.chance.below(4) {
        0 => HTTP.to_vec(),
        1 => random,
        2 => [NOISE, &[0, 200], &random].concat(),
        _ => UNKNOWN.to_vec(),
    };
    act.reaches();
    if stream.write_all(&said).await.is_err() || stream.flush().await.is_err() {
        return Effect::Refused;
    }
    act.outlast(&mut stream).await
}
