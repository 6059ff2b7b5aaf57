//! Echoes between hosts. What nodes measure over their own connections is `ping.rtt`.

use crate::metrics::{Definition, latency, measured, not_done, value};

const PING: &[&str] = &["ping"];

/// Groups of the two ends.
const ENDS: &[&str] = &["from", "to"];

crate::metrics! {
    pub(super) METRICS {
        PING_LOST = measured(Definition {
            lost: Some("pings without an answer"),
            labels: &["cause", "from", "to"],
            cases: &[
                "sender-lost-power",
                "sender-stopped",
                "target-down",
                "timed-out",
                "unfinished",
            ],
            ..value(
                "ping.lost",
                "1",
                PING,
                "Pings sent within the measured time whose answer did not come in time, also by the groups of the two ends, and by cause: timed-out (net.drops says what was dropped), target-down (who was asked did not run then, or when the time was over), sender-lost-power, sender-stopped, unfinished (the run ended first).",
            )
        });
        PING_NOT_DONE = not_done(
            "ping.not_done",
            PING,
            "Pings, those of the warm-up included, that nothing could come of as a host did not run, also by reason: host-down (who was to ask), target-down (who was asked, then or when the time for the answer was over).",
        );
        PING_SENT = measured(Definition {
            labels: ENDS,
            ..value(
                "ping.sent",
                "1",
                PING,
                "Pings sent within the measured time; also by the groups of the two ends.",
            )
        });
        PING_TIME = measured(Definition {
            labels: ENDS,
            ..latency(
                "ping.time",
                PING,
                "From the sending of a ping within the measured time until its answer came, there and back; also by the groups of the two ends. Lost ones have no sample: see ping.lost.",
            )
        });
    }
}
