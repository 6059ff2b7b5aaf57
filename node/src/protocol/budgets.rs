//! What answering one peer may cost the store.
//!
//! Owns a budget for each identity: bytes read and time taken. A peer that has used up what may be
//! used at once waits until it is made up for; nobody else waits for that. Kept in memory only,
//! and only of those who owe.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_timer::Delay;

use crate::identity::IdentityId;

/// The time that a peer may take of every `SHARE` of the storage's, over time.
const SHARE: u32 = 4;
/// What may be used at once, as time in which it is made up for.
const BURST: Duration = Duration::from_secs(8);
/// Peers of whom it is known what they owe; beyond it those who owe least are forgotten.
const PEERS_MAX: usize = 1_024;

/// What each peer owes.
pub struct Budgets {
    /// Bytes a second.
    rate: u64,
    /// When a peer will have made up for all it used.
    settled: Mutex<BTreeMap<IdentityId, Instant>>,
}

impl Budgets {
    /// Budgets of `rate` bytes a second for each peer.
    pub fn new(rate: u64) -> Self {
        Self {
            rate: rate.max(1),
            settled: Mutex::default(),
        }
    }

    /// Whether `peer` has to wait before it is answered.
    pub fn is_spent(&self, peer: IdentityId) -> bool {
        !self.owed(peer, Instant::now()).is_zero()
    }

    /// Waits until `peer` may be answered.
    pub async fn wait(&self, peer: IdentityId) {
        Delay::new(self.owed(peer, Instant::now())).await;
    }

    /// How long `peer` has to wait at `now`.
    fn owed(&self, peer: IdentityId, now: Instant) -> Duration {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.get(&peer).map_or(Duration::ZERO, |settled| {
            settled.saturating_duration_since(now).saturating_sub(BURST)
        })
    }

    /// Notes what an answer to `peer` has cost.
    pub fn spend(&self, peer: IdentityId, bytes: usize, took: Duration) {
        self.spend_at(peer, bytes, took, Instant::now());
    }

    fn spend_at(&self, peer: IdentityId, bytes: usize, took: Duration, now: Instant) {
        let nanos = (bytes as u128 * 1_000_000_000) / u128::from(self.rate);
        let of_bytes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let cost = of_bytes.max(took.saturating_mul(SHARE));
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let from = settled.get(&peer).copied().map_or(now, |at| at.max(now));
        settled.insert(peer, from + cost);
        if settled.len() > PEERS_MAX {
            settled.retain(|_, at| *at > now);
        }
        if settled.len() > PEERS_MAX {
            let least = settled.iter().min_by_key(|(_, at)| **at);
            if let Some(least) = least.map(|(peer, _)| *peer) {
                settled.remove(&least);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREEDY: IdentityId = IdentityId([1; 32]);
    const MODEST: IdentityId = IdentityId([2; 32]);

    #[test]
    fn a_peer_that_has_read_its_share_waits_and_nobody_else() {
        let (budgets, now) = (Budgets::new(1_000), Instant::now());
        budgets.spend_at(GREEDY, 8_000, Duration::ZERO, now);
        assert_eq!(budgets.owed(GREEDY, now), Duration::ZERO, "a burst is free");
        budgets.spend_at(GREEDY, 3_000, Duration::ZERO, now);
        assert_eq!(budgets.owed(GREEDY, now), Duration::from_secs(3));
        assert_eq!(budgets.owed(MODEST, now), Duration::ZERO);
        let later = now + Duration::from_secs(3);
        assert_eq!(budgets.owed(GREEDY, later), Duration::ZERO);
    }

    #[test]
    fn a_peer_that_has_taken_its_time_waits() {
        let (budgets, now) = (Budgets::new(1_000_000), Instant::now());
        budgets.spend_at(GREEDY, 1, Duration::from_secs(2), now);
        assert_eq!(budgets.owed(GREEDY, now), Duration::ZERO);
        budgets.spend_at(GREEDY, 1, Duration::from_secs(1), now);
        assert_eq!(budgets.owed(GREEDY, now), Duration::from_secs(4));
    }

    #[test]
    fn of_too_many_peers_those_who_owe_least_are_forgotten() {
        let (budgets, now) = (Budgets::new(1), Instant::now());
        budgets.spend_at(GREEDY, 1_000, Duration::ZERO, now);
        for number in 0..2 * PEERS_MAX as u64 {
            let mut name = [9; 32];
            name[..8].copy_from_slice(&number.to_le_bytes());
            budgets.spend_at(IdentityId(name), 10, Duration::ZERO, now);
        }
        let known = budgets.settled.lock().expect("no panic").len();
        assert_eq!(known, PEERS_MAX);
        assert!(!budgets.owed(GREEDY, now).is_zero());
    }
}
