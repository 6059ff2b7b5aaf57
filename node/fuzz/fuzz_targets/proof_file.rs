//! The file of others' proofs, past its checksum: what reads is written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::store::Proofs;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = Proofs::decode(bytes) {
        let again = Proofs::decode(&read.encode()).expect("is read back");
        assert_eq!(again, read);
    }
});
