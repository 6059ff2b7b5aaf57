//! What a followed author serves that should not be: the way of ops to those who pull them.
//!
//! Owns a connection on which the hostile peer is known by its own identity, and how it answers
//! pulls and friends' questions on it. What is served is the acts' business.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{AsyncWriteExt, FutureExt};
use libp2p::core::muxing::SubstreamBox;
use multistream_select::listener_select_proto;
use orrery_node::keys::Keys;
use orrery_node::op::{Encryption, Header, Hlc, LogId, SignedHeader};
use orrery_node::protocol::feed::FeedReply;
use orrery_node::protocol::frame::{read_frame, write_frame};
use orrery_node::pull::{End, Item, Lapsed, PullPage, PullRequest, REQUEST_BYTES_MAX};

use crate::act::{Act, Effect, FEED, within};
use crate::chance::Chance;

/// The protocol by which friends ask where a person is.
pub const FRIENDS: &str = "/orrery/friends/1";

/// A stamp that nobody wonders at, in milliseconds since 1970.
pub const STAMP_MS: u64 = 1_700_000_000_000;

/// What is served.
pub struct Served {
    /// To those who pull.
    pub items: Vec<Item>,
    /// The whole answer to a friend's question.
    pub answer: Option<Vec<u8>>,
}

/// Connects by its own identity and serves whoever asks, as long as an act goes on.
pub async fn serve(mut act: Act<'_>, served: Served) -> Effect {
    let keys = act.hostile.keys.clone();
    let Some(connection) = act.connect(&keys).await else {
        return Effect::Unreached;
    };
    let has_served = AtomicBool::new(false);
    let answer = |stream: SubstreamBox| {
        let answered = async {
            let asked = answer(stream, &served, &keys).await;
            if asked.is_some() && !has_served.swap(true, Ordering::Relaxed) {
                act.reaches();
            }
        };
        answered.boxed()
    };
    let stay = async {
        if act.prove(&connection, &keys).await {
            pending::<()>().await;
        }
    };
    let ended = within(act.hold(), connection.answering(Some(&answer), stay)).await;
    match (ended, has_served.load(Ordering::Relaxed)) {
        (Some(Some(())) | None, false) => Effect::Unreached,
        (Some(_), _) => Effect::Refused,
        (None, true) => Effect::Borne,
    }
}

/// Answers one substream; `None` if it asks for something else.
async fn answer(stream: SubstreamBox, served: &Served, keys: &Keys) -> Option<()> {
    let (protocol, mut stream) = listener_select_proto(stream, [FEED, FRIENDS]).await.ok()?;
    let frame = read_frame(&mut stream, REQUEST_BYTES_MAX).await.ok()?;
    let reply = if protocol == FEED {
        if served.items.is_empty() {
            return None;
        }
        let request = PullRequest::decode(&frame).ok()?;
        FeedReply::Page(PullPage {
            items: served.items.clone(),
            next: request.state,
            end: Some(End {
                complete: true,
                delegation: keys.delegation().encode(),
                heads: Vec::new(),
            }),
            lapsed: Lapsed::default(),
        })
        .encode()
    } else {
        served.answer.clone()?
    };
    write_frame(&mut stream, &reply).await.ok()?;
    stream.close().await.ok()
}

/// A public op in a log of its own, whose header says what `alter` makes of it.
pub fn item(
    keys: &Keys,
    body: Vec<u8>,
    chance: &mut Chance,
    alter: impl FnOnce(&mut Header),
) -> Item {
    let mut header = Header {
        names_author: true,
        log: LogId(chance.array()),
        device: keys.delegation().device,
        seq: 0,
        prev: None,
        hlc: Hlc::first(STAMP_MS),
        body_hash: blake3::hash(&body).into(),
        body_len: body.len() as u32,
        encryption: Encryption::None,
        expires_ms: None,
        deps: Vec::new(),
        flags: 0,
    };
    alter(&mut header);
    Item {
        header: SignedHeader::sign(&header, keys).expect("a key in memory signs"),
        delegation: keys.delegation().encode(),
        body,
        wrap: None,
    }
}
