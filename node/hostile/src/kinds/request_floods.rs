//! Proper requests of a new identity, as fast as they are answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::AsyncWriteExt;
use futures::future::join_all;
use futures_timer::Delay;
use orrery_node::keys::Keys;
use orrery_node::protocol::feed::{FeedReply, REPLY_BYTES_MAX};
use orrery_node::protocol::frame::{read_frame, write_frame};
use orrery_node::pull::{PullRequest, Scope};
use orrery_node::sync_strategy::PullState;
use orrery_node::sync_strategy::after_ts::AfterTs;

use crate::act::{Act, Effect, FEED, within};
use crate::connection::{Connection, Substream};
use crate::program::Target;

/// Requests at once.
const AT_ONCE: usize = 8;

/// After a refusal.
const PAUSE: Duration = Duration::from_millis(250);

pub async fn act(mut act: Act<'_>) -> Effect {
    let keys = act.stranger();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let refused = AtomicBool::new(false);
    let flood = async {
        if !act.prove(&connection, &keys).await {
            return;
        }
        act.reaches();
        let floods = (0..AT_ONCE).map(|_| flood(&connection, act.target, &keys, &refused));
        join_all(floods).await;
    };
    let was_proved = match within(act.hold(), connection.during(flood)).await {
        Some(Some(())) => false,
        Some(None) => return Effect::Refused,
        None => true,
    };
    match (was_proved, refused.into_inner()) {
        (false, _) => Effect::Unreached,
        (true, true) => Effect::Refused,
        (true, false) => Effect::Borne,
    }
}

/// Asks again and again, whatever the answer; notes refusals.
async fn flood(connection: &Connection, target: &Target, keys: &Keys, refused: &AtomicBool) {
    loop {
        if !is_served(connection, target, keys).await {
            refused.store(true, Ordering::Relaxed);
            Delay::new(PAUSE).await;
        }
    }
}

/// Whether the target answers one request to its end.
async fn is_served(connection: &Connection, target: &Target, keys: &Keys) -> bool {
    let Some(mut stream) = ask(connection, target, keys).await else {
        return false;
    };
    while let Ok(frame) = read_frame(&mut stream, REPLY_BYTES_MAX).await {
        match FeedReply::decode(&frame) {
            Ok(FeedReply::Page(page)) if page.end.is_none() => {}
            Ok(FeedReply::Page(_)) => return true,
            Ok(FeedReply::Refused(_)) | Err(_) => return false,
        }
    }
    false
}

/// Asks for all of the target's feed; `None` if the target does not listen.
pub async fn ask(connection: &Connection, target: &Target, keys: &Keys) -> Option<Substream> {
    let request = PullRequest {
        viewer: keys.identity(),
        scope: Scope::Author(target.card.identity()),
        types: Vec::new(),
        limit: 100,
        state: PullState::AfterTs(AfterTs::default()),
    };
    let mut stream = connection.open(FEED).await.ok()?;
    write_frame(&mut stream, &request.encode()).await.ok()?;
    stream.flush().await.ok()?;
    Some(stream)
}
