//! Why what one host wrote for another, in its feed, is missed there for ever.
//!
//! Owns the causes by name, and which of them it was. Posts are judged by it, and messages.

use orrery_node::sync_strategy::SyncStrategy;

use super::losses::UNKNOWN;
use crate::play::ledger::{Entry, Fate, Ledger};
use crate::play::run::{Run, State};

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

/// Why what `ledger` holds as an `entry` is not at a reader.
pub fn cause(
    run: &Run,
    state: &State,
    ledger: &Ledger,
    entry: &Entry,
    reader: u32,
    fate: Fate,
    lost_by_author: bool,
) -> &'static str {
    if lost_by_author {
        return "lost-by-author";
    }
    if !run.exchanges_feeds(reader) {
        return "reader-without-feeds";
    }
    if ledger.is_for_keys_before(reader, &fate) {
        return "reader-new-disk";
    }
    if ledger.is_of_disk_before(entry) {
        return "author-new-disk";
    }
    if state.nodes[reader as usize].is_none() {
        return "reader-down";
    }
    let behind = ledger
        .highest_stamp_ms(entry.author, reader)
        .is_some_and(|highest| entry.stamp_ms <= highest);
    if run.strategy(reader) == Some(SyncStrategy::AfterTs) && behind {
        return if fate.since_ns > entry.created_ns {
            "granted-behind-timestamp"
        } else {
            "stamped-behind-timestamp"
        };
    }
    if state
        .ledger
        .is_behind_too_large(entry.author, reader, fate.since_ns)
    {
        return "too-large-for-relay";
    }
    if !state.drained.contains(&reader) {
        return not_drained(state, entry.author, reader);
    }
    UNKNOWN
}

/// What kept a reader, who still pulled or failed to when the drain ended, from an author's post.
fn not_drained(state: &State, author: u32, reader: u32) -> &'static str {
    if state.nodes[author as usize].is_none() {
        "author-down"
    } else if !state.overlay.are_linked((reader, author)) {
        "not-connected"
    } else {
        "reader-not-drained"
    }
}
