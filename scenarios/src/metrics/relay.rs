//! Relays: their circuits, their reservations, and who is without.

use super::{Definition, latency, value};

/// Why a relay grants no reservation, or opens no circuit.
const REFUSALS: &[&str] = &[
    "address-rate",
    "connection-closed",
    "connection-failed",
    "handshake-failed",
    "hourly-quota",
    "malformed",
    "no-friend",
    "no-reservation",
    "not-listed",
    "peer-rate",
    "permission-denied",
    "relay-unreachable",
    "resource-limit-exceeded",
    "timed-out",
    "unsupported",
];

crate::metrics! {
    pub(crate) METRICS {
        RELAY_BYTES = value(
            "relay.bytes",
            "B",
            &[],
            "Bytes that nodes sent into circuits, their own Noise and Yamux included, warm-up included.",
        );
        RELAY_BYTES_SHARE = value(
            "relay.bytes_share",
            "ratio",
            &[],
            "Share of all bytes that hosts sent that circuits caused: what was sent into them, twice, because the relay sends it on; the headers of packets that carried it are not counted.",
        );
        RELAY_CIRCUITS = value(
            "relay.circuits",
            "1",
            &[],
            "Circuits that relays opened within the measured time.",
        );
        RELAY_CIRCUITS_DENIED = Definition {
            labels: &["reason"],
            cases: REFUSALS,
            ..value(
                "relay.circuits.denied",
                "1",
                &[],
                "Dials through relays within the measured time that opened no circuit, also by the reason that the dialer was given.",
            )
        };
        RELAY_CIRCUITS_ENDED = Definition {
            labels: &["reason"],
            cases: &[
                "connection-closed",
                "failed",
                "finished",
                "max-bytes",
                "max-duration",
            ],
            ..value(
                "relay.circuits.ended",
                "1",
                &[],
                "Circuits that ended within the measured time, also by reason, as the relay knows it: finished, max-bytes, max-duration, connection-closed, failed.",
            )
        };
        RELAY_HELD = Definition {
            labels: &["group"],
            ..value(
                "relay.held",
                "1",
                &[],
                "Reservations that clients held when the run ended, also by the group of the relay.",
            )
        };
        RELAY_JOIN_TIME = latency(
            "relay.join.time",
            &[],
            "From the start of a node until a relay granted it its first reservation, warm-up included. Nodes that never got one have no sample: compare the count.",
        );
        RELAY_LOST = Definition {
            labels: &["reason"],
            cases: &[
                "connection-closed",
                "malformed",
                "refused",
                "renewed-too-often",
                "resource-limit-exceeded",
                "timed-out",
                "unsupported",
            ],
            ..value(
                "relay.lost",
                "1",
                &[],
                "Reservations that clients noticed to have lost within the measured time, also by reason.",
            )
        };
        RELAY_RECOVERY_TIME = latency(
            "relay.recovery.time",
            &[],
            "From the moment a client lost its last reservation until it was granted another. If its relay lost power, the time begins there, though the client notices later; clients that had none at the end have no sample: see relay.without.",
        );
        RELAY_REFUSED = Definition {
            labels: &["reason"],
            cases: REFUSALS,
            ..value(
                "relay.refused",
                "1",
                &[],
                "Reservations that relays refused within the measured time, also by reason, as the relay knows it.",
            )
        };
        RELAY_RENEWED = value(
            "relay.renewed",
            "1",
            &[],
            "Reservations that were renewed within the measured time.",
        );
        RELAY_RESERVATION_FAILED = Definition {
            labels: &["reason"],
            cases: &[
                "connection-closed",
                "malformed",
                "refused",
                "renewed-too-often",
                "resource-limit-exceeded",
                "timed-out",
                "unsupported",
            ],
            ..value(
                "relay.reservation.failed",
                "1",
                &[],
                "Requests for a reservation within the measured time that came to nothing, also by reason, as the client knows it.",
            )
        };
        RELAY_RESERVATION_SUCCESS = value(
            "relay.reservation.success",
            "ratio",
            &[],
            "Share of the requests for a reservation answered within the measured time that were granted, renewals aside.",
        );
        RELAY_RESERVATION_TIME = latency(
            "relay.reservation.time",
            &[],
            "From asking a relay for a reservation until it was granted, renewals aside.",
        );
        RELAY_WITHOUT = value(
            "relay.without",
            "1",
            &[],
            "Clients that had lost their last reservation and had not been granted another when the run ended.",
        );
    }
}
