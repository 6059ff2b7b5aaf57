//! Answers to commands.

use futures::channel::oneshot;

use crate::api::Reply;

use super::CommandError;

/// Where a command's reply goes.
pub type ReplySender = oneshot::Sender<Result<Reply, CommandError>>;

/// Gives a reply; the caller may have gone.
pub fn answer(reply: ReplySender, result: Result<Reply, CommandError>) {
    let _ = reply.send(result);
}

/// Which caller of those that have begun a search hears of it now, and which at its end.
pub fn now_or_then(reply: ReplySender, wait: bool) -> (Option<ReplySender>, Option<ReplySender>) {
    if wait {
        (None, Some(reply))
    } else {
        (Some(reply), None)
    }
}

/// Reads a name.
///
/// # Errors
/// [`CommandError::Invalid`] if it is none.
pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, CommandError> {
    let parsed = text.trim().parse();
    parsed.map_err(|error| CommandError::invalid(&error))
}

/// Reads a name, or answers that it is none.
pub fn parsed_or_answer<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    reply: ReplySender,
) -> Option<(T, ReplySender)> {
    match parsed(text) {
        Ok(value) => Some((value, reply)),
        Err(error) => {
            answer(reply, Err(error));
            None
        }
    }
}
