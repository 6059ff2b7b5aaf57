//! The one place where events leave the node.
//!
//! Every event is counted before it is shown, so that counters and events never disagree: by its
//! kind, and under the figures that `api/measure.rs` declares of it. Owns no behaviour, and no counts:
//! those are `counters.rs`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use libp2p::PeerId;

use crate::api::{Event, MeasureKind, Sample};
use crate::counters::Counters;
use crate::environment::Observer;

/// Shows events to the observer and counts them.
#[derive(Clone)]
pub struct Outlet {
    me: PeerId,
    observer: Arc<dyn Observer>,
    counters: Counters,
}

impl Outlet {
    /// An outlet of the node of the peer `me` to `observer`, all counters absent.
    pub fn new(me: PeerId, observer: Arc<dyn Observer>) -> Self {
        Self {
            me,
            observer,
            counters: Counters::default(),
        }
    }

    /// Counts `event` and shows it.
    pub fn emit(&self, event: &Event) {
        self.counters.add(event.name(), 1);
        event.measure(&|peer| *peer == self.me, &mut |measure, sample| {
            if measure.kind == MeasureKind::Count {
                self.counters.add(measure.name, 1);
            }
            if let Sample::Labelled(value) = sample {
                let label = measure.label.map_or("", |(label, _)| label);
                self.counters.add_labelled(measure.name, label, value);
            }
        });
        self.observer.event(event);
    }

    /// Adds to a counter that no event stands for.
    pub fn add(&self, counter: &'static str, amount: u64) {
        self.counters.add(counter, amount);
    }

    /// All counters that are not zero, by name: `relay-refused`, `relay.refused`, and
    /// `relay.refused{reason=no-friend}`.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _: &Event) {}
    }

    #[test]
    fn events_are_counted_by_kind_and_under_the_figures_declared_of_them() {
        let me = PeerId::random();
        let outlet = Outlet::new(me, Arc::new(Deaf));
        for reason in ["no-friend", "no-friend", "not-listed"] {
            outlet.emit(&Event::RelayRefused {
                peer: me,
                reason: reason.to_owned(),
            });
        }
        let expected = [
            ("relay-refused", 3),
            ("relay.refused", 3),
            ("relay.refused{reason=no-friend}", 2),
            ("relay.refused{reason=not-listed}", 1),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(outlet.counters(), expected.into());
    }
}
