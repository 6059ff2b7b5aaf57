//! Conversation between two, as posts of types of its own: messages, and what their reader says of them.
//!
//! Owns the form of their bodies. A message goes to one reader, in the log of that reader; so its place,
//! its order and its proof are the log's. A receipt goes the other way, names a place in that log and the
//! message that stands there, and speaks for all before it, from a place on where something is missing; one
//! speaks of several logs. Who may say what of which message is judged by the store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codec::DecodeError;
use crate::op::{LogId, OpId};

/// The type of a message's body.
pub const MESSAGE: &str = "chat/1";
/// The type of a receipt's body.
pub const RECEIPT: &str = "chat-receipt/1";
/// Longest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Whether a body of this type belongs to a conversation.
pub fn is_of_conversation(kind: &str) -> bool {
    matches!(kind, MESSAGE | RECEIPT)
}

/// What somebody says to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Plain text, at most 16 KiB.
    pub text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<OpId>,
}

/// Most logs, or runs of places of one, that a receipt speaks of.
pub const REACHES_MAX: usize = 64;

/// What a reader has of the messages to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// At least one and at most [`REACHES_MAX`]. A reader of before there were several knows of the first
    /// alone.
    pub reaches: Vec<Reach>,
}

/// The body of a [`Receipt`].
#[derive(Serialize, Deserialize)]
struct ReceiptBody {
    #[serde(flatten)]
    first: Reach,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    more: Vec<Reach>,
}

/// What a reader has of one log of messages to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// The author's log, 32 hexadecimal digits.
    pub log: LogId,
    /// The place from which on it holds: what is before it is spoken of elsewhere, or never came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
    /// The last message of it that is stored at the reader, as are all between `from` and it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<UpTo>,
    /// The last message of it that the reader has read, with all between `from` and it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<UpTo>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(place: &u64) -> bool {
    *place == 0
}

/// A message, and all before it in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpTo {
    /// Its place in the log.
    pub seq: u64,
    /// Its name, which nobody knows before it is written.
    pub op: OpId,
}

impl Reach {
    /// The place after the last that is stored at the reader, by this; what was read was stored.
    pub fn delivered_end(&self) -> u64 {
        end(self.delivered).max(self.read_end())
    }

    /// The place after the last that was read.
    pub fn read_end(&self) -> u64 {
        end(self.read)
    }

    /// The messages that it names.
    pub fn named(&self) -> impl Iterator<Item = UpTo> {
        [self.delivered, self.read].into_iter().flatten()
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.named().next().is_none() {
            return Err(invalid("a receipt is for at least one message"));
        }
        if self.named().any(|up_to| up_to.seq < self.from) {
            return Err(invalid("a receipt ends where it begins, or later"));
        }
        Ok(())
    }
}

fn end(up_to: Option<UpTo>) -> u64 {
    up_to.map_or(0, |up_to| up_to.seq.saturating_add(1))
}

/// What a body of a conversation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A message.
    Message(Message),
    /// A receipt.
    Receipt(Receipt),
}

impl Said {
    /// Reads what a body of this `kind` says; nothing if that is none of a conversation.
    ///
    /// # Errors
    /// [`DecodeError`] `Invalid`, and `TooLong` for a text of more than [`TEXT_BYTES_MAX`].
    pub fn of(kind: &str, body: &Value) -> Result<Option<Self>, DecodeError> {
        match kind {
            MESSAGE => {
                let message = Message::deserialize(body);
                let message = message.map_err(|_| invalid("a message has a text"))?;
                check_text(&message.text)?;
                Ok(Some(Self::Message(message)))
            }
            RECEIPT => {
                let said = ReceiptBody::deserialize(body);
                let said = said.map_err(|_| invalid("a receipt names a log and messages"))?;
                if said.more.len() >= REACHES_MAX {
                    return Err(invalid("a receipt speaks of 64 logs"));
                }
                let reaches: Vec<_> = std::iter::once(said.first).chain(said.more).collect();
                for reach in &reaches {
                    reach.check()?;
                }
                Ok(Some(Self::Receipt(Receipt { reaches })))
            }
            _ => Ok(None),
        }
    }

    /// The body that says it.
    pub fn to_body(&self) -> Value {
        let (kind, said) = match self {
            Self::Message(message) => (MESSAGE, serde_json::to_value(message)),
            Self::Receipt(receipt) => {
                let mut reaches = receipt.reaches.iter().cloned();
                let body = reaches.next().map(|first| ReceiptBody {
                    first,
                    more: reaches.collect(),
                });
                (RECEIPT, serde_json::to_value(body))
            }
        };
        let mut body = said.unwrap_or_default();
        body["type"] = Value::from(kind);
        body
    }
}

/// Whether a text may be a message's.
///
/// # Errors
/// [`DecodeError`] `Invalid` for none, `TooLong` for more than [`TEXT_BYTES_MAX`].
pub fn check_text(text: &str) -> Result<(), DecodeError> {
    if text.is_empty() {
        return Err(invalid("a message has a text"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(DecodeError::TooLong {
            what: WHAT,
            len: text.len() as u64,
            max: TEXT_BYTES_MAX as u64,
        });
    }
    Ok(())
}

const WHAT: &str = "text of a message";

fn invalid(reason: &'static str) -> DecodeError {
    DecodeError::Invalid {
        what: "message",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OP: OpId = OpId([3; 32]);

    #[test]
    fn what_is_said_reads_back() {
        let message = Message {
            text: "At noon?".into(),
            reply_to: Some(OP),
        };
        let first = Reach {
            log: LogId([7; 16]),
            from: 0,
            delivered: Some(UpTo { seq: 4, op: OP }),
            read: None,
        };
        let one = Receipt {
            reaches: vec![first.clone()],
        };
        let of_before = json!({
            "type": RECEIPT, "log": LogId([7; 16]), "delivered": {"seq": 4, "op": OP},
        });
        assert_eq!(Said::Receipt(one.clone()).to_body(), of_before);
        let later = Reach {
            from: 9,
            read: Some(UpTo { seq: 12, op: OP }),
            ..first.clone()
        };
        let later = Reach {
            delivered: None,
            ..later
        };
        let several = Receipt {
            reaches: vec![first, later],
        };
        for (kind, said) in [
            (MESSAGE, Said::Message(message)),
            (RECEIPT, Said::Receipt(one)),
            (RECEIPT, Said::Receipt(several)),
        ] {
            let body = said.to_body();
            assert_eq!(body["type"], kind);
            assert_eq!(Said::of(kind, &body), Ok(Some(said)));
        }
        assert_eq!(Said::of("note/1", &json!({"text": "x"})), Ok(None));
    }

    #[test]
    fn what_is_read_was_stored() {
        let reach = Reach {
            log: LogId([7; 16]),
            from: 0,
            delivered: Some(UpTo { seq: 4, op: OP }),
            read: Some(UpTo { seq: 6, op: OP }),
        };
        assert_eq!((reach.delivered_end(), reach.read_end()), (7, 7));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let log = LogId([7; 16]).to_string();
        let whole = json!({"log": log, "read": {"seq": 1, "op": OP}});
        for (kind, body) in [
            (MESSAGE, json!({})),
            (MESSAGE, json!({"text": ""})),
            (MESSAGE, json!({"text": 1})),
            (MESSAGE, json!({"text": "x".repeat(TEXT_BYTES_MAX + 1)})),
            (MESSAGE, json!({"text": "x", "reply_to": "noon"})),
            (RECEIPT, json!({"log": log})),
            (RECEIPT, json!({"log": "?", "read": {"seq": 1, "op": OP}})),
            (RECEIPT, json!({"log": log, "read": {"seq": -1, "op": OP}})),
            (
                RECEIPT,
                json!({"log": log, "from": 2, "read": {"seq": 1, "op": OP}}),
            ),
            (
                RECEIPT,
                json!({"log": log, "read": {"seq": 1, "op": OP}, "more": [{"log": log}]}),
            ),
            (
                RECEIPT,
                json!({"log": log, "read": {"seq": 1, "op": OP}, "more": vec![whole; REACHES_MAX]}),
            ),
        ] {
            assert!(Said::of(kind, &body).is_err(), "{body}");
        }
    }
}
