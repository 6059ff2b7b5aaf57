//! Metrics that the node declares of its events.
//!
//! Owns nothing but their form: name, meaning and label are the node's, and what it declares is a
//! metric without a further word here.

use orrery_node::api::{MEASURES, Measure, MeasureKind};

use super::{Definition, latency, value};

/// The metrics of all declared figures, by name.
pub(super) fn definitions() -> impl Iterator<Item = Definition> {
    MEASURES.iter().copied().map(definition)
}

/// Counts are those of the measured time, and say so.
fn definition(measure: &Measure) -> Definition {
    let [what, closer] = measure.about;
    let counted = match measure.kind {
        MeasureKind::Count => value(
            measure.name,
            "1",
            &[],
            kept(format!("{what} within the measured time{closer}.")),
        ),
        MeasureKind::Time => latency(measure.name, &[], kept(format!("{what}{closer}."))),
    };
    let label = measure.label.map(|(label, _)| label);
    Definition {
        labels: label.map_or(&[], |label| vec![label].leak()),
        cases: measure.label_values().leak(),
        of_nodes: true,
        ..counted
    }
}

/// A text for the life of the process: the registry is filled once.
fn kept(text: String) -> &'static str {
    text.leak()
}

#[cfg(test)]
mod tests {
    use orrery_node::api::measure::{RELAY_LOST, RELAY_RENEWED, RELAY_RESERVATION_TIME};

    use super::*;

    #[test]
    fn counts_say_of_which_time_they_are_and_times_are_latencies() {
        let check = |measure: &Measure, meaning: &str, labels: &[&str]| {
            let definition = definition(measure);
            assert_eq!(definition.meaning, meaning);
            assert_eq!(definition.labels, labels);
        };
        check(
            &RELAY_RENEWED,
            "Reservations that were renewed within the measured time.",
            &[],
        );
        check(
            &RELAY_LOST,
            "Reservations that clients noticed to have lost within the measured time, also by reason.",
            &["reason"],
        );
        check(
            &RELAY_RESERVATION_TIME,
            "From asking a relay for a reservation until it was granted, renewals aside.",
            &[],
        );
    }
}
