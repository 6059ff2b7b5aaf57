//! Pages of a feed: what reads is written back to the same page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orrery_node::pull::PullPage;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(page) = PullPage::decode(bytes) {
        assert_eq!(PullPage::decode(&page.encode()), Ok(page));
    }
});
