//! Requests for a feed: what reads is written back to the same request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::pull::PullRequest;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = PullRequest::decode(bytes) {
        assert_eq!(PullRequest::decode(&request.encode()), Ok(request));
    }
});
