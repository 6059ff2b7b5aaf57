//! Revocations: what reads is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::revocation::Revocation;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(revocation) = Revocation::decode(bytes) {
        assert_eq!(Revocation::decode(&revocation.encode()), Ok(revocation));
    }
});
