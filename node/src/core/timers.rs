//! What a part of the node has to do at which time.
//!
//! Each timer stands here at most once, so there are no more of them than of what their owner keeps
//! account of. Waits for nothing itself: the node's loop asks each part when it is to be woken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Timers of one part of the node by time; of those due at one instant the smallest goes first.
#[derive(Debug)]
pub struct Timers<T> {
    times: BTreeMap<T, Instant>,
    order: BTreeSet<(Instant, T)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            times: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<T: Copy + Ord> Timers<T> {
    /// Sets `timer` to `time`, wherever it stood before.
    pub fn set(&mut self, timer: T, time: Instant) {
        self.cancel(timer);
        self.times.insert(timer, time);
        self.order.insert((time, timer));
    }

    /// Sets `timer` to `time`, unless it comes earlier.
    pub fn bring_forward(&mut self, timer: T, time: Instant) {
        if self.times.get(&timer).is_none_or(|set| *set > time) {
            self.set(timer, time);
        }
    }

    /// Takes `timer` out.
    pub fn cancel(&mut self, timer: T) {
        if let Some(time) = self.times.remove(&timer) {
            self.order.remove(&(time, timer));
        }
    }

    /// Whether `timer` is set.
    pub fn contains(&self, timer: T) -> bool {
        self.times.contains_key(&timer)
    }

    /// When the next timer is due.
    pub fn next_time(&self) -> Option<Instant> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Takes the first timer that is due at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<T> {
        let (time, timer) = *self.order.first()?;
        if time > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Timer {
        Dial(u8),
        Pull(u8),
        GiveUp,
    }

    #[test]
    fn timers_come_in_order_of_time_and_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        timers.set(Timer::Pull(1), at(5));
        timers.set(Timer::Dial(1), at(3));
        timers.set(Timer::GiveUp, at(4));
        timers.set(Timer::Pull(1), at(2));
        timers.cancel(Timer::GiveUp);
        assert_eq!(timers.next_time(), Some(at(2)));
        assert_eq!(timers.take_due(at(1)), None);
        assert_eq!(timers.take_due(at(9)), Some(Timer::Pull(1)));
        assert_eq!(timers.take_due(at(9)), Some(Timer::Dial(1)));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.next_time(), None);
    }

    #[test]
    fn of_timers_due_at_once_the_smallest_goes_first() {
        let now = Instant::now();
        let mut timers = Timers::default();
        for timer in [Timer::GiveUp, Timer::Dial(2), Timer::Dial(1)] {
            timers.set(timer, now);
        }
        let due = std::iter::from_fn(|| timers.take_due(now));
        assert!(due.eq([Timer::Dial(1), Timer::Dial(2), Timer::GiveUp]));
    }
}
