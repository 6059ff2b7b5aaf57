//! The length before a frame: decided within a few bytes, and more bytes never change it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::protocol::frame;

/// Bytes within which a length must be decided.
const DECIDED_WITHIN: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let mut decided = None;
    for end in 0..=bytes.len().min(2 * DECIDED_WITHIN) {
        let length = frame::decode(&bytes[..end]).ok();
        if let Some(decided) = decided {
            assert_eq!(length, decided, "more bytes changed the length");
        } else if length == Some(None) {
            assert!(end < DECIDED_WITHIN, "no length after {end} bytes");
        } else {
            decided = Some(length);
        }
    }
});
