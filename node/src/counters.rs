//! What happened so far, as numbers.
//!
//! Owns the counts alone, and knows nothing of what is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Numbers by name. Copies count together.
#[derive(Clone, Default)]
pub struct Counters(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    /// Counters without a label.
    plain: BTreeMap<&'static str, u64>,
    /// Counters by name, label and its value.
    labelled: BTreeMap<(&'static str, &'static str, String), u64>,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(&self, counter: &'static str, amount: u64) {
        if amount == 0 {
            return;
        }
        let mut counts = self.lock();
        let count = counts.plain.entry(counter).or_insert(0);
        *count = count.saturating_add(amount);
    }

    /// Adds one to a counter under this value of its label.
    pub fn add_labelled(&self, counter: &'static str, label: &'static str, value: &str) {
        let mut counts = self.lock();
        let key = (counter, label, value.to_owned());
        *counts.labelled.entry(key).or_default() += 1;
    }

    /// All that are not zero, by name, and `name{label=value}`.
    pub fn all(&self) -> BTreeMap<String, u64> {
        let counts = self.lock();
        let plain = counts.plain.iter();
        let labelled = counts.labelled.iter();
        plain
            .map(|(name, count)| ((*name).to_owned(), *count))
            .chain(labelled.map(|((name, label, value), count)| {
                let name = format!("{name}{{{label}={value}}}");
                (name, *count)
            }))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
