//! How often a friend is told, without their owner's doing, that messages are here.
//!
//! Owns the times of the last receipts, in memory: a receipt speaks for all before it, so that one which
//! waits costs nobody anything. Each is a post of ours that is kept for good, and a friend who writes
//! without end would have one for every message.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::identity::IdentityId;

/// Receipts to one friend within [`WINDOW`] that follow each other as messages come.
const FREE: usize = 16;
const WINDOW: Duration = Duration::from_hours(1);
/// How far apart further ones are.
const APART: Duration = Duration::from_mins(5);

/// When each friend was told last.
#[derive(Debug, Default)]
pub struct Pace {
    /// The last [`FREE`] receipts of each, the oldest first.
    told: BTreeMap<IdentityId, VecDeque<Instant>>,
}

impl Pace {
    /// When `friend` may be told next, if that is to be `at`, or later.
    pub fn earliest(&self, friend: &IdentityId, at: Instant) -> Instant {
        let Some(told) = self.told.get(friend).filter(|told| told.len() == FREE) else {
            return at;
        };
        match (told.front(), told.back()) {
            (Some(first), Some(last)) if at.duration_since(*first) < WINDOW => {
                at.max(*last + APART)
            }
            _ => at,
        }
    }

    /// `friend` was told `at` this time.
    pub fn tells(&mut self, friend: IdentityId, at: Instant) {
        let told = self.told.entry(friend).or_default();
        if told.len() == FREE {
            told.pop_front();
        }
        told.push_back(at);
    }

    /// Forgets whoever is no friend any more.
    pub fn forget(&mut self, friend: &IdentityId) {
        self.told.remove(friend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_friend_who_writes_without_end_is_told_every_five_minutes() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let (friend, other) = (IdentityId([7; 32]), IdentityId([8; 32]));
        let second = Duration::from_secs(1);
        let mut at = start;
        for _ in 0..FREE {
            assert_eq!(pace.earliest(&friend, at), at);
            pace.tells(friend, at);
            at += second;
        }
        // A day of a message a second, each to be acknowledged at once.
        let mut receipts = 0;
        let end = start + Duration::from_hours(24);
        while at < end {
            at = pace.earliest(&friend, at + second);
            pace.tells(friend, at);
            receipts += 1;
        }
        assert!((250..=400).contains(&receipts), "{receipts}");
        assert_eq!(pace.earliest(&other, at), at);
        // After an hour of silence they follow each other again.
        let later = at + 16 * APART + WINDOW;
        assert_eq!(pace.earliest(&friend, later), later);
        pace.forget(&friend);
        assert_eq!(pace.earliest(&friend, at), at);
    }
}
