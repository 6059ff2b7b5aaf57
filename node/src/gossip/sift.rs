//! What of a transmission is worth reading: messages of topics that were joined, and what is said of meshes.
//!
//! libp2p verifies the signature of each message before it looks at the topic, and keeps messages of any
//! topic for a few heartbeats. So those of others are taken out before. Nothing else of a transmission is
//! changed or judged here.
//! <https://github.com/libp2p/specs/blob/master/pubsub/README.md#the-rpc>

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use bytes::BytesMut;
use libp2p::gossipsub::TopicHash;

use crate::codec::DecodeError;
use crate::protobuf::{Fields, Value, varint};

/// In a transmission, a message that is published.
const PUBLISH: u64 = 2;
/// In a message, its topic.
const TOPIC: u64 = 4;

/// Topics that the node has joined, as all connections see them.
#[derive(Debug, Default)]
pub struct Joined(RwLock<BTreeSet<String>>);

impl Joined {
    /// Takes a topic for one that was joined, or not.
    pub fn set(&self, topic: &TopicHash, joined: bool) {
        // A set of names is whole whatever its holder did.
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if joined {
            topics.insert(topic.as_str().to_owned());
        } else {
            topics.remove(topic.as_str());
        }
    }

    fn has(&self, topic: &[u8]) -> bool {
        let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
        std::str::from_utf8(topic).is_ok_and(|topic| topics.contains(topic))
    }
}

/// A transmission without what is of no use.
#[derive(Debug, PartialEq, Eq)]
pub struct Sifted {
    /// With its length before it; nothing where nothing is left.
    pub frame: Option<BytesMut>,
    /// Messages in it.
    pub messages: u32,
    /// Messages that were left out.
    pub left_out: u32,
}

/// Takes messages of topics that were not joined out of a frame, which has its length before it.
///
/// # Errors
/// [`DecodeError`] if it holds no fields, or says nothing at all.
pub fn sift(frame: BytesMut, joined: &Joined) -> Result<Sifted, DecodeError> {
    // The last byte of a length is the first without the highest bit.
    let length = frame.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let body = frame.get(length..).unwrap_or_default();
    let (mut messages, mut left_out) = (0, 0);
    let mut kept = Vec::new();
    let mut fields = Fields(body);
    loop {
        let before = fields.0;
        let Some(field) = fields.next() else {
            break;
        };
        let bytes = &before[..before.len() - fields.0.len()];
        if let (PUBLISH, Value::Bytes(message)) = field? {
            let topic = Fields(message).bytes(TOPIC)?.unwrap_or_default();
            if !joined.has(topic) {
                left_out += 1;
                continue;
            }
            messages += 1;
        }
        kept.push(bytes);
    }
    if body.is_empty() {
        return Err(DecodeError::Invalid {
            what: "transmission",
            reason: "it says nothing",
        });
    }
    let frame = if left_out == 0 {
        Some(frame)
    } else {
        (!kept.is_empty()).then(|| framed(&kept.concat()))
    };
    Ok(Sifted {
        frame,
        messages,
        left_out,
    })
}

/// A frame with its length before it.
fn framed(body: &[u8]) -> BytesMut {
    let mut out = Vec::with_capacity(body.len() + 8);
    varint(&mut out, body.len() as u64);
    out.extend_from_slice(body);
    BytesMut::from(out.as_slice())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protobuf::{bytes, number};

    fn joined(topic: &str) -> Joined {
        let joined = Joined::default();
        joined.set(&TopicHash::from_raw(topic), true);
        joined
    }

    /// A message of a topic, as a field of a transmission.
    fn published(topic: &str) -> Vec<u8> {
        let (mut message, mut field) = (Vec::new(), Vec::new());
        bytes(&mut message, 2, b"data");
        bytes(&mut message, TOPIC, topic.as_bytes());
        bytes(&mut field, PUBLISH, &message);
        field
    }

    /// What is left of a transmission with these fields, and how many messages are, and are not.
    fn check(fields: &[Vec<u8>], expected: Option<&[Vec<u8>]>, counts: (u32, u32)) {
        let frame = framed(&fields.concat());
        let sifted = sift(frame, &joined("lunch")).expect("it holds fields");
        let expected = expected.map(|fields| framed(&fields.concat()));
        assert_eq!(sifted.frame, expected);
        assert_eq!((sifted.messages, sifted.left_out), counts);
    }

    #[test]
    fn messages_of_other_topics_are_taken_out_and_all_else_stays() {
        let (ours, theirs) = (published("lunch"), published("dinner"));
        let mut subscription = Vec::new();
        bytes(&mut subscription, 1, b"\x08\x01\x12\x05lunch");
        let all = [
            ours.clone(),
            theirs.clone(),
            subscription.clone(),
            ours.clone(),
        ];
        let left = [ours.clone(), subscription.clone(), ours.clone()];
        check(&all, Some(&left), (2, 1));
        check(&left, Some(&left), (2, 0));
        check(std::slice::from_ref(&theirs), None, (0, 1));
        let nameless = [bytes_of(PUBLISH, b"")];
        check(&nameless, None, (0, 1));
    }

    fn bytes_of(field: u64, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        bytes(&mut out, field, value);
        out
    }

    #[test]
    fn what_says_nothing_or_holds_no_fields_is_refused() {
        let check = |body: &[u8]| {
            let sifted = sift(framed(body), &joined("lunch"));
            assert!(sifted.is_err(), "{body:?}");
        };
        check(&[]);
        check(&[0x7f; 40]);
        check(&[0x12, 9]);
        // A message whose topic is a number.
        let mut message = Vec::new();
        number(&mut message, TOPIC, 1);
        check(&bytes_of(PUBLISH, &message));
    }

    #[test]
    fn a_topic_that_was_left_is_joined_no_more() {
        let joined = joined("lunch");
        assert!(joined.has(b"lunch") && !joined.has(b"dinner"));
        joined.set(&TopicHash::from_raw("lunch"), false);
        assert!(!joined.has(b"lunch"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let frame = framed(&body);
            let bytes = frame.len();
            if let Ok(Sifted { frame: Some(frame), .. }) = sift(frame, &joined("lunch")) {
                prop_assert!(frame.len() <= bytes);
            }
        }
    }
}
