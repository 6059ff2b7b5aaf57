//! How often something has come from each of many in its current period.
//!
//! A key's period begins with what comes first from it, and the next one with what comes first after
//! its end. Knows no clock: the caller says what time it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What happens to a new key when as many are counted as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The key whose period began first is forgotten.
    ForgetFirst,
    /// It is turned away until another's period has ended.
    TurnAway,
}

/// Counts by key.
#[derive(Debug)]
pub struct WindowCounts<K> {
    period: Duration,
    keys_max: usize,
    when_full: WhenFull,
    /// When a key's period began, and what came in it.
    windows: BTreeMap<K, (Instant, u32)>,
}

impl<K: Clone + Ord> WindowCounts<K> {
    /// Counts over `period`, for at most `keys_max` keys.
    pub fn new(period: Duration, keys_max: usize, when_full: WhenFull) -> Self {
        Self {
            period,
            keys_max,
            when_full,
            windows: BTreeMap::new(),
        }
    }

    /// Counts one more of `key`, unless it has had `limit` in its period; whether it has not.
    pub fn admits(&mut self, key: K, limit: u32, now: Instant) -> bool {
        if !self.windows.contains_key(&key) && !self.has_room(now) {
            return false;
        }
        let (begun, count) = self.windows.entry(key).or_insert((now, 0));
        if now.saturating_duration_since(*begun) >= self.period {
            (*begun, *count) = (now, 0);
        }
        let admits = *count < limit;
        *count += u32::from(admits);
        admits
    }

    /// How many have come of `key` in its period.
    pub fn of(&self, key: &K, now: Instant) -> u32 {
        let window = self.windows.get(key);
        let lasts =
            |(begun, _): &&(Instant, u32)| now.saturating_duration_since(*begun) < self.period;
        window.filter(lasts).map_or(0, |(_, count)| *count)
    }

    /// Forgets what came from `key`.
    pub fn forget(&mut self, key: &K) {
        self.windows.remove(key);
    }

    /// How many keys are counted.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether one more key can be counted; makes room if that is how it is.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.windows.len() < self.keys_max {
            return true;
        }
        match self.when_full {
            WhenFull::ForgetFirst => {
                let first = self.windows.iter().min_by_key(|(_, (begun, _))| *begun);
                if let Some(first) = first.map(|(key, _)| key.clone()) {
                    self.windows.remove(&first);
                }
            }
            WhenFull::TurnAway => {
                let period = self.period;
                self.windows
                    .retain(|_, (begun, _)| now.saturating_duration_since(*begun) < period);
            }
        }
        self.windows.len() < self.keys_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(1);

    #[test]
    fn a_period_admits_so_many_and_the_next_as_many() {
        let start = Instant::now();
        let mut counts = WindowCounts::new(PERIOD, 9, WhenFull::TurnAway);
        for _ in 0..3 {
            assert!(counts.admits(1, 3, start));
        }
        assert!(!counts.admits(1, 3, start + Duration::from_secs(59)));
        assert!(counts.admits(2, 3, start));
        assert!(counts.admits(1, 3, start + PERIOD));
        assert!(!counts.admits(3, 0, start));
    }

    #[test]
    fn however_many_come_so_many_are_counted() {
        let start = Instant::now();
        let late = start + Duration::from_secs(1);
        let full = |when_full| {
            let mut counts = WindowCounts::new(PERIOD, 2, when_full);
            assert!(counts.admits(1, 1, start) && counts.admits(2, 1, late));
            counts
        };
        let mut forgets = full(WhenFull::ForgetFirst);
        assert!(forgets.admits(3, 1, late));
        assert!(!forgets.admits(2, 1, late), "still known");
        assert!(forgets.admits(1, 1, late), "forgotten");
        assert_eq!(forgets.len(), 2);
        let mut turns_away = full(WhenFull::TurnAway);
        assert!(!turns_away.admits(3, 1, late));
        assert!(turns_away.admits(3, 1, start + PERIOD));
        assert_eq!(turns_away.len(), 2);
    }
}
