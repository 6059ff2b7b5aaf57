//! Flows between hosts without nodes.

use crate::metrics::{Definition, latency, measured, not_done, value};

const FLOW: &[&str] = &["flow"];

crate::metrics! {
    pub(super) METRICS {
        FLOW_COMPLETION = measured(latency(
            "flow.completion",
            FLOW,
            "From the start of a flow of so many bytes until its receiver had read the last of them.",
        ));
        FLOW_CONNECT = measured(latency(
            "flow.connect",
            FLOW,
            "From the start of a flow until its sender had a connection.",
        ));
        FLOW_FAILED = measured(Definition {
            lost: Some("flows that did not complete"),
            labels: &["cause"],
            cases: &[
                "closed-early",
                "port-in-use",
                "refused",
                "reset",
                "sender-down",
                "sender-lost-power",
                "sender-stopped",
                "timed-out",
                "unfinished",
                "unreachable",
            ],
            ..value(
                "flow.failed",
                "1",
                FLOW,
                "Flows under way within the measured time that did not bring everything through, or that were to be and had failed before; also by cause: refused, timed-out, reset, port-in-use, sender-down, sender-lost-power, sender-stopped, unreachable, closed-early, unfinished (the run ended first).",
            )
        });
        FLOW_FAIRNESS = measured(value(
            "flow.fairness",
            "ratio",
            FLOW,
            "Jain's index of the goodputs of all flows that were open within the measured time, each as flow.goodput counts it and over the time that it was open: 1 if all are equal, 1/n if one of n has everything.",
        ));
        FLOW_GOODPUT = measured(Definition {
            labels: &["from", "to"],
            ..value(
                "flow.goodput",
                "bit/s",
                FLOW,
                "Bits of flows that came to receivers within the measured time, over that part of it in which a flow was open: from its connection, or the end of the warm-up, until its sender had ended and the last byte had come, or until the measured time ended. Bytes beyond a gap count when they came; what came between two reads counts by the share of that time that is measured. So no link gives more than its rate. Also by the groups of sender and receiver.",
            )
        });
        FLOW_NOT_DONE = not_done(
            "flow.not_done",
            FLOW,
            "Flows, those of the warm-up included, that brought nothing through as a host did not run when they were to begin, also by reason: host-down (the sender), target-down (the receiver).",
        );
        FLOW_RETRANSMITS = value(
            "flow.retransmits",
            "1",
            FLOW,
            "Segments that senders of flows sent again, those of the warm-up included.",
        );
        FLOW_STALL = measured(latency(
            "flow.stall",
            FLOW,
            "Longest time within the measured time in which an open flow brought its receiver nothing; one sample a flow.",
        ));
        FLOW_SUCCESS = measured(value(
            "flow.success",
            "ratio",
            FLOW,
            "Share of the flows under way within the measured time that brought everything through, or sent until their time was over.",
        ));
        FLOW_TIMEOUTS = value(
            "flow.timeouts",
            "1",
            FLOW,
            "Times that retransmission timers of flows' senders fired, those of the warm-up included.",
        );
    }
}
