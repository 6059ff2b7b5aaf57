//! Messages of `/orrery/auth/2`: what reads is written back to the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::protocol::auth::AuthMessage;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = AuthMessage::decode(bytes) {
        assert_eq!(AuthMessage::decode(&message.encode()), Ok(message));
    }
});
