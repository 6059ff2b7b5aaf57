//! Packets of local discovery: none makes the reader panic, or tells of more than it may.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::discovery::local::Packet;

fuzz_target!(|bytes: &[u8]| {
    if let Some(Packet::Answer(neighbours)) = Packet::read(bytes) {
        assert!(neighbours.len() <= 16);
        assert!(
            neighbours
                .iter()
                .all(|neighbour| neighbour.addresses.len() <= 16)
        );
    }
});
