//! Topics: the names of groups without storage.
//!
//! Owns what such a name may be, so that nothing else that tells of a topic has to check it. What is
//! said in a group is [`gossip`](crate::gossip)'s business.

use std::fmt;
use std::str::FromStr;

use crate::api::text::written_as_text;

/// Topics that a node joins at most. libp2p keeps no more of any peer.
pub const TOPICS_MAX: usize = 100;

/// Bytes of a topic's name at most; no longer one is remembered of any peer.
pub const TOPIC_BYTES_MAX: usize = 256;

/// The name of a group without storage: 1 to [`TOPIC_BYTES_MAX`] bytes.
///
/// ```
/// use orrery_node::topic::Topic;
///
/// let topic: Topic = "lunch".parse().expect("it is short");
/// assert_eq!(topic.as_str(), "lunch");
/// assert!("".parse::<Topic>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

/// What is no name of a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a topic's name has 1 to {TOPIC_BYTES_MAX} bytes, this one has {bytes}")]
pub struct TopicError {
    /// Its length.
    bytes: usize,
}

impl Topic {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic may have this name.
    ///
    /// # Errors
    /// [`TopicError`] if it may not.
    pub fn check(name: &str) -> Result<(), TopicError> {
        match name.len() {
            1..=TOPIC_BYTES_MAX => Ok(()),
            bytes => Err(TopicError { bytes }),
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(name: String) -> Result<Self, TopicError> {
        Self::check(&name)?;
        Ok(Self(name))
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        name.to_owned().try_into()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

written_as_text!(Topic, "Topic", "A topic: 1 to 256 bytes.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_256_bytes_and_are_written_as_they_are() {
        let check = |name: &str, fits: bool| {
            let read = name.parse::<Topic>();
            assert_eq!(read.is_ok(), fits, "{name}");
            match read {
                Ok(topic) => assert_eq!(serde_json::json!(topic), name),
                Err(error) => assert!(error.to_string().contains("1 to 256 bytes"), "{error}"),
            }
        };
        check("lunch", true);
        check(&"x".repeat(TOPIC_BYTES_MAX), true);
        check(&"x".repeat(TOPIC_BYTES_MAX + 1), false);
        check("", false);
        let read = serde_json::from_str::<Topic>("\"\"");
        let error = read.expect_err("it has no bytes").to_string();
        assert!(error.contains("this one has 0"), "{error}");
    }
}
