//! Headers of ops: a header has one encoding, because its hash is its name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::op::Header;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
    }
});
