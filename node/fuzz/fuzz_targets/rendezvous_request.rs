//! Requests at a rendezvous point: what is read is written the same again, but for its spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::discovery::rendezvous::Request;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
});
