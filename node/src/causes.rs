//! What lies beneath an error.
//!
//! libp2p wraps errors in errors, and some of them have no text of their own.

use std::error::Error;
use std::{io, iter};

/// An error and its causes, outermost first. Input and output errors hide what they wrap from
/// `source`, so they are opened.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| {
        let opened = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match opened {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The first error of type `E` among an error and its causes.
pub(crate) fn inside<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether an error or one of its causes is of type `E` and fits.
pub(crate) fn any<E: Error + 'static>(
    error: &(dyn Error + 'static),
    fits: impl Fn(&E) -> bool,
) -> bool {
    causes(error).any(|cause| cause.downcast_ref().is_some_and(&fits))
}

/// What the deepest cause says that says anything.
pub(crate) fn root(error: &(dyn Error + 'static)) -> String {
    let told = causes(error).map(ToString::to_string);
    let told = told.filter(|text| !text.is_empty()).last();
    told.unwrap_or_else(|| "no reason is given".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error without words around another.
    #[derive(Debug, thiserror::Error)]
    #[error("")]
    struct Silent(#[source] io::Error);

    #[test]
    fn the_deepest_cause_with_words_is_told() {
        let taken = io::Error::from(io::ErrorKind::AddrInUse);
        let text = taken.to_string();
        assert_eq!(root(&io::Error::other(Silent(taken))), text);
        let silent = Silent(io::Error::other(Silent(io::ErrorKind::AddrInUse.into())));
        assert!(inside::<Silent>(&silent).is_some());
        assert_eq!(root(&silent), text);
    }
}
