//! Who comes after whom at hosts whose keys go with a disk that is replaced.
//!
//! Owns how many people each such host has in a run, which its plan says, and whose turn it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::person::Person;
use crate::fault::DiskReplaced;
use crate::format::Scenario;
use crate::world::{Phase, Step, Target, World};

/// The people of a run beyond the first at each host.
pub struct Successors(BTreeMap<u32, OfHost>);

/// The people who follow at one host.
struct OfHost {
    people: Vec<Person>,
    /// How many of them have come.
    came: AtomicUsize,
}

impl Successors {
    /// Those that the faults of a world bring; `make` makes the one of a number, from 1 on, at a host.
    pub fn of(scenario: &Scenario, world: &World, make: &dyn Fn(u32, usize) -> Person) -> Self {
        let loses_keys: Vec<bool> = scenario
            .faults
            .iter()
            .map(|fault| fault.acts().on_host().and_then(|adds| adds.disk))
            .map(|disk| disk == Some(DiskReplaced::WithKeys))
            .collect();
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        if loses_keys.contains(&true) {
            for (_, step) in &world.steps {
                if let Step::Fault { fault, change } = step
                    && let (Target::Host(host), Phase::Begins) = (change.target, change.phase)
                    && loses_keys[*fault]
                {
                    *counts.entry(host).or_default() += 1;
                }
            }
        }
        let of_host = |(host, count)| {
            let people = (1..=count).map(|number| make(host, number)).collect();
            let came = AtomicUsize::new(0);
            (host, OfHost { people, came })
        };
        Self(counts.into_iter().map(of_host).collect())
    }

    /// Who is at a host now, if it is not the first.
    pub fn at(&self, host: u32) -> Option<&Person> {
        let of_host = self.0.get(&host)?;
        let came = of_host.came.load(Ordering::Relaxed);
        of_host.people.get(came.checked_sub(1)?)
    }

    /// The next one comes.
    ///
    /// # Panics
    /// If no fault brings one.
    pub fn next(&self, host: u32) {
        let of_host = self.0.get(&host).expect("the plan has a fault for each");
        let before = of_host.came.fetch_add(1, Ordering::Relaxed);
        assert!(before < of_host.people.len(), "one for each fault");
    }

    /// All of them, with their hosts.
    pub fn all(&self) -> impl Iterator<Item = (&Person, u32)> {
        self.0.iter().flat_map(|(host, of_host)| {
            let people = of_host.people.iter();
            people.map(move |person| (person, *host))
        })
    }
}
