//! Posts and pulls: what was asked of nodes, delivered, missed, and lost from disks.

use crate::metrics::{Definition, at_end, latency, measured, not_done, value};
use crate::play::verdict::missed::MEANINGS;

/// Kinds of workload that write posts.
const FEED: &[&str] = &["post", "late-grant"];

crate::metrics! {
    /// Of posts, whichever kind of workload writes them.
    pub(crate) POST {
        DISK_ACKED_LOST = value(
            "disk.acked_lost",
            "1",
            FEED,
            "Own posts that were acknowledged to the author and are gone from the author's disk at the end.",
        );
        FEED_DELIVERED = measured(value(
            "feed.delivered",
            "1",
            FEED,
            "Pairs of a measured post and an intended reader in which the reader has the post at the end of the drain.",
        ));
        FEED_DELIVERY_LATENCY = measured(latency(
            "feed.delivery.latency",
            FEED,
            "From the moment a post was acknowledged to its author (or granted to a late reader) until it was stored durably at an intended reader. Missing posts have no sample: see feed.missed_forever.",
        ));
        FEED_LEAKED = value(
            "feed.leaked",
            "1",
            FEED,
            "Pairs of a post and a host that can read it though it is not among its intended readers, in the whole run.",
        );
        FEED_MISSED_FOREVER = measured(Definition {
            lost: Some("pairs of a post and an intended reader that never received it"),
            labels: &["cause"],
            values: MEANINGS,
            ..value(
                "feed.missed_forever",
                "1",
                FEED,
                "Pairs of a measured post and an intended reader in which the post is still absent at the end of the drain, also by cause. Once one of the two has blocked the other, the reader is intended no more.",
            )
        });
        FEED_REFUSED = value(
            "feed.refused",
            "1",
            &["post", "late-grant", "pull", "block"],
            "Requests that nodes refused in the whole run, for whatever reason.",
        );
        POST_LATENCY = measured(latency(
            "post.latency",
            FEED,
            "From the command to post until the acknowledgement that the post is durable.",
        ));
        POST_NOT_DONE = not_done(
            "post.not_done",
            &["post"],
            "Posts that were to be written, warm-up included, and were not acknowledged, also by reason: host-down (the author's node did not run), busy, refused, storage-failed.",
        );
        POST_SUCCESS = measured(value(
            "post.success",
            "ratio",
            FEED,
            "Share of the measured commands to post that were acknowledged.",
        ));
    }
}

crate::metrics! {
    /// Of pulls.
    pub(crate) PULL {
        PULL_LATENCY = at_end(latency(
            "pull.latency",
            &["post", "pull", "late-grant"],
            "From asking a friend to the end of the answer, with all its items stored; of pulls that ended within the measured time.",
        ));
        PULL_NOT_DONE = not_done(
            "pull.not_done",
            &["pull"],
            "Pulls that the workload asked for, warm-up included, and that did not begin or failed as a whole, also by reason: host-down (the node did not run), busy, refused, storage-failed.",
        );
        PULL_SUCCESS = value(
            "pull.success",
            "ratio",
            &["post", "pull", "late-grant"],
            "Share of the measured pulls that ended without failure.",
        );
    }
}

crate::metrics! {
    /// Of posts that are opened later.
    pub(crate) LATE_GRANT {
        LATE_GRANT_NOT_DONE = not_done(
        "late_grant.not_done",
        &["late-grant"],
        "Posts and grants of the workload late-grant, warm-up included, that were not made, also by reason: host-down (the author's node did not run), no-friends (no friend to be let in), no-post (the post was not acknowledged, so there is nothing to open), busy, refused, storage-failed.",
    );
    }
}

crate::metrics! {
    /// Of blocking.
    pub(crate) BLOCK {
        BLOCK_NOT_DONE = not_done(
        "block.not_done",
        &["block"],
        "Hosts that were to block others, warm-up included, and did not, also by reason: host-down (the node did not run), no-friends (none of those named is a friend), busy, refused, storage-failed.",
    );
    }
}
