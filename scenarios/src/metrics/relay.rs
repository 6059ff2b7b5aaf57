//! Relays: their circuits, their reservations, and who is without. What single events tell of them is
//! declared by the node (`api/measure.rs`).

use super::{Definition, at_end, latency, value};

crate::metrics! {
    pub(crate) METRICS {
        RELAY_BYTES = value(
            "relay.bytes",
            "B",
            &[],
            "Bytes that nodes sent into circuits in the whole run, their own Noise and Yamux included.",
        );
        RELAY_BYTES_SHARE = value(
            "relay.bytes_share",
            "ratio",
            &[],
            "Share of all bytes that hosts sent in the whole run that circuits caused: what was sent into them, twice, because the relay sends it on; the headers of packets that carried it are not counted.",
        );
        RELAY_HELD = Definition {
            labels: &["group"],
            ..value(
                "relay.held",
                "1",
                &[],
                "Reservations that clients held when the run ended, also by the group of the relay.",
            )
        };
        RELAY_JOIN_TIME = at_end(latency(
            "relay.join.time",
            &[],
            "From the start of a node until a relay granted it its first reservation, warm-up included. Nodes that never got one have no sample: compare the count.",
        ));
        RELAY_RECOVERY_TIME = at_end(latency(
            "relay.recovery.time",
            &[],
            "From the moment a client lost its last reservation until it was granted another within the measured time. If its relay lost power, the time begins there, though the client notices later; clients that had none at the end have no sample: see relay.without.",
        ));
        RELAY_RESERVATION_SUCCESS = value(
            "relay.reservation.success",
            "ratio",
            &[],
            "Share of the requests for a reservation answered within the measured time that were granted, renewals aside.",
        );
        RELAY_WITHOUT = value(
            "relay.without",
            "1",
            &[],
            "Clients that had lost their last reservation and had not been granted another when the run ended.",
        );
    }
}
