//! Why a post is missed for ever, by the names that the ledger's verdict gives (`play/verdict/feeds.rs`).

/// Causes of missed posts, and what each means.
pub const MEANINGS: &[(&str, &str)] = &[
    (
        "author-down",
        "the reader still pulled, and failed to, when the drain ended: the author's node did not run",
    ),
    (
        "author-new-disk",
        "the author's disk was replaced before the reader had it",
    ),
    (
        "granted-behind-timestamp",
        "it was granted after the reader had newer posts of its author, and the reader asks by timestamp",
    ),
    ("lost-by-author", "the author's own disk has lost it"),
    (
        "not-connected",
        "the reader still pulled, and failed to, when the drain ended: it was not connected with the author",
    ),
    (
        "reader-down",
        "the reader's node did not run when the drain ended",
    ),
    (
        "reader-new-disk",
        "the reader's keys, for which alone it was sealed, went with a disk that was replaced",
    ),
    (
        "reader-not-drained",
        "the reader still pulled something, or failed to, when the drain ended",
    ),
    (
        "reader-without-feeds",
        "the reader's node does not take part in the exchange of feeds",
    ),
    (
        "stamped-behind-timestamp",
        "its stamp is not above that of another post that the reader had, and the reader asks by timestamp",
    ),
    (
        "too-large-for-relay",
        "no circuit through the relay carries it, or another that has to come before it",
    ),
    (
        "unknown",
        "nothing explains it: a defect, and the run fails",
    ),
];
