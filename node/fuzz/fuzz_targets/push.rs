//! Messages on `/orrery/push/1`: what reads is written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::protocol::one_frame::OneFrame;
use orrery_node::push::{Answer, New};

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(New::from_frame(bytes), Ok(New));
    if let Ok(answer) = Answer::from_frame(bytes) {
        assert_eq!(Answer::from_frame(&answer.to_frame()), Ok(answer));
    }
});
