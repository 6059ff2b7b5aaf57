//! Acts of hostile peers.

use super::{Definition, value};

/// Misbehaviours.
const KIND: &[&str] = &["kind"];

crate::metrics! {
    pub(crate) METRICS {
        HOSTILE_ATTEMPTS = Definition {
            labels: KIND,
            ..value(
                "hostile.attempts",
                "1",
                &[],
                "Acts that hostile peers began in the whole run, also by misbehaviour.",
            )
        };
        HOSTILE_BORNE = Definition {
            labels: KIND,
            ..value(
                "hostile.borne",
                "1",
                &[],
                "Acts of hostile peers that ran to their end: their targets tolerated them. In the whole run, also by misbehaviour.",
            )
        };
        HOSTILE_LEFT_OUT = Definition {
            labels: KIND,
            ..value(
                "hostile.left_out",
                "1",
                &[],
                "Acts that hostile peers left out in the whole run, since as many were under way as they may have at once; also by misbehaviour.",
            )
        };
        HOSTILE_REACHED = Definition {
            labels: KIND,
            ..value(
                "hostile.reached",
                "1",
                &[],
                "Attempts of hostile peers that came to their misbehaviour: a dial succeeded, or a friend asked. In the whole run, also by misbehaviour; none of a kind fails the run.",
            )
        };
        HOSTILE_REFUSED = Definition {
            labels: KIND,
            ..value(
                "hostile.refused",
                "1",
                &[],
                "Acts of hostile peers that their targets ended: they closed the connection or the stream, or refused in words. In the whole run, also by misbehaviour.",
            )
        };
    }
}
