//! Attempts of one kind, each of which has one fate: it succeeded, or failed for a cause.
//!
//! Owns when each began and what became of it: the first fate stays. What else is known of an
//! attempt is its kind's. Times are simulated nanoseconds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Planned;

/// All attempts of a kind, by the numbers that they were drawn with.
#[derive(Debug)]
pub struct Attempts<W, C> {
    all: Vec<Attempt<W, C>>,
    window_ns: Range<u64>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt<W, C> {
    /// What its kind knows of it.
    pub what: W,
    /// When it was to begin.
    pub start_ns: u64,
    end: Option<(u64, Result<(), C>)>,
}

impl<W, C> Default for Attempts<W, C> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            window_ns: 0..0,
        }
    }
}

impl<W, C: Copy> Attempts<W, C> {
    /// Those that a run will have: their numbers, which have no gaps, when they are to begin, and
    /// what is known of them.
    pub fn of(planned: &Planned<'_>, attempts: impl Iterator<Item = (u32, u64, W)>) -> Self {
        Self::within(planned.window_ns(), attempts)
    }

    /// As [`Self::of`], of which those count that begin within `window_ns`.
    pub fn within(window_ns: Range<u64>, attempts: impl Iterator<Item = (u32, u64, W)>) -> Self {
        let by_number: BTreeMap<u32, Attempt<W, C>> = attempts
            .map(|(number, start_ns, what)| {
                let end = None;
                let attempt = Attempt {
                    what,
                    start_ns,
                    end,
                };
                (number, attempt)
            })
            .collect();
        Self {
            all: by_number.into_values().collect(),
            window_ns,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is known of an attempt.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn what(&mut self, number: usize) -> &mut W {
        &mut self.all[number].what
    }

    /// All of them, by their numbers.
    pub fn all(&self) -> impl Iterator<Item = (usize, &Attempt<W, C>)> {
        self.all.iter().enumerate()
    }

    /// Those that were to begin within the measured time.
    pub fn measured(&self) -> impl Iterator<Item = (usize, &Attempt<W, C>)> {
        let within = |start_ns| self.window_ns.contains(start_ns);
        self.all()
            .filter(move |(_, attempt)| within(&attempt.start_ns))
    }

    /// Attempt `number` has come to its end, unless it had before.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn ends(&mut self, number: usize, now_ns: u64, fate: Result<(), C>) {
        self.all[number].end.get_or_insert((now_ns, fate));
    }

    /// All that `of` selects fail, unless they had ended before.
    pub fn fail(&mut self, now_ns: u64, cause: C, of: impl Fn(&Attempt<W, C>) -> bool) {
        for attempt in self.all.iter_mut().filter(|attempt| of(attempt)) {
            attempt.end.get_or_insert((now_ns, Err(cause)));
        }
    }
}

impl<W, C: Copy> Attempt<W, C> {
    /// How long it took, if it has succeeded.
    pub fn took_ns(&self) -> Option<u64> {
        let (end_ns, fate) = self.end?;
        fate.ok()?;
        Some(end_ns.saturating_sub(self.start_ns))
    }

    /// When it ended, if it has.
    pub fn end_ns(&self) -> Option<u64> {
        Some(self.end?.0)
    }

    /// Why it failed, if it has.
    pub fn failure(&self) -> Option<C> {
        self.end?.1.err()
    }

    /// Whether it has neither succeeded nor failed.
    pub fn is_open(&self) -> bool {
        self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fate_stays_and_only_what_begins_in_the_window_is_measured() {
        let planned = [(1, 20, 'b'), (0, 10, 'a'), (2, 30, 'c')];
        let mut attempts = Attempts::within(20..30, planned.into_iter());
        attempts.ends(1, 25, Ok(()));
        attempts.ends(1, 26, Err("late"));
        attempts.fail(28, "down", |attempt| attempt.start_ns <= 28);
        let fates: Vec<_> = attempts
            .all()
            .map(|(_, it)| (it.what, it.took_ns(), it.failure()))
            .collect();
        let expected = [
            ('a', None, Some("down")),
            ('b', Some(5), None),
            ('c', None, None),
        ];
        assert_eq!(fates, expected);
        let measured: Vec<usize> = attempts.measured().map(|(number, _)| number).collect();
        assert_eq!(measured, [1]);
    }
}
