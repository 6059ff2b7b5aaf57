//! Answers of rendezvous points: what comes of them is no longer than they are, and is judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::discovery::rendezvous::{ADDRESSES_MAX, COOKIE_BYTES_MAX, Response, read_record};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Response::Discovered {
        registrations,
        cookie,
    }) = Response::decode(bytes)
    {
        assert!(cookie.len() <= COOKIE_BYTES_MAX);
        assert!(registrations.len() <= bytes.len());
        for one in registrations {
            if let Ok(record) = read_record(&one.record, one.ttl_s) {
                assert!(record.addresses().len() <= ADDRESSES_MAX);
            }
        }
    }
});
