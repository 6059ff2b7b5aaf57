//! What is wrong with a profile, and where in its file.

/// Why a profile cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProfileError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What is wrong with a profile that a scenario writes out, and below which keys; none for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// Keys from the outermost inwards.
    pub path: Vec<String>,
    /// What is wrong there.
    pub error: ProfileError,
}

impl ProfileError {
    /// What is wrong, and nothing that would help.
    pub(super) fn new(message: String) -> Self {
        Self {
            message,
            help: None,
        }
    }
}

/// Parses a profile's TOML; the error says where.
pub(super) fn from_toml<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
) -> Result<T, ProfileError> {
    from_toml_at(text).map_err(|(byte, message)| {
        let line = line(text, byte);
        ProfileError::new(format!("profile {file}, line {line}: {message}"))
    })
}

/// Parses a profile's TOML; the error is a byte of the text, and what is wrong there.
pub(super) fn from_toml_at<T: serde::de::DeserializeOwned>(
    text: &str,
) -> Result<T, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or("not valid TOML");
        let byte = error.span().map_or(0, |span| span.start);
        (byte, message.to_owned())
    })
}

/// The line, from 1, that the byte of `text` is on.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.get(..byte).unwrap_or("").matches('\n').count() + 1
}
