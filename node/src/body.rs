//! Bodies: the JSON text of a post, verbatim.
//!
//! Owns the bounds and the one rule that a body is an object with a `type`.
//! What types mean is for those who show them; unknown ones are kept as they are.

use serde_json::Value;

use crate::codec::DecodeError;

const WHAT: &str = "body";

/// Longest body, as JSON text.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest name of a type.
pub const TYPE_BYTES_MAX: usize = 64;

/// A body's text and its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// The JSON text, exactly as it was written.
    pub text: Vec<u8>,
    /// The text as a value.
    pub value: Value,
}

impl Body {
    /// Writes `value` as text.
    ///
    /// # Errors
    /// As [`Body::decode`].
    pub fn encode(value: Value) -> Result<Self, DecodeError> {
        let text = value.to_string().into_bytes();
        check(text.len(), &value)?;
        Ok(Self { text, value })
    }

    /// Reads a body from its text.
    ///
    /// # Errors
    /// [`DecodeError`] `TooLong`, or `Invalid` when it is not a JSON object
    /// with a `type` of 1 to [`TYPE_BYTES_MAX`] bytes.
    pub fn decode(text: &[u8]) -> Result<Self, DecodeError> {
        too_long(text.len())?;
        let value = serde_json::from_slice(text).map_err(|_| invalid("not JSON"))?;
        check(text.len(), &value)?;
        Ok(Self {
            text: text.to_vec(),
            value,
        })
    }

    /// What kind of post it is.
    pub fn kind(&self) -> &str {
        kind(&self.value).unwrap_or_default()
    }
}

fn kind(value: &Value) -> Option<&str> {
    value.get("type")?.as_str()
}

fn check(len: usize, value: &Value) -> Result<(), DecodeError> {
    too_long(len)?;
    let kind = kind(value).ok_or_else(|| invalid("not an object with a text `type`"))?;
    if kind.is_empty() || kind.len() > TYPE_BYTES_MAX {
        return Err(invalid("`type` must have 1 to 64 bytes"));
    }
    Ok(())
}

fn too_long(len: usize) -> Result<(), DecodeError> {
    if len > BODY_BYTES_MAX {
        return Err(DecodeError::TooLong {
            what: WHAT,
            len: len as u64,
            max: BODY_BYTES_MAX as u64,
        });
    }
    Ok(())
}

fn invalid(reason: &'static str) -> DecodeError {
    DecodeError::Invalid { what: WHAT, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_kept_verbatim() {
        let text = br#"{ "type":"note/1",  "text":"hi" }"#;
        let body = Body::decode(text).expect("a body");
        assert_eq!(body.text, text);
        assert_eq!(body.kind(), "note/1");
    }

    #[test]
    fn only_typed_objects_within_the_bound_are_bodies() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!({"type": 1}),
            json!({"type": ""}),
            json!({"type": "x".repeat(TYPE_BYTES_MAX + 1)}),
            json!({"type": "note/1", "text": "x".repeat(BODY_BYTES_MAX)}),
        ] {
            assert!(Body::encode(value.clone()).is_err());
            assert!(Body::decode(value.to_string().as_bytes()).is_err());
        }
        assert!(Body::decode(b"{").is_err());
        assert!(Body::encode(json!({"type": "x".repeat(TYPE_BYTES_MAX)})).is_ok());
    }
}
