//! What ops and logs are called, and the text of that.
//!
//! Owns no more than the names, so that whatever tells of an op can name it without knowing what an op is.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::api::text::written_as_text;
use crate::codec::DecodeError;

/// An op: BLAKE3 of its header. Shown in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub [u8; 32]);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpId({self})")
    }
}

written_as_text!(
    OpId,
    "Op",
    "An op: BLAKE3 of its header in lower-case hexadecimal."
);

impl FromStr for OpId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        decoded(text, "op", "not 32 bytes").map(Self)
    }
}

/// A log: random, so that its name says nothing of its audience. Shown in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// As the text that events have of it.
impl Hash for LogId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_string().hash(state);
    }
}

written_as_text!(
    LogId,
    "Log",
    "A log of one device: 16 bytes in lower-case hexadecimal."
);

impl FromStr for LogId {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        decoded(text, "log", "not 16 bytes").map(Self)
    }
}

/// The bytes of a name; `what` is named so, and `length` says how many it has.
fn decoded<const N: usize>(
    text: &str,
    what: &'static str,
    length: &'static str,
) -> Result<[u8; N], DecodeError> {
    let wrong = |reason| DecodeError::Invalid { what, reason };
    let bytes = HEXLOWER
        .decode(text.as_bytes())
        .map_err(|_| wrong("not lower-case hexadecimal"))?;
    bytes.try_into().map_err(|_| wrong(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_no_others() {
        let (op, log) = (OpId([0xa1; 32]), LogId([0xb2; 16]));
        assert_eq!(op.to_string().parse(), Ok(op));
        assert_eq!(log.to_string().parse(), Ok(log));
        let json = serde_json::to_string(&log).expect("it is a text");
        assert_eq!(json, format!("\"{}\"", "b2".repeat(16)));
        for text in [
            "",
            "b2",
            "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2",
            &op.to_string(),
        ] {
            assert!(text.parse::<LogId>().is_err(), "{text}");
        }
    }
}
