//! Metrics that the node declares of its events.
//!
//! Owns nothing but their form: name, meaning and label are the node's, and what it declares is a
//! metric without a further word here.

use orrery_node::api::{MEASURES, Measure, MeasureKind};

use super::source::Source;
use super::{Definition, at_end, latency, value};

/// The metrics of all declared figures, by name.
pub(super) fn definitions() -> impl Iterator<Item = Definition> {
    MEASURES.iter().copied().map(definition)
}

/// Counts and times are those of the measured time, and say so; events tell times when they end.
fn definition(measure: &Measure) -> Definition {
    let [what, closer] = measure.about;
    let meaning = kept(format!("{what} within the measured time{closer}."));
    let counted = match measure.kind {
        MeasureKind::Count => value(measure.name, "1", &[], meaning),
        MeasureKind::Time => at_end(latency(measure.name, &[], meaning)),
    };
    let label = measure.label.map(|(label, _)| label);
    Definition {
        labels: label.map_or(&[], |label| vec![label].leak()),
        cases: measure.label_values().leak(),
        source: Source::NodesWith(measure.of),
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
    fn counts_and_times_say_of_which_time_they_are() {
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
            "From asking a relay for a reservation until it was granted within the measured time, renewals aside.",
            &[],
        );
    }
}
