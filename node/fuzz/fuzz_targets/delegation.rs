//! Certificates of devices: what reads is written back to the same certificate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::delegation::Delegation;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(delegation) = Delegation::decode(bytes) {
        assert_eq!(Delegation::decode(&delegation.encode()), Ok(delegation));
    }
});
