//! The file of contacts, past its checksum: what reads is written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::store::Contacts;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = Contacts::decode(bytes) {
        let again = Contacts::decode(&read.encode()).expect("is read back");
        assert_eq!(again, read);
    }
});
