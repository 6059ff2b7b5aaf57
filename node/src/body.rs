//! Bodies: the JSON text of a post, verbatim.
//!
//! Owns the bounds and the one rule that a body is an object with a `type`.
//! What types mean is for those who show them; unknown ones are kept as they are.
//!
//! What one bound admits no later one refuses: a body goes into replies and files that are JSON
//! themselves, so its depth is bounded well below what their readers take (serde_json: 128).

use serde_json::Value;

use crate::codec::DecodeError;

const WHAT: &str = "body";

/// Longest body, as JSON text.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of a body that is posted or taken in: the object itself is 1 deep.
pub const BODY_DEPTH_MAX: usize = 64;
/// Most values in a body that is posted or taken in, objects and arrays included: each takes some
/// twenty times in memory what the shortest takes as text.
pub const BODY_VALUES_MAX: usize = 16_384;
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
    /// As [`Body::decode`], and as [`Body::check_shape`].
    pub fn encode(value: Value) -> Result<Self, DecodeError> {
        let text = value.to_string().into_bytes();
        check(text.len(), &value)?;
        let body = Self { text, value };
        body.check_shape()?;
        Ok(body)
    }

    /// Whether it may be posted, and taken in: not so for what is too deep, or of too many values.
    ///
    /// # Errors
    /// `Invalid` beyond [`BODY_DEPTH_MAX`] and [`BODY_VALUES_MAX`].
    pub fn check_shape(&self) -> Result<(), DecodeError> {
        self.check_depth()?;
        if self.values() > BODY_VALUES_MAX {
            return Err(invalid("more than 16384 values"));
        }
        Ok(())
    }

    /// How many values there are in it, objects and arrays included.
    pub fn values(&self) -> usize {
        values(&self.value)
    }

    /// Whether everybody can show it: not so for what was kept before depth was bounded.
    ///
    /// # Errors
    /// `Invalid` beyond [`BODY_DEPTH_MAX`].
    pub fn check_depth(&self) -> Result<(), DecodeError> {
        if is_deeper_than(&self.value, BODY_DEPTH_MAX) {
            return Err(invalid("nested more than 64 deep"));
        }
        Ok(())
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

/// Whether objects and arrays are nested more than `max` deep.
fn is_deeper_than(value: &Value, max: usize) -> bool {
    let mut inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(fields) => Box::new(fields.values()),
        Value::Array(entries) => Box::new(entries.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return false,
    };
    max == 0 || inner.any(|value| is_deeper_than(value, max - 1))
}

/// How many values `value` is and holds; it is no deeper than what reads JSON lets it be.
fn values(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(values).sum::<usize>(),
        Value::Array(entries) => 1 + entries.iter().map(values).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
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
    fn the_number_of_values_is_bounded_for_what_is_posted() {
        let body = |entries: usize| json!({"type": "note/1", "list": vec![0; entries]});
        // The object, its type and the list are values, too.
        let most = Body::encode(body(BODY_VALUES_MAX - 3)).expect("at the bound");
        assert_eq!(most.values(), BODY_VALUES_MAX);
        let refused = Body::encode(body(BODY_VALUES_MAX - 2));
        assert!(matches!(refused, Err(DecodeError::Invalid { .. })));
        let text = body(BODY_VALUES_MAX - 2).to_string();
        assert!(Body::decode(text.as_bytes()).is_ok_and(|body| body.check_shape().is_err()));
    }

    #[test]
    fn depth_is_bounded_for_what_is_posted_and_fits_into_a_reply() {
        let nested = |depth: usize| {
            let inner = (1..depth).fold(json!(1), |inner, _| json!([inner]));
            json!({"type": "note/1", "text": "", "inner": inner})
        };
        let deepest = Body::encode(nested(BODY_DEPTH_MAX)).expect("at the bound");
        let reply = json!({"posts": [{"body": deepest.value}]}).to_string();
        assert!(serde_json::from_str::<Value>(&reply).is_ok());
        assert!(Body::encode(nested(BODY_DEPTH_MAX + 1)).is_err());
        let kept = Body::decode(nested(120).to_string().as_bytes()).expect("kept before");
        assert!(kept.check_depth().is_err());
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
