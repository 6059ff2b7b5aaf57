//! Bodies of posts: kept to the byte, and of a stated type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::body::Body;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(body) = Body::decode(bytes) {
        assert_eq!(body.text, bytes);
        assert!(!body.kind().is_empty());
    }
});
