//! Records of addresses: what reads is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::kad::{AddressRecord, RECORD_BYTES_MAX};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = AddressRecord::decode(bytes) {
        assert!(record.encode().len() <= RECORD_BYTES_MAX);
        assert_eq!(AddressRecord::decode(&record.encode()), Ok(record));
    }
    // Under whatever key, the check ends with a verdict.
    let (key, value) = bytes.split_at(bytes.len().min(32));
    let _ = AddressRecord::check(key, value, 0, u64::MAX);
});
