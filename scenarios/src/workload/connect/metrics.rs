//! Reaching others: attempts to connect, and hole punching on the way.

use crate::metrics::{Definition, latency, measured, not_done, value};

const CONNECT: &[&str] = &["connect"];
/// The NATs or firewalls of the two ends; `public` where there is none.
const NATS: &[&str] = &["nat_a", "nat_b"];

crate::metrics! {
    pub(super) METRICS {
        CONNECT_FAILED = measured(Definition {
            lost: Some("attempts to connect that failed"),
            labels: &["cause", "nat_a", "nat_b"],
            cases: &[
                "connection-lost",
                "dialer-down",
                "dialer-lost-power",
                "dialer-stopped",
                "hole-punch-failed",
                "not-connected",
                "not-found",
                "refused",
                "stayed-relayed",
                "target-down",
                "timed-out",
                "unfinished",
            ],
            ..value(
                "connect.failed",
                "1",
                CONNECT,
                "Measured attempts to reach a peer that did not succeed in their time, also by the NATs of the two ends, and by cause: dialer-down, dialer-lost-power, dialer-stopped, target-down, refused, not-found, not-connected, hole-punch-failed, stayed-relayed, timed-out, connection-lost (it came and died within the time that `holds` asks for), unfinished (the run ended first).",
            )
        });
        CONNECT_NOT_DONE = not_done(
            "connect.not_done",
            CONNECT,
            "Times that hosts were to reach others, warm-up included, and one of the two did not run, also by reason: host-down (who was to reach), lost-power or stopped (it did, before there was a connection), target-down (who was to be reached, until the time was over).",
        );
        CONNECT_PATH = measured(Definition {
            labels: &["nat_a", "nat_b", "path"],
            ..value(
                "connect.path",
                "ratio",
                CONNECT,
                "Share of the measured attempts to reach a peer that led to a connection of this kind, good enough or not: direct (over a local network, also in place of a relayed one), hole-punched (directly, with a relay's help) or relayed; also by the NATs of the two ends.",
            )
        });
        CONNECT_SUCCESS = measured(Definition {
            labels: NATS,
            ..value(
                "connect.success",
                "ratio",
                CONNECT,
                "Share of the measured attempts to reach a peer that led to a connection of the wanted kind in their time, which then lived for as long as `holds` asks for; also by the NATs of the two ends, who reaches first.",
            )
        });
        CONNECT_TIME = measured(Definition {
            labels: &["nat_a", "nat_b", "transport"],
            ..latency(
                "connect.time",
                CONNECT,
                "From the command to reach a peer until there is a connection of the wanted kind, also by the NATs of the two ends, and by what carries it: tcp, quic or circuit. Failures have no sample: see connect.success.",
            )
        });
        CONNECT_TRANSPORT = measured(Definition {
            labels: &["nat_a", "nat_b", "transport"],
            ..value(
                "connect.transport",
                "ratio",
                CONNECT,
                "Share of the measured attempts to reach a peer that led to a connection over this transport, good enough or not: tcp, quic, or circuit (through a relay, however that is reached); also by the NATs of the two ends.",
            )
        });
        HOLEPUNCH_ATTEMPTS = value(
            "holepunch.attempts",
            "1",
            CONNECT,
            "Direct dials, over all nodes and the whole run, with which they answered a relay's help to make a direct connection of a relayed one (DCUtR).",
        );
        HOLEPUNCH_FIRST = value(
            "holepunch.first",
            "ratio",
            CONNECT,
            "Share of the hole punches that succeeded, in the whole run, whose first attempt did.",
        );
        HOLEPUNCH_TRANSPORT = Definition {
            labels: &["nat_a", "nat_b", "transport"],
            ..value(
                "holepunch.transport",
                "ratio",
                CONNECT,
                "Share of the measured attempts to reach a peer that led to a punched hole whose hole is one of this transport, tcp or quic: both race where both ends have them; also by the NATs of the two ends.",
            )
        };
    }
}
