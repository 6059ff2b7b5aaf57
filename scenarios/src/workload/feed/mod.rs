//! What people do with feeds: they post, pull, let friends in later, and block each other.
//!
//! Owns what these kinds share: telling a node something, and the metrics of posts and pulls. What
//! becomes of posts is the ledger's (`play/ledger.rs`), which follows nodes in every run.

pub mod block;
pub mod late_grant;
pub(crate) mod metrics;
pub mod post;
pub mod pull;

use std::sync::Arc;

use futures::FutureExt;
use orrery_node::api::Command;

use super::not_done::Reason;
use super::{Kind, Reading};
use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::bytes;
use crate::play::run::Run;

/// A workload of kind `K` tells a host's node something. What becomes of it shows in the node's
/// events, unless it cannot even begin.
fn command<K: Kind>(run: &Arc<Run>, host: u32, command: Command) {
    let Some(node) = run.node(host) else {
        return run.state().not_done.add(K::NAME, Reason::HostDown);
    };
    let told = Arc::clone(run);
    let commanding = async move {
        if let Err(error) = node.command(command).await {
            tracing::warn!(%error, "a command was not done");
            told.state().not_done.add(K::NAME, (&error).into());
        }
    };
    run.testbed.spawn(host, commanding.boxed());
}

/// A post's text at most.
const SIZE_MAX_BYTES: i64 = 32 * 1024;

/// Reads the size of a post's text, in bytes.
fn read_size(reading: &Reading<'_>, problems: &mut Problems) -> Amount {
    let default = Amount::constant(200);
    let Some(size) = reading.reader.amount("size", bytes, problems) else {
        return default;
    };
    match size.bounds() {
        Some((low, high)) if low >= 0 && high <= SIZE_MAX_BYTES => size,
        _ => {
            let message = "\"size\": expected a constant or uniform(a, b) of at most 32KiB";
            problems.push(reading.reader.span("size"), message);
            default
        }
    }
}
