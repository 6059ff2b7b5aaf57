//! Frames that are announced far longer than any protocol takes.

use super::garbage::{PROTOCOLS, on_each_protocol};
use crate::act::{Act, Effect};
use crate::frames::varint;

/// What is announced, in bytes.
const ANNOUNCED: u64 = 128 * 1024 * 1024;

/// What of it is sent, in bytes.
const SENT: usize = 64 * 1024;

pub async fn act(act: Act<'_>) -> Effect {
    let mut frame = Vec::new();
    varint(&mut frame, ANNOUNCED);
    frame.resize(SENT, 0);
    on_each_protocol(act, &PROTOCOLS.map(|_| frame.clone())).await
}
