//! Frames of an answer on `/orrery/feed/1`: what reads is written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::protocol::feed::FeedReply;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = FeedReply::decode(bytes) {
        assert_eq!(FeedReply::decode(&reply.encode()), Ok(reply));
    }
});
