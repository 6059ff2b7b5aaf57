//! Hole punching without nodes.

use crate::metrics::{Definition, latency, measured, not_done, value};

const PUNCH: &[&str] = &["punch"];

crate::metrics! {
    pub(super) METRICS {
        PUNCH_FAILED = measured(Definition {
            lost: Some("hole punches that failed"),
            labels: &["cause", "nat_a", "nat_b"],
            cases: &[
                "host-down",
                "host-lost-power",
                "host-stopped",
                "no-way",
                "not-introduced",
                "unfinished",
            ],
            ..value(
                "punch.failed",
                "1",
                PUNCH,
                "Pairs of hosts that tried to reach each other and did not, also by the NATs of the two and by cause: no-way (both gave up), not-introduced (the third host did not tell where the other is seen), host-down, host-lost-power, host-stopped, unfinished (the run ended first).",
            )
        });
        PUNCH_NOT_DONE = not_done(
            "punch.not_done",
            PUNCH,
            "Pairs of hosts that were to try to reach each other, warm-up included, and one of them did not run: host-down.",
        );
        PUNCH_SUCCESS = measured(Definition {
            labels: &["nat_a", "nat_b"],
            ..value(
                "punch.success",
                "ratio",
                PUNCH,
                "Share of the pairs of hosts that tried to reach each other in which something went there and its answer came back; also by the NATs of the two.",
            )
        });
        PUNCH_TIME = measured(Definition {
            labels: &["nat_a", "nat_b"],
            ..latency(
                "punch.time",
                PUNCH,
                "From the moment one side of a pair began to send to the other until the first answer to something sent that way; also by the NATs of the two.",
            )
        });
    }
}
