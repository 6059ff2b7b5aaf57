//! Answers of rendezvous points: what comes of them is no longer than they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::discovery::rendezvous::{COOKIE_BYTES_MAX, Response};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Response::Discovered {
        registrations,
        cookie,
    }) = Response::decode(bytes)
    {
        assert!(cookie.len() <= COOKIE_BYTES_MAX);
        assert!(registrations.len() <= bytes.len());
    }
});
