//! Questions on `/orrery/friends/1`: what reads is written back to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::discovery::friends::Question;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(question) = Question::decode(bytes) {
        assert_eq!(Question::decode(&question.encode()), Ok(question));
    }
});
