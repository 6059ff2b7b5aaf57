//! How much a connection's peer may say in a while.
//!
//! Whoever has said so much is not read until the while is over: what they send on waits with them. So a
//! peer takes a known part of the node's time, whatever it sends, and a busy group loses nothing. Knows no
//! clock: the caller says what time it is.

use std::time::{Duration, Instant};

/// The time over which is counted.
const PERIOD: Duration = Duration::from_secs(10);
/// Transmissions of a stranger in a [`PERIOD`]: each goes through all behaviours of the node.
const TRANSMISSIONS_MAX: u32 = 2_000;
/// Messages of a stranger in a [`PERIOD`]: for each a signature is verified.
const MESSAGES_MAX: u32 = 500;
/// A friend or a known node may say so many times what a stranger may.
const TRUSTED_TIMES: u32 = 10;

/// What has been said, and from when on.
#[derive(Debug, Default)]
pub struct Budget {
    begun: Option<Instant>,
    transmissions: u32,
    messages: u32,
}

impl Budget {
    /// Counts one more transmission with so many messages.
    ///
    /// # Errors
    /// For how long it has to wait, if it is one too many now. Nothing is counted then.
    pub fn spend(&mut self, messages: u32, trusted: bool, now: Instant) -> Result<(), Duration> {
        let begun = *self.begun.get_or_insert(now);
        let passed = now.saturating_duration_since(begun);
        if passed >= PERIOD {
            *self = Self {
                begun: Some(now),
                ..Self::default()
            };
        }
        let times = if trusted { TRUSTED_TIMES } else { 1 };
        let counted = self.messages.saturating_add(messages);
        // One transmission may have more than all that fits otherwise: it comes first, then.
        let fits = self.transmissions < TRANSMISSIONS_MAX * times
            && (counted <= MESSAGES_MAX * times || self.messages == 0);
        if !fits {
            return Err(PERIOD.saturating_sub(passed));
        }
        self.transmissions += 1;
        self.messages = counted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many transmissions of so many messages a budget takes at once.
    fn taken(budget: &mut Budget, messages: u32, trusted: bool, now: Instant) -> u32 {
        let spent = (0..).take_while(|_| budget.spend(messages, trusted, now).is_ok());
        spent.count() as u32
    }

    #[test]
    fn a_peer_says_so_much_and_then_waits() {
        let now = Instant::now();
        for (trusted, times) in [(false, 1), (true, TRUSTED_TIMES)] {
            for (messages, most) in [
                (0, TRANSMISSIONS_MAX),
                (1, MESSAGES_MAX),
                (100, MESSAGES_MAX / 100),
            ] {
                let mut budget = Budget::default();
                assert_eq!(taken(&mut budget, messages, trusted, now), most * times);
                let second = Duration::from_secs(1);
                let waits = budget.spend(messages, trusted, now + second);
                assert_eq!(waits, Err(PERIOD.saturating_sub(second)));
                let later = now + PERIOD;
                assert_eq!(taken(&mut budget, messages, trusted, later), most * times);
            }
        }
    }

    #[test]
    fn what_is_more_than_all_is_taken_by_itself() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        assert_eq!(budget.spend(MESSAGES_MAX * 2, false, now), Ok(()));
        assert!(budget.spend(1, false, now).is_err());
    }
}
