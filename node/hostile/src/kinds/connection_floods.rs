//! Connections of ever new peers, which prove nothing and stay.

use std::future::pending;

use crate::act::{Act, Effect, within};

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    act.reaches();
    match within(act.hold(), connection.during(pending::<()>())).await {
        Some(_) => Effect::Refused,
        None => Effect::Borne,
    }
}
