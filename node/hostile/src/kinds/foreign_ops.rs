//! Ops of another's device: as that author's, and as the hostile peer's own.

use crate::act::{Act, Effect};
use crate::forged::of_anothers_device;
use crate::served::{Served, item, serve};

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.hostile.keys.clone();
    let stolen = act.target.card.delegation.clone();
    let body = br#"{"type":"note/1","text":"taken over"}"#.to_vec();
    let mut ops: Vec<_> = (0..3)
        .map(|_| {
            item(&keys, body.clone(), &mut act.chance, |header| {
                header.device = stolen.device;
            })
        })
        .collect();
    // With the author's own certificate, with one that the device did not agree to, and with ours.
    ops[0].delegation = stolen.encode();
    ops[1].delegation = of_anothers_device(&keys, &stolen);
    let served = Served {
        items: ops,
        answer: None,
    };
    serve(act, served).await
}
