//! Bodies so deep that they cannot be shown within anything else.

use crate::act::{Act, Effect};
use crate::served::{Served, item, serve};

/// Deeper than a post may be, and not so deep that serde_json would not read it.
const DEPTH: usize = 125;

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.hostile.keys.clone();
    let inner = DEPTH - 1;
    let (open, close) = ("[".repeat(inner), "]".repeat(inner));
    let body = format!("{{\"type\":\"note/1\",\"text\":\"deep\",\"x\":{open}{close}}}");
    let deep = item(&keys, body.into_bytes(), &mut act.chance, |_| {});
    let served = Served {
        items: vec![deep],
        answer: None,
    };
    serve(act, served).await
}
