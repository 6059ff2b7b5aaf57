//! What happened so far, as numbers, and the one place where events leave the node.
//!
//! Every event is counted before it is shown, so that counters and events never disagree: by its
//! kind, and under the figures that `api/measure.rs` declares of it. Owns no behaviour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;

use crate::api::{Event, MEASURES, MeasureKind, Sample};
use crate::environment::Observer;

/// Shows events to the observer and counts them.
#[derive(Clone)]
pub struct Outlet {
    me: PeerId,
    observer: Arc<dyn Observer>,
    counters: Arc<Mutex<Counters>>,
}

#[derive(Default)]
struct Counters {
    /// Events by their kind, and what no event stands for.
    plain: BTreeMap<&'static str, u64>,
    /// Declared figures by name and the value of their label.
    labelled: BTreeMap<(&'static str, String), u64>,
}

impl Outlet {
    /// An outlet of the node of the peer `me` to `observer`, all counters absent.
    pub fn new(me: PeerId, observer: Arc<dyn Observer>) -> Self {
        Self {
            me,
            observer,
            counters: Arc::default(),
        }
    }

    /// Counts `event` and shows it.
    pub fn emit(&self, event: &Event) {
        self.add(event.name(), 1);
        event.measure(&|peer| *peer == self.me, &mut |measure, sample| {
            if measure.kind == MeasureKind::Count {
                self.add(measure.name, 1);
            }
            if let Sample::Labelled(value) = sample {
                let mut counters = self.lock();
                let key = (measure.name, value.to_owned());
                *counters.labelled.entry(key).or_default() += 1;
            }
        });
        self.observer.event(event);
    }

    /// Adds to a counter that no event stands for.
    pub fn add(&self, counter: &'static str, amount: u64) {
        if amount == 0 {
            return;
        }
        let mut counters = self.lock();
        let value = counters.plain.entry(counter).or_insert(0);
        *value = value.saturating_add(amount);
    }

    /// All counters that are not zero, by name: `relay-refused`, `relay.refused`, and
    /// `relay.refused{reason=no-friend}`.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let counters = self.lock();
        let plain = counters.plain.iter();
        let labelled = counters.labelled.iter().map(|((name, value), count)| {
            let measure = MEASURES.iter().find(|measure| measure.name == *name);
            let label = measure.and_then(|measure| measure.label);
            let label = label.map_or("", |(label, _)| label);
            (format!("{name}{{{label}={value}}}"), *count)
        });
        plain
            .map(|(name, value)| ((*name).to_owned(), *value))
            .chain(labelled)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
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
