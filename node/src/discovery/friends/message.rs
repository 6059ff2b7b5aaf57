//! The two messages: a question, and its answer.

use crate::card::{CARD_BYTES_MAX, Card};
use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::IdentityId;
use crate::protocol::Reason;
use crate::protocol::one_frame::OneFrame;

const QUESTION: &str = "friends' question";
const ANSWER: &str = "friends' answer";
const VERSION: u64 = 1;

/// Longest question, in bytes.
pub const QUESTION_BYTES_MAX: usize = 128;
/// Longest answer, in bytes: a card and its kind.
pub const ANSWER_BYTES_MAX: usize = CARD_BYTES_MAX + 1;

const HERE: u8 = 0;
const UNKNOWN: u8 = 1;
const REFUSED: u8 = 2;
const HEARD: u8 = 3;

/// Names a question, on all its ways.
pub type QuestionId = [u8; 16];

/// Where is `whom`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Random, so that whom it reaches twice answers once.
    pub id: QuestionId,
    /// Who is sought.
    pub whom: IdentityId,
    /// How many more times it may be passed on.
    pub hops: u32,
    /// How many questions passing it on may cost, over all ways together.
    pub budget: u32,
}

impl Question {
    /// The question as bytes.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .array(5)
            .u64(VERSION)
            .bytes(&self.id)
            .bytes(&self.whom.0)
            .u64(self.hops.into())
            .u64(self.budget.into())
            .finish()
    }

    /// Reads a question.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(QUESTION, bytes);
        reader.array(5)?;
        reader.version(VERSION)?;
        let question = Self {
            id: reader.fixed()?,
            whom: IdentityId(reader.fixed()?),
            hops: reader.u32()?,
            budget: reader.u32()?,
        };
        reader.end()?;
        Ok(question)
    }
}

impl OneFrame for Question {
    const BYTES_MAX: usize = QUESTION_BYTES_MAX;

    fn to_frame(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_frame(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }
}

impl OneFrame for Answer {
    const BYTES_MAX: usize = ANSWER_BYTES_MAX;

    fn to_frame(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_frame(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }
}

/// What a friend knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The sought person's card of this moment, by their own word.
    Here(Box<Card>),
    /// The card that a friend of theirs has: they may have moved since. Whoever passes
    /// answers on waits for a better one.
    Heard(Box<Card>),
    /// Nothing that is told.
    Unknown,
    /// The question is not answered.
    Refused(Reason),
}

impl Answer {
    /// The answer as bytes: its kind, then its content.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Here(card) => of_card(HERE, card),
            Self::Heard(card) => of_card(HEARD, card),
            Self::Unknown => vec![UNKNOWN],
            Self::Refused(reason) => vec![REFUSED, reason.code()],
        }
    }

    /// Reads an answer. A card in it is signed by whom it names.
    ///
    /// # Errors
    /// [`DecodeError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong = |reason| DecodeError::Invalid {
            what: ANSWER,
            reason,
        };
        match bytes {
            [HERE, card @ ..] => Ok(Self::Here(Box::new(Card::decode(card)?))),
            [HEARD, card @ ..] => Ok(Self::Heard(Box::new(Card::decode(card)?))),
            [UNKNOWN] => Ok(Self::Unknown),
            [REFUSED, code] => Reason::from_code(u64::from(*code))
                .map(Self::Refused)
                .ok_or(wrong("unknown reason of refusal")),
            _ => Err(wrong("unknown kind")),
        }
    }
}

fn of_card(kind: u8, card: &Card) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&card.encode());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    const HELLO: Question = Question {
        id: [1; 16],
        whom: IdentityId([2; 32]),
        hops: 3,
        budget: u32::MAX,
    };

    #[test]
    fn messages_read_back() {
        let bytes = HELLO.encode();
        assert!(bytes.len() <= QUESTION_BYTES_MAX);
        assert_eq!(Question::decode(&bytes), Ok(HELLO));
        let card = Keys::generate(Some([1; 32])).card(&[]).expect("signs");
        for answer in [
            Answer::Here(Box::new(card.clone())),
            Answer::Heard(Box::new(card)),
            Answer::Unknown,
            Answer::Refused(Reason::Stranger),
        ] {
            let bytes = answer.encode();
            assert!(bytes.len() <= ANSWER_BYTES_MAX);
            assert_eq!(Answer::decode(&bytes), Ok(answer));
        }
    }

    #[test]
    fn a_forged_card_is_no_answer() {
        let card = Keys::generate(Some([1; 32])).card(&[]).expect("signs");
        let mut bytes = Answer::Here(Box::new(card)).encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(Answer::decode(&bytes).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&[][..], &[0], &[1, 0], &[2], &[2, 0], &[3], &[4]] {
            assert!(Answer::decode(bytes).is_err(), "{bytes:?}");
        }
        let bytes = HELLO.encode();
        for length in 0..bytes.len() {
            assert!(Question::decode(&bytes[..length]).is_err(), "{length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = Question::decode(&bytes);
            let _ = Answer::decode(&bytes);
        }
    }
}
