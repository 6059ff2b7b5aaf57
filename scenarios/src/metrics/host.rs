//! When hosts that come and go are there: needs a group with `churn`.

use super::source::CHURN;
use super::{Definition, at_end, latency, measured, value};

/// By group.
const fn by_group(metric: Definition) -> Definition {
    Definition {
        labels: &["group"],
        ..metric
    }
}

crate::metrics! {
    pub(crate) METRICS {
        HOST_ABSENCE_TIME = at_end(by_group(latency(
            "host.absence.time",
            &[CHURN],
            "How long hosts that come and go stayed away, of absences that both began and ended in the whole run, without the drain: so long ones are rarer than in life.",
        )));
        HOST_AVAILABILITY = measured(by_group(value(
            "host.availability",
            "ratio",
            &[CHURN],
            "Share of the measured time in which programs of hosts that come and go were running, over all of those hosts.",
        )));
        HOST_SESSION_TIME = at_end(by_group(latency(
            "host.session.time",
            &[CHURN],
            "How long hosts that come and go stayed, of sessions that both began and ended in the whole run, without the drain: so long ones are rarer than in life.",
        )));
    }
}
