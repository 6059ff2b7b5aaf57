//! What the owner calls others: a name of the owner's own choice, which nobody else is told.
//!
//! Owns which texts can be names: none that could be taken for an identity, a card or an audience on
//! the command line, and none that steers a terminal.

use std::fmt;
use std::str::FromStr;

use crate::codec::DecodeError;
use crate::identity::IdentityId;

/// Longest name, in bytes.
pub const PETNAME_BYTES_MAX: usize = 64;

/// What the command line means something else by.
const RESERVED: [&str; 2] = ["public", "friends"];
/// How cards begin.
const CARD_PREFIX: &str = "orrery1";

/// A name that the owner has given to somebody.
///
/// ```
/// use orrery_node::petname::Petname;
///
/// assert_eq!("Ada".parse::<Petname>().unwrap().as_str(), "Ada");
/// assert!("friends".parse::<Petname>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Petname(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PetnameError {
    /// No characters, or too many.
    #[error("a name has 1 to {PETNAME_BYTES_MAX} bytes")]
    Length,
    /// Line ends, escapes and the like.
    #[error("a name has no control characters")]
    Control,
    /// It would be read as something else.
    #[error("`public`, `friends`, cards and identities are no names; choose another")]
    Reserved,
}

impl Petname {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name as it was kept.
    ///
    /// # Errors
    /// `Invalid` if it can be none.
    pub(crate) fn kept(text: &str) -> Result<Self, DecodeError> {
        text.parse().map_err(|_| DecodeError::Invalid {
            what: "contact's name",
            reason: "it can be no name",
        })
    }
}

impl FromStr for Petname {
    type Err = PetnameError;

    /// Blanks around it are left out.
    fn from_str(text: &str) -> Result<Self, PetnameError> {
        let text = text.trim();
        if text.is_empty() || text.len() > PETNAME_BYTES_MAX {
            return Err(PetnameError::Length);
        }
        if text.chars().any(char::is_control) {
            return Err(PetnameError::Control);
        }
        let is_identity = text.parse::<IdentityId>().is_ok();
        if is_identity || RESERVED.contains(&text) || text.starts_with(CARD_PREFIX) {
            return Err(PetnameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Petname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_else_is_no_name() {
        let check = |text: &str, expected: Result<&str, PetnameError>| {
            let parsed = text.parse::<Petname>();
            let parsed = parsed.as_ref().map(Petname::as_str).map_err(|error| *error);
            assert_eq!(parsed, expected, "{text}");
        };
        check("Ada", Ok("Ada"));
        check("  Ada von L. ", Ok("Ada von L."));
        check("", Err(PetnameError::Length));
        check(&"x".repeat(65), Err(PetnameError::Length));
        check("a\nb", Err(PetnameError::Control));
        check("a\u{1b}[2J", Err(PetnameError::Control));
        check("public", Err(PetnameError::Reserved));
        check("orrery1abc", Err(PetnameError::Reserved));
        check(
            &IdentityId([1; 32]).to_string(),
            Err(PetnameError::Reserved),
        );
    }
}
