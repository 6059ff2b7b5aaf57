//! Posts that claim to be of the year 2076.

use orrery_node::op::Hlc;

use crate::act::{Act, Effect};
use crate::served::{Served, item, serve};

/// 1 January 2076, in milliseconds since 1970.
const STAMP_MS: u64 = 3_345_062_400_000;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.hostile.keys.clone();
    let body = br#"{"type":"note/1","text":"from 2076"}"#.to_vec();
    let early = item(&keys, body, &mut act.chance, |header| {
        header.hlc = Hlc::first(STAMP_MS);
    });
    let served = Served {
        items: vec![early],
        answer: None,
    };
    serve(act, served).await
}
