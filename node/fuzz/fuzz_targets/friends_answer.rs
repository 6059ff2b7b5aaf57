//! Answers on `/orrery/friends/1`: what reads is written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::discovery::friends::Answer;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
});
