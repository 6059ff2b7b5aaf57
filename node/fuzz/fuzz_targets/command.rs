//! Commands as JSON, as a program on the same machine sends them: what parses is
//! written back and read again as the same command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::api::Command;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = serde_json::from_slice::<Command>(bytes) {
        let text = serde_json::to_vec(&command).expect("a parsed command has string keys only");
        let again: Command = serde_json::from_slice(&text).expect("written by serde");
        assert_eq!(command, again);
    }
});
