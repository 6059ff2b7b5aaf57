//! Key files: what reads is written back to the same keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::keys::Keys;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(keys) = Keys::decode(bytes, None) {
        let written = keys.encode().expect("has seeds");
        let again = Keys::decode(&written, None).expect("is read back");
        assert_eq!(again.delegation(), keys.delegation());
        assert_eq!(again.former(), keys.former());
        assert_eq!(again.revocations(), keys.revocations());
    }
});
