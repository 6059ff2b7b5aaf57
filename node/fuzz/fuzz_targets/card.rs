//! Contact cards as bytes and as text: what reads is written back to the same card.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::card::Card;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(card) = Card::decode(bytes) {
        assert_eq!(Card::decode(&card.encode()).as_ref(), Ok(&card));
        assert_eq!(card.to_string().parse().as_ref(), Ok(&card));
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(card) = text.parse::<Card>()
    {
        assert_eq!(Card::decode(&card.encode()), Ok(card));
    }
});
