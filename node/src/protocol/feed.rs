//! `/orrery/feed/1`: what goes over the wire.
//!
//! The requester opens a substream and writes one frame, a pull request. The
//! responder writes frames, each a [`FeedReply`], until one holds the end of
//! the feed or a refusal, and closes.

use crate::codec::DecodeError;
use crate::pull::{PAGE_BYTES_MAX, PullPage};

use super::frame::FRAME_BYTES_MAX;
use super::refusal::Reason;

const WHAT: &str = "feed reply";
const PAGE: u8 = 0;
const REFUSED: u8 = 1;

/// Longest reply, in bytes: a page and its kind.
pub const REPLY_BYTES_MAX: usize = 1 + PAGE_BYTES_MAX;
const _: () = assert!(REPLY_BYTES_MAX <= FRAME_BYTES_MAX, "a page fits a frame");

/// One frame of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedReply {
    /// Some items, and where to go on.
    Page(PullPage),
    /// The responder will not answer.
    Refused(Reason),
}

impl FeedReply {
    /// The reply as bytes: its kind, then its content.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Page(page) => {
                let mut bytes = vec![PAGE];
                bytes.extend_from_slice(&page.encode());
                bytes
            }
            Self::Refused(reason) => vec![REFUSED, reason.code()],
        }
    }

    /// Reads a reply. What the items claim has not been verified.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes {
            [PAGE, page @ ..] => Ok(Self::Page(PullPage::decode(page)?)),
            [REFUSED, code] => Reason::from_code(u64::from(*code))
                .map(Self::Refused)
                .ok_or(DecodeError::Invalid {
                    what: WHAT,
                    reason: "unknown reason of refusal",
                }),
            _ => Err(DecodeError::Invalid {
                what: WHAT,
                reason: "unknown kind",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_back() {
        let bytes = FeedReply::Refused(Reason::Blocked).encode();
        assert_eq!(
            FeedReply::decode(&bytes),
            Ok(FeedReply::Refused(Reason::Blocked))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&[][..], &[1], &[1, 0], &[1, 1, 1], &[2], &[0], &[0, 0xff]] {
            assert!(FeedReply::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(0_u8.., 0..600)) {
            let _ = FeedReply::decode(&bytes);
        }
    }
}
