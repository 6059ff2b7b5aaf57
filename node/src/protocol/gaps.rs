//! What others hold that is not here, and when to ask for it.
//!
//! Owns small memories: of authors whose heads prove that posts are missing, of peers that were asked
//! what they hold of our own logs, and of the newest certificate of ours that one of them told. They
//! are bounded and forget what is oldest or least.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::identity::IdentityId;

/// Most pulls between two at which everything is asked for: three weeks of them, one every half
/// minute. What is missing for ever is downloaded a few times a year.
const PAUSE_PULLS_MAX: u32 = 1 << 16;
/// A peer is asked again what it holds of our own logs after this time.
const HEADS_PAUSE: Duration = Duration::from_hours(1);
/// Most strangers of whom it is known when they were asked.
const ASKED_MAX: usize = 4_096;

/// Posts of one author that should be here and are not.
#[derive(Debug, Default)]
struct Gap {
    missing: u64,
    /// Pulls until everything is asked for again.
    pulls_left: u32,
    /// Pulls between the last two times; it doubles.
    pause: u32,
}

/// What follows from what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Whether it is another number than after the pull before.
    pub changed: bool,
    /// Whether everything is to be asked for again.
    pub ask_again: bool,
}

/// What others hold that is not here.
#[derive(Default)]
pub struct Gaps {
    authors: Mutex<BTreeMap<IdentityId, Gap>>,
    asked: Mutex<Asked>,
    /// The highest serial of a certificate of ours that is newer than our keys.
    newer_serial: AtomicU64,
}

/// When peers were asked what they hold of our own logs. Who is followed is no stranger: their
/// number is bounded elsewhere.
#[derive(Default)]
struct Asked {
    friends: BTreeMap<IdentityId, Instant>,
    strangers: BTreeMap<IdentityId, Instant>,
}

impl Asked {
    /// When `peer` was asked, as a friend or as a stranger.
    fn all(&self, peer: &IdentityId) -> impl Iterator<Item = &Instant> {
        self.friends
            .get(peer)
            .into_iter()
            .chain(self.strangers.get(peer))
    }

    fn of(&mut self, friend: bool) -> &mut BTreeMap<IdentityId, Instant> {
        if friend {
            &mut self.friends
        } else {
            &mut self.strangers
        }
    }
}

impl Gaps {
    /// Notes after a whole pull that so many posts of `author`, who is followed, are missing.
    pub fn misses(&self, author: IdentityId, missing: u64) -> Missing {
        let mut authors = self.authors.lock().unwrap_or_else(PoisonError::into_inner);
        if missing == 0 {
            return Missing {
                changed: authors.remove(&author).is_some(),
                ask_again: false,
            };
        }
        let gap = authors.entry(author).or_default();
        let changed = std::mem::replace(&mut gap.missing, missing) != missing;
        let ask_again = gap.pulls_left == 0;
        if ask_again {
            gap.pause = (gap.pause * 2).clamp(1, PAUSE_PULLS_MAX);
            gap.pulls_left = gap.pause;
        } else {
            gap.pulls_left -= 1;
        }
        Missing { changed, ask_again }
    }

    /// Whether `peer`, who is a `friend` or not, is to be asked now what it holds of our own logs;
    /// it is taken to be.
    pub fn may_ask_heads(&self, peer: IdentityId, friend: bool) -> bool {
        self.may_ask_heads_at(peer, friend, Instant::now())
    }

    fn may_ask_heads_at(&self, peer: IdentityId, friend: bool, now: Instant) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |at: &Instant| now.saturating_duration_since(*at) < HEADS_PAUSE;
        // One who has become a friend since was asked all the same.
        if asked.all(&peer).any(lately) {
            return false;
        }
        let asked = asked.of(friend);
        if asked.len() >= ASKED_MAX {
            asked.retain(|_, at| lately(at));
        }
        if asked.len() >= ASKED_MAX && !friend {
            return false;
        }
        asked.insert(peer, now);
        true
    }

    /// Whether it is news that there is a certificate of ours with this serial, newer than our keys.
    pub fn hears_of_newer_keys(&self, serial: u64) -> bool {
        self.newer_serial.fetch_max(serial, Ordering::Relaxed) < serial
    }

    /// The question to `peer` was lost on the way: the next occasion is another chance.
    pub fn heads_unasked(&self, peer: IdentityId) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.friends.remove(&peer);
        asked.strangers.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: IdentityId = IdentityId([1; 32]);

    #[test]
    fn what_is_missing_is_told_once_and_asked_for_ever_more_rarely() {
        let gaps = Gaps::default();
        let results: Vec<_> = (0..3_000).map(|_| gaps.misses(AUTHOR, 2)).collect();
        assert!(results[0].changed);
        assert!(results[1..].iter().all(|result| !result.changed));
        let asked: Vec<_> = (0..3_000).filter(|at| results[*at].ask_again).collect();
        assert_eq!(asked[..5], [0, 2, 5, 10, 19]);
        assert!(asked.len() < 14, "{asked:?}");
        assert!(gaps.misses(AUTHOR, 3).changed);
        let none = gaps.misses(AUTHOR, 0);
        assert!(none.changed && !none.ask_again);
        assert!(!gaps.misses(AUTHOR, 0).changed);
        assert!(
            gaps.misses(AUTHOR, 1).ask_again,
            "a new gap is asked for at once"
        );
    }

    #[test]
    fn a_peer_is_asked_once_an_hour_and_no_more_strangers_than_are_remembered() {
        let (gaps, now) = (Gaps::default(), Instant::now());
        let may_ask = |peer, now| gaps.may_ask_heads_at(peer, false, now);
        assert!(may_ask(AUTHOR, now));
        assert!(!may_ask(AUTHOR, now + HEADS_PAUSE / 2));
        gaps.heads_unasked(AUTHOR);
        assert!(may_ask(AUTHOR, now));
        for number in 1..ASKED_MAX as u64 {
            let mut name = [9; 32];
            name[..8].copy_from_slice(&number.to_le_bytes());
            assert!(may_ask(IdentityId(name), now));
        }
        let one_more = IdentityId([8; 32]);
        assert!(!may_ask(one_more, now));
        let again = gaps.may_ask_heads_at(AUTHOR, true, now + HEADS_PAUSE / 2);
        assert!(!again, "it was asked as a stranger");
        // However many strangers there are, friends are asked.
        assert!(gaps.may_ask_heads_at(one_more, true, now));
        assert!(!gaps.may_ask_heads_at(one_more, true, now + HEADS_PAUSE / 2));
        assert!(may_ask(one_more, now + HEADS_PAUSE));
    }
}
