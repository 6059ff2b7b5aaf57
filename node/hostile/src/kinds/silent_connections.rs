//! TCP connections on which nothing is said.

use crate::act::{Act, Effect};

pub async fn act(act: Act<'_>) -> Effect {
    let Some(mut stream) = act.bytes().await else {
        return Effect::Unreached;
    };
    act.reaches();
    act.outlast(&mut stream).await
}
